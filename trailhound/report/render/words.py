"""Numbers and times in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from enrich.resources import HIDDEN
from trailhound.plural import plural
from trailhound.report.findings import Findings
from trailhound.report.value import Scope

count = plural
"""A number and its noun."""


def share(part: int, whole: int) -> str:
    """A percentage that never rounds a part down to 0 %, or less than all up to 100 %.

    >>> share(1, 3), share(1, 100_000), share(99_999, 100_000), share(2, 2), share(0, 0)
    ('33 %', 'under 1 %', 'over 99 %', '100 %', '0 %')
    """
    if whole == 0 or part == 0:
        return "0 %"
    if part == whole:
        return "100 %"
    rounded = round(100 * part / whole)
    return "under 1 %" if rounded == 0 else "over 99 %" if rounded == 100 else f"{rounded} %"


def when(moment: datetime) -> str:
    """A time, to the minute.

    >>> when(datetime(2025, 3, 1, 4, 5, tzinfo=UTC))
    '1 March 2025, 04:05 UTC'
    """
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def span(scope: Scope) -> str:
    """The time that a report covers, in words.

    >>> span(Scope(None, None)), span(Scope(datetime(2030, 1, 1, tzinfo=UTC), None))
    ('all time', 'from 1 January 2030, 00:00 UTC on')
    """
    if scope.since is None:
        return f"up to {when(scope.until)}" if scope.until else "all time"
    if scope.until is None:
        return f"from {when(scope.since)} on"
    return f"{when(scope.since)} to {when(scope.until)}"


def name(text: str) -> str:
    """A name for people; CloudTrail's placeholder is replaced.

    >>> name("ada"), name("HIDDEN_DUE_TO_SECURITY_REASONS")
    ('ada', 'a hidden user name')
    """
    return "a hidden user name" if text == HIDDEN else text


def short(text: str, most: int = 48) -> str:
    """A name for a sentence: of a long one the beginning and the end, which tells most.

    >>> short("ada"), short("AWSReservedSSO_AdministratorAccess_0a1b/" + "x" * 40, 20)
    ('ada', 'AWSReserved…xxxxxxxx')
    """
    if len(text) <= most:
        return text
    end = most * 2 // 5
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names as a list, a hidden one last; of many, the first ones and the number of others.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=2)
    ('a', 'a, b and c', 'a, b and 1 more')
    >>> listed(["HIDDEN_DUE_TO_SECURITY_REASONS", "a"])
    'a and a hidden user name'
    """
    shown = [name(each) for each in sorted(names, key=HIDDEN.__eq__)[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most:,} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def without_alerts(findings: Findings, scope: Scope) -> str:
    """Sentences about why there may be no alerts."""
    of = ""
    if scope.accounts:
        of = " and this account" if len(scope.accounts) == 1 else " and these accounts"
    if findings.watched is None:
        return (
            f"There is no alert for this time{of}: rules never ran on schedule here. Whether "
            "`trailhound detect` ran over it is not recorded."
        )
    return (
        f"There is no alert for this time{of}. Rules last ran on schedule on "
        f"{when(findings.watched)}; they search new events, not older ones."
    )
