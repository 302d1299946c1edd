"""Which tier each day is in, for `status` and `doctor`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

from opensearchpy import OpenSearch

from trailhound.cluster.blocks import index_states
from trailhound.cluster.colder_storage import ColderStorage, cold_days, ultrawarm_indices
from trailhound.cluster.lifecycle import Tier, due_tier
from trailhound.cluster.retention import lifecycles, reachable, storage_of
from trailhound.cluster.templates import Names, index_marks
from trailhound.plural import plural
from trailhound.settings import Settings

Place = Literal["hot", "warm", "cold", "closed"]
_PLACES: Final[tuple[Place, ...]] = ("hot", "warm", "cold", "closed")
_NAMED: Final = 3
_RANK: Final[Mapping[str, int]] = {"hot": 0, "warm": 1, "cold": 2, "closed": 3, "past": 3}


@dataclass(frozen=True, slots=True)
class TierState:
    """The days of one tier: their number, and the first and last of them (`YYYY.MM.DD`)."""

    tier: Place
    days: int
    first: str
    last: str

    def as_dict(self) -> dict[str, Any]:
        return {"tier": self.tier, "days": self.days, "first": self.first, "last": self.last}


@dataclass(frozen=True, slots=True)
class Tiers:
    """The tiers. `late`: days that have not reached the tier they are due for, without those that
    `failed`. `note`: why `cold_after` has no effect beyond `warm_after`; empty if it has or is not
    set."""

    states: tuple[TierState, ...] = ()
    late: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As `status --json` prints it."""
        return {
            "states": [each.as_dict() for each in self.states],
            "late": list(self.late),
            "failed": dict(self.failed),
            "note": self.note,
        }

    def describe(self) -> str:
        """The days of each tier in one line.

        >>> Tiers((TierState("hot", 7, "2025.03.25", "2025.03.31"),)).describe()
        'hot 7 days (2025.03.25 to 2025.03.31)'
        """
        parts = [
            f"{each.tier} {each.days:,} day{'s' if each.days != 1 else ''} "
            f"({each.first}{f' to {each.last}' if each.last != each.first else ''})"
            for each in self.states
        ]
        return ", ".join(parts) or "no days yet"

    def problems(self) -> list[str]:
        """A sentence for each deviation from the settings."""
        lines = []
        if self.late:
            lines.append(
                f"{_number(self.late)} due for another tier and not there yet: {_named(self.late)}"
            )
        if self.failed:
            first = min(self.failed)
            lines.append(f"{_number(self.failed)} not moved; {first}: {self.failed[first]}")
        return [*lines, self.note] if self.note else lines


def _number(days: Collection[str]) -> str:
    return f"{plural(len(days), 'day')} {'is' if len(days) == 1 else 'are'}"


def _named(days: Sequence[str]) -> str:
    return ", ".join(days[:_NAMED]) + (", …" if len(days) > _NAMED else "")


def unwritable_days(client: OpenSearch, settings: Settings) -> int:
    """The number of days that are read-only or closed, for any reason. Raises opensearch-py's
    exceptions."""
    names = Names(settings.prefix)
    found = index_states(client, names.days).items()
    return sum(names.day_of(index) is not None and not each.takes_writes for index, each in found)


def read_tiers(client: OpenSearch, settings: Settings, today: date) -> Tiers | None:
    """The tiers of the days; None if the settings have no tiers. Raises opensearch-py's
    exceptions."""
    retention = settings.retention
    if not retention.tiered:
        return None
    names = Names(settings.prefix)
    storage = storage_of(client, settings)
    ours = index_marks(client, names.days)
    warm = ultrawarm_indices(client, names) if storage.ultrawarm else frozenset()
    places: dict[str, Place] = {}
    due: dict[str, Tier] = {}
    for index, state in index_states(client, names.days).items():
        day = names.day_of(index)
        if day is None or not ours.get(index):
            continue
        due[index] = reachable(due_tier(retention, day, today), storage)
        if state.closed:
            places[index] = "closed"
        elif index != names.day(day):
            places[index] = "cold"
        else:
            places[index] = "warm" if index in warm or not state.takes_writes else "hot"
    failed = _failed(client, settings, storage, due)
    late = [
        index
        for index, tier in sorted(due.items())
        if _RANK[tier] > _RANK[places[index]] and index not in failed
    ]
    by_place: dict[Place, list[str]] = {place: [] for place in _PLACES}
    for index, place in places.items():
        by_place[place].append(names.day_of(index) or "")
    if storage.cold:
        by_place["cold"] += cold_days(client, names)
    states = tuple(
        TierState(place, len(days), min(days), max(days))
        for place, days in by_place.items()
        if days
    )
    lacks = retention.cold_after is not None and not storage.beyond_warm
    note = f"nothing colder than warm is used: {storage.why}" if lacks else ""
    return Tiers(states, tuple(late), failed, note)


def _failed(
    client: OpenSearch, settings: Settings, storage: ColderStorage, due: Mapping[str, Tier]
) -> dict[str, str]:
    """The days for which ISM or ILM failed. (Failures of the daemon are the error of its job.)"""
    first = lifecycles(client, settings, storage)[0]
    mine = {index: tier for index, tier in due.items() if tier != "hot" and first.can(tier)}
    return first.plan(mine).failed if mine and first.by_policy else {}
