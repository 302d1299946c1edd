"""Days and times on the command line: their formats, and the check of their order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

from trailhound.errors import UsageError

_FIRST, _LAST = 1970, 2199
"""Years. Earlier and later ones are typing errors, and some are beyond what dates can hold."""
_DAY = "%Y-%m-%d"
_TIMES = (_DAY, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S")


def day(text: str | datetime) -> datetime:
    """A UTC day, for `typer.Option(parser=day)`.

    >>> day("2025-03-01").isoformat()
    '2025-03-01T00:00:00+00:00'
    """
    return _parsed(text, (_DAY,), "a date", "YYYY-MM-DD")


def time(text: str | datetime) -> datetime:
    """A UTC day or time, for `typer.Option(parser=time)`.

    >>> time("2025-03-01T12:30:00Z").isoformat()
    '2025-03-01T12:30:00+00:00'
    """
    return _parsed(text, _TIMES, "a date or time", "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (UTC)")


def _parsed(text: str | datetime, forms: tuple[str, ...], what: str, form: str) -> datetime:
    if isinstance(text, datetime):
        return text
    for each in forms:
        try:
            found = datetime.strptime(text.strip(), each).replace(tzinfo=UTC)
        except ValueError:
            continue
        if not _FIRST <= found.year <= _LAST:
            raise typer.BadParameter(f"{text!r} is not between {_FIRST} and {_LAST}")
        return found
    raise typer.BadParameter(f"{text!r} is not {what}: write {form}")


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raises `UsageError` if both are given and `since` is not before `until`.

    `until` that is a day includes all of it.
    """
    if since is not None and until is not None and since >= end_of(until):
        raise UsageError(
            f"--since {_shown(since)} is after --until {_shown(until)}",
            hint="swap the two dates",
        )


def end_of(until: datetime) -> datetime:
    """The exclusive end of a span: of a day, the day's end.

    >>> end_of(datetime(2025, 3, 1, tzinfo=UTC)).isoformat()
    '2025-03-02T00:00:00+00:00'
    """
    whole_day = until == until.replace(hour=0, minute=0, second=0, microsecond=0)
    return until + timedelta(days=1) if whole_day else until


def _shown(moment: datetime) -> str:
    whole_day = moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return moment.strftime(_DAY if whole_day else "%Y-%m-%dT%H:%M:%SZ")


def ago(moment: datetime | str) -> str:
    """How long before now, in its largest unit. Text that is no instant stays as it is.

    >>> ago(datetime.now(UTC) - timedelta(hours=3, minutes=20))
    '3 h ago'
    """
    if isinstance(moment, datetime):
        return f"{span((datetime.now(UTC) - moment).total_seconds())} ago"
    try:
        return ago(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    except ValueError:
        return moment


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
