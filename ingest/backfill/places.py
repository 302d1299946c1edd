"""What a source holds by account, region and day, as far as folders and names show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from ingest.objects import TrailObject
from ingest.sources.layout import Place


class PlaceName(NamedTuple):
    """Account, region and day of a folder; empty if the folder does not show them. `day` is
    `YYYY-MM-DD`, or `YYYY-MM` or `YYYY` for the folder of a month or year."""

    account: str
    region: str
    day: str


@dataclass(slots=True)
class Sizes:
    """Objects and their bytes as stored."""

    objects: int = 0
    bytes: int = 0

    def add(self, other: Sizes) -> None:
        self.objects += other.objects
        self.bytes += other.bytes


@dataclass(slots=True)
class PlaceSizes:
    """Sizes by place: one entry for each day's folder that has an object."""

    sizes: dict[PlaceName, Sizes] = field(default_factory=dict)

    def add(self, item: TrailObject, place: Place | None) -> None:
        """Add an object whose folder shows `place`."""
        name = PlaceName("", "", "")
        if place is not None:
            name = PlaceName(place.account or "", place.region or "", _day(place.span))
        self.sizes.setdefault(name, Sizes()).add(Sizes(1, item.size))

    def by(self, part: Callable[[PlaceName], tuple[str, ...]]) -> Mapping[tuple[str, ...], Sizes]:
        """The sizes, summed by a part of the places' names, in its order."""
        found: dict[tuple[str, ...], Sizes] = {}
        for name, sizes in self.sizes.items():
            found.setdefault(part(name), Sizes()).add(sizes)
        return dict(sorted(found.items()))

    def as_list(self) -> list[dict[str, Any]]:
        """As `--json` prints it, in the order of account, region and day."""
        return [
            {**name._asdict(), "objects": each.objects, "bytes": each.bytes}
            for name, each in sorted(self.sizes.items())
        ]

    def __iter__(self) -> Iterator[PlaceName]:
        return iter(sorted(self.sizes))


def _day(span: tuple[date, date] | None) -> str:
    if span is None:
        return ""
    first, last = span
    if first == last:
        return first.isoformat()
    return f"{first:%Y-%m}" if first.month == last.month else f"{first:%Y}"
