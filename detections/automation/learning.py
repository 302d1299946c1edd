"""Decides what becomes known automation, and until when, by days. Pure.

A call of a role from a network is known on a day if it was made on enough of the days before, the
last of which is recent. Days on which it raised an alert that was not closed as benign don't count,
nor do days before the entry was ended with `forget`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import msgspec

from trailhound.settings.detections import KnownAutomationSettings
from trailhound.state.known_automation import KnownAutomation


class Pattern(NamedTuple):
    """Who makes which call from where, for which rule; as `KnownAutomation.what`."""

    rule_id: str
    account: str
    role: str
    role_id: str
    source: str
    call: str
    network: str
    endpoint: str = ""


def known_until(
    days: Collection[date], today: date, settings: KnownAutomationSettings
) -> date | None:
    """The first day on which a pattern without further events is no longer known; None if it is not
    known `today`. `days` are those that count; today and later days do not.

    >>> settings = KnownAutomationSettings(days=2, within_days=30, expires_days=14)
    >>> known_until({date(2025, 3, 1), date(2025, 3, 3)}, date(2025, 3, 4), settings)
    datetime.date(2025, 3, 18)
    """
    oldest = today - timedelta(days=settings.within_days)
    counted = {day for day in days if oldest <= day < today}
    if len(counted) < settings.days:
        return None
    end = max(counted) + timedelta(days=settings.expires_days + 1)
    return end if today < end else None


@dataclass(frozen=True, slots=True)
class Learned:
    """The entries to write: `new` ones, those `kept` for longer, and those that `ended`."""

    new: tuple[KnownAutomation, ...] = ()
    kept: tuple[KnownAutomation, ...] = ()
    ended: tuple[KnownAutomation, ...] = ()


def learn(
    observed: Mapping[Pattern, Collection[date]],
    entries: Iterable[KnownAutomation],
    today: date,
    settings: KnownAutomationSettings,
    titles: Mapping[str, str],
) -> Learned:
    """Decide what is known today, from the days that count for each pattern and the stored entries.

    An entry begins today at the earliest, so it does not apply to earlier events.
    """
    start = midnight(today)
    forgotten: dict[tuple[str, ...], date] = {}
    active: dict[tuple[str, ...], KnownAutomation] = {}
    for each in entries:
        if each.forgotten is not None:
            day = each.forgotten.astimezone(UTC).date()
            forgotten[each.what] = max(day, forgotten.get(each.what, day))
        elif each.origin == "learned" and each.holds(start):
            active[each.what] = each
    new: list[KnownAutomation] = []
    kept: list[KnownAutomation] = []
    ended: list[KnownAutomation] = []
    for pattern, days in observed.items():
        since = forgotten.get(pattern)
        counted = [day for day in days if day < today and (since is None or day > since)]
        end = known_until(counted, today, settings)
        before = active.pop(tuple(pattern), None)
        if end is None:
            if before is not None:
                ended.append(msgspec.structs.replace(before, until=start))
            continue
        oldest = today - timedelta(days=settings.within_days)
        entry = before or KnownAutomation(
            **pattern._asdict(),
            since=start,
            until=midnight(end),
            rule=titles.get(pattern.rule_id, ""),
        )
        entry = msgspec.structs.replace(
            entry,
            until=midnight(end),
            days=len({day for day in counted if day >= oldest}),
            last_day=midnight(max(counted)),
        )
        (new if before is None else kept).append(entry)
    ended += [msgspec.structs.replace(each, until=start) for each in active.values()]
    return Learned(tuple(new), tuple(kept), tuple(ended))


def midnight(day: date) -> datetime:
    """The start of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def days_between(first: datetime, last: datetime) -> Iterator[date]:
    """Every day in UTC from one time to another."""
    day, end = first.astimezone(UTC).date(), last.astimezone(UTC).date()
    while day <= end:
        yield day
        day += timedelta(days=1)
