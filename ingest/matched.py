"""What a selection matched, by the folders of the objects listed and by the records read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from ingest.documents.record_filter import MOST_NAMED, Choice, Dimension
from ingest.objects import TrailObject
from ingest.sources.layout import Place, place_of

_REASONS: Final = 5
"""The most reasons that are named."""


@dataclass(slots=True)
class Matched:
    """The accounts, regions and days of the folders of the objects that were listed.

    `unplaced` are objects whose folder names neither: their records do.
    """

    accounts: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    unplaced: int = 0

    def add(self, item: TrailObject) -> Place | None:
        """Add an object. Returns its place."""
        place = place_of(item.path)
        self.add_place(place)
        return place

    def add_place(self, place: Place | None) -> None:
        """Add the place of an object."""
        if place is None or place.account is None or place.region is None:
            self.unplaced += 1
        if place is not None:
            if place.account is not None:
                self.accounts.add(place.account)
            if place.region is not None:
                self.regions.add(place.region)
            if place.day is not None:
                self.days.add(place.day)

    def merge(self, other: Matched) -> None:
        """Add what another worker read."""
        self.accounts |= other.accounts
        self.regions |= other.regions
        self.days |= other.days
        self.unplaced += other.unplaced


@dataclass(slots=True)
class SelectedRecords:
    """What a selection did with records. `by_folder`: records that were selected only by their
    object's folder, `named`: the reasons for that; `left_out`: accounts and regions of records that
    were not selected; `matched`: selected accounts and regions that records had themselves; `past`:
    records past retention; `oldest`: the first day that is kept (`YYYY.MM.DD`)."""

    by_folder: int = 0
    named: Counter[tuple[Dimension, str]] = field(default_factory=Counter)
    left_out: set[tuple[Dimension, str]] = field(default_factory=set)
    matched: set[tuple[Dimension, str]] = field(default_factory=set)
    past: int = 0
    oldest: str = ""

    def add(self, choice: Choice) -> None:
        """Add one object's records."""
        self.merge(
            SelectedRecords(
                by_folder=choice.by_folder,
                named=choice.named,
                left_out=choice.left_out,
                matched=choice.matched,
                past=choice.past,
                oldest=choice.oldest,
            )
        )

    def merge(self, other: SelectedRecords) -> None:
        """Add those of another worker."""
        self.by_folder += other.by_folder
        self.past += other.past
        self.oldest = max(self.oldest, other.oldest)
        for name, number in other.named.items():
            if name in self.named or len(self.named) < MOST_NAMED:
                self.named[name] += number
        self.matched |= other.matched
        room = MOST_NAMED - len(self.left_out)
        self.left_out |= set(sorted(other.left_out - self.left_out)[:room])

    def why(self) -> str:
        """The reasons, the most frequent first: `day 2025-03-01 (12), account 111122223333 (3)`."""
        shown = [f"{kind} {value or 'none'} ({n:,})" for (kind, value), n in
                 self.named.most_common(_REASONS)]  # fmt: skip
        more = len(self.named) - len(shown)
        return ", ".join([*shown, *([f"and {more:,} more"] if more else [])])
