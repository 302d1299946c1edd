"""Finds which accounts and regions a source has, on any day: for a selection that matched
nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from ingest.objects import Selection, Source
from ingest.sources.layout import NameClass, classify, place_of
from ingest.sources.lookahead import Lookahead
from ingest.sources.s3_listing import AHEAD
from ingest.sources.stream import StreamSource

_MOST_LISTED: Final = 200_000
"""How many names are examined where a source has no folders."""
_MOST_REGIONS: Final = 200
"""Folders of regions whose first and last day are looked for: some six requests each."""


@dataclass(slots=True)
class Inventory:
    """What a source has. `first` and `last` are the days of its objects, unknown where too many
    folders would have to be listed. `unplaced` counts objects whose folders name no account or
    region; `absent` are sources under whose name nothing exists, with what exists beside them."""

    accounts: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    first: date | None = None
    last: date | None = None
    unplaced: int = 0
    absent: list[str] = field(default_factory=list)

    def merge(self, other: Inventory) -> None:
        """Add what another source has."""
        self.accounts |= other.accounts
        self.regions |= other.regions
        self._add_days((other.first, other.last))
        self.unplaced += other.unplaced
        self.absent += other.absent

    def add(self, path: str, *, folder: bool = False) -> None:
        """Add a name that was found. `folder`: it is a folder, whose name may show less than an
        object's."""
        place = place_of(f"{path}2000/01/01/" if folder else path)
        if place is None:
            self.unplaced += not folder and classify(path)[0] is not NameClass.OTHER
            return
        if not folder and place.span is not None:
            self._add_days(place.span)
        if place.account is not None:
            self.accounts.add(place.account)
        if place.region is not None:
            self.regions.add(place.region)

    def _add_days(self, days: Iterable[date | None]) -> None:
        found = [each for each in (self.first, self.last, *days) if each is not None]
        self.first, self.last = min(found, default=None), max(found, default=None)


@runtime_checkable
class Foldered(Protocol):
    """A source whose folders can be listed one level at a time."""

    def folders(self) -> Iterator[tuple[str, bool]]:
        """The names found down to the regions' folders, and whether each is a folder."""

    def ends(self, folder: str) -> list[str]:
        """The names of an object of the first and of one of the last day below a region's
        folder."""

    def neighbours(self) -> list[str]:
        """What exists beside the source's own name where nothing exists under that; else empty."""


def inventory_of(source: Source) -> Inventory:
    """What a source has, as far as a bounded listing shows. Raises `SourceUnreachableError`."""
    found = Inventory()
    if isinstance(source, StreamSource):
        return found
    if isinstance(source, Foldered):
        found.absent = source.neighbours()
        regions = []
        for name, is_folder in source.folders() if not found.absent else ():
            found.add(name, folder=is_folder)
            place = place_of(f"{name}2000/01/01/") if is_folder else None
            if place is not None and place.region is not None:
                regions.append(name)
        if len(regions) > _MOST_REGIONS:
            found.first = found.last = None
            return found
        with Lookahead(min(AHEAD, len(regions) or 1)) as ahead:
            for _, names in ahead.map(source.ends, regions):
                for name in names or ():
                    found.add(name)
        return found
    listed = 0
    for item in islice(source.objects(Selection()), _MOST_LISTED):
        found.add(item.path)
        listed += 1
    if listed == _MOST_LISTED:  # those of the other names are not known
        found.first = found.last = None
    return found
