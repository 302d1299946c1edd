"""`--seen` of `incidents close`: the incident is closed as somebody saw it, without what joined it
since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from trailhound.cli import dates
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural
from trailhound.errors import UsageError

with late_imports():
    from detections.incidents.store import RaisedAlert

Members = Mapping[str, Sequence["RaisedAlert"]]
"""The alerts of incidents, by incident, in the order in which they were raised."""
_RECENT: Final = timedelta(minutes=15)
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """How many alerts an incident had, or when, as somebody looked at it."""

    alerts: int | None = None
    at: datetime | None = None


def seen(given: str | Seen) -> Seen:
    """A number of alerts, or a time, for `typer.Option(parser=seen)`.

    >>> seen("12").alerts, f"{seen('2025-03-01T04:00:00Z').at:%F %H:%M}"
    (12, '2025-03-01 04:00')
    """
    if isinstance(given, Seen):
        return given
    text = given.strip()
    return Seen(alerts=int(text)) if text.isdecimal() else Seen(at=dates.end_of(dates.time(text)))


SeenOption = Annotated[
    Seen | None,
    typer.Option(
        "--seen",
        parser=seen,
        metavar="N|TIME",
        help="Close it only if it still has N alerts, as `show` said, or none raised after TIME.",
    ),
]


def changed_since(members: Members, given: Seen) -> dict[str, str]:
    """Why incidents are not closed: those that alerts have joined since, with the newest of them.

    Raises `UsageError` for a number that is to be of several incidents.
    """
    if given.alerts is not None and len(members) > 1:
        raise UsageError(
            "--seen with a number is for one incident", hint="give a time, or one incident"
        )
    return {
        name: f"{since}: {_named(new)}; look at it: `trailhound incidents show {name}`"
        for name, alerts in members.items()
        for since, new in _new(alerts, given)
    }


def recent(members: Members, now: datetime) -> Iterator[str]:
    """What was closed although somebody may not have seen it, since it was raised just before."""
    for name, alerts in members.items():
        new = [each for each in alerts if now - each.raised_at <= _RECENT]
        if new and len(new) < len(alerts):
            number = plural(len(new), "alert was", "alerts were")
            minutes = _RECENT // timedelta(minutes=1)
            yield (
                f"{name}: {number} raised in the last {minutes} minutes and closed with it: "
                f"{_named(new)}; if you have not seen that, `trailhound incidents reopen {name}`"
            )


def _new(alerts: Sequence[RaisedAlert], given: Seen) -> Iterator[tuple[str, Sequence[Any]]]:
    if given.at is not None:
        new = [each for each in alerts if each.raised_at >= given.at]
        if new:
            yield f"{plural(len(new), 'alert was', 'alerts were')} raised since", new
    elif given.alerts is not None and len(alerts) != given.alerts:
        yield (
            f"it has {plural(len(alerts), 'alert')}, not {given.alerts:,}",
            alerts[given.alerts :] or alerts[-1:],
        )


def _named(alerts: Sequence[RaisedAlert]) -> str:
    shown = [
        f"{each.name[:8]} {each.title} ({each.raised_at.astimezone(UTC):%F %H:%M} UTC)"
        for each in reversed(alerts[-_NAMED:])
    ]
    more = len(alerts) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
