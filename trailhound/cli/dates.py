"""Times on the command line: their forms, and the check of their order.

A time is a date (`2025-03-01`), an instant in ISO 8601 (in UTC if it has no offset), or a duration
before now (`7d`, `36h`, `90m`, `2w`, `1d12h`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

from trailhound.errors import UsageError

METAVAR = "TIME"
FORMS = "7d, 36h, 2025-03-01 or 2025-03-01T12:30:00Z (UTC)"
"""An example of every form, for messages."""
_FIRST, _LAST = 1970, 2199
"""Years. Earlier and later ones are typing errors, and some are beyond what dates can hold."""
_DAY = "%Y-%m-%d"
_WEEKS = timedelta(weeks=4)
"""Times longer ago are shown as a date."""
_SKEW = timedelta(minutes=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
_DURATION = re.compile(
    r"(?=\d)(?:(?P<weeks>\d{1,6})w)?(?:(?P<days>\d{1,6})d)?(?:(?P<hours>\d{1,7})h)?"
    r"(?:(?P<minutes>\d{1,8})m(?:in)?)?",
    re.ASCII | re.IGNORECASE,
)


class Day(datetime):
    """The beginning of a UTC day that was given as a date. As an end, it includes that day."""


def day(text: str | datetime) -> datetime:
    """The UTC day that a time lies in, for `typer.Option(parser=day)`.

    >>> day("2025-03-01T12:30:00Z").isoformat()
    '2025-03-01T00:00:00+00:00'
    """
    found = time(text)
    return Day(found.year, found.month, found.day, tzinfo=UTC)


def time(text: str | datetime) -> datetime:
    """A moment in UTC, for `typer.Option(parser=time)`.

    >>> time("2025-03-01T14:30+02:00").isoformat(), type(time("2025-03-01")).__name__
    ('2025-03-01T12:30:00+00:00', 'Day')
    """
    if isinstance(text, datetime):
        return text
    try:
        found = _parsed(text.strip())
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time: write {FORMS}")
    if not _FIRST <= found.year <= _LAST:
        raise typer.BadParameter(f"{text!r} is not between {_FIRST} and {_LAST}")
    return found


def coming(text: str | datetime) -> datetime:
    """A time in the future, for `typer.Option(parser=coming)`: a duration counts from now, a date
    includes that day. Rejects times in the past.

    >>> coming("2199-03-01").isoformat()
    '2199-03-02T00:00:00+00:00'
    """
    if isinstance(text, datetime):
        return text
    now = datetime.now(UTC)
    found = end_of(time(text))
    if _DURATION.fullmatch(text.strip()):
        try:
            found = now + (now - found)
        except OverflowError:
            found = now
    if found <= now:
        raise typer.BadParameter(
            f"{text!r} has passed: write a date or an instant to come, or how long from now (30d)"
        )
    return found


def _parsed(text: str) -> datetime | None:
    """The time. Raises `ValueError` or `OverflowError` for text that only looks like a time."""
    if _DATE.fullmatch(text):
        return Day.strptime(text, _DAY).replace(tzinfo=UTC)
    if duration := _DURATION.fullmatch(text):
        ago = {unit: int(number) for unit, number in duration.groupdict().items() if number}
        return datetime.now(UTC) - timedelta(**ago)
    if instant := _INSTANT.fullmatch(text):
        date, clock, offset = instant.groups()
        found = datetime.fromisoformat(f"{date}T{clock}{offset or 'Z'}".upper())
        return found.astimezone(UTC)
    return None


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raises `UsageError` if both are given and `since` is not before `until`.

    `until` that is a date includes all of that day.
    """
    if since is not None and until is not None and since >= end_of(until):
        raise UsageError(
            f"--since {_shown(since)} is after --until {_shown(until)}",
            hint="swap the two times",
        )


def check_begun(since: datetime | None, now: datetime) -> None:
    """Raises `UsageError` for a span that begins after now, which can't hold any event."""
    if since is not None and since > now:
        raise UsageError(
            f"--since {_shown(since)} is after now, {_shown(now)}", hint=f"write {FORMS}"
        )


def start_of(since: datetime) -> datetime:
    """The inclusive start of a span: of a date, the day's beginning.

    >>> type(start_of(time("2025-03-01"))).__name__
    'datetime'
    """
    return datetime.fromtimestamp(since.timestamp(), UTC)


def end_of(until: datetime) -> datetime:
    """The exclusive end of a span: of a date, the day's end.

    >>> end_of(time("2025-03-01")).isoformat(), end_of(time("2025-03-01T00:00Z")).isoformat()
    ('2025-03-02T00:00:00+00:00', '2025-03-01T00:00:00+00:00')
    """
    moment = start_of(until)
    return moment + timedelta(days=1) if isinstance(until, Day) else moment


def _shown(moment: datetime) -> str:
    return moment.strftime(_DAY if isinstance(moment, Day) else "%Y-%m-%dT%H:%M:%SZ")


def ago(moment: datetime | str) -> str:
    """The time before or after now in its largest unit; the UTC day if it is some weeks away. Text
    that is not an instant is returned unchanged.

    >>> ago(datetime.now(UTC) - timedelta(hours=3, minutes=20))
    '3 h ago'
    >>> ago("2025-03-03T12:00:00.000Z")
    '2025-03-03'
    >>> ago(datetime.now(UTC) + timedelta(days=13, minutes=1))
    'in 13 d'
    """
    if isinstance(moment, datetime):
        passed = datetime.now(UTC) - moment
        if abs(passed) > _WEEKS:
            return moment.astimezone(UTC).strftime(_DAY)
        # Clocks of two machines differ by seconds: what has just been written isn't to come.
        if -passed > _SKEW:
            # So that "13d", given a moment ago, is "in 13 d".
            return f"in {span((_SKEW - passed).total_seconds())}"
        return f"{span(passed.total_seconds())} ago"
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return ago(found if found.tzinfo else found.replace(tzinfo=UTC))


def is_old(moment: datetime | str | None) -> bool:
    """Whether `ago` shows a time as a day.

    >>> is_old("2025-03-03T12:00:00.000Z"), is_old(datetime.now(UTC)), is_old("")
    (True, False, False)
    """
    if not moment:
        return False
    shown = ago(moment)
    return shown != moment and not shown.startswith("in ") and not shown.endswith(" ago")


def span(seconds: float) -> str:
    """
    >>> span(7300.5)
    '2 h'
    """
    seconds = int(seconds)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} s"
