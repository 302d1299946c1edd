"""What the listing of a bucket or folder shows to a verification: digests by chain, files by place.

Of a file a hash of its key and its minute are kept: a bucket may have tens of millions.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.integrity.chain import Listed
from ingest.integrity.digest import Chain, Place, chain_of, file_of, root_of
from ingest.integrity.scope import VerificationScope
from ingest.sources.layout import INGESTED, NameClass, classify, place_of

PENDING: Final = timedelta(hours=6)
"""How long a file may wait for the digest that lists it."""


@dataclass(slots=True)
class ListedFiles:
    """The files of a place: a hash of each key, and the minute of its delivery."""

    hashes: array[int] = field(default_factory=lambda: array("q"))
    minutes: array[int] = field(default_factory=lambda: array("q"))
    misnamed: list[str] = field(default_factory=list)
    """Keys in a folder of trail files that have no trail file's name."""
    uncovered: int = 0
    """Files of Insights and network activity."""

    def add(self, key: str, at: datetime) -> None:
        self.hashes.append(hash(key))
        self.minutes.append(int(at.timestamp()) // 60)

    def unlisted(self, listed: set[int]) -> Iterator[tuple[int, datetime]]:
        """Those that no digest lists: the hash of each key, and when it was delivered."""
        for number, minute in zip(self.hashes, self.minutes, strict=True):
            if number not in listed:
                yield number, datetime.fromtimestamp(minute * 60, UTC)


class ListedObjects:
    """All that is listed within a scope."""

    def __init__(self, wanted: VerificationScope, now: datetime) -> None:
        self._wanted = wanted
        self._now = now
        self.files: dict[Place, ListedFiles] = defaultdict(ListedFiles)
        self.recent: dict[int, str] = {}
        """Keys of files that were delivered lately, by hash: the next digest lists them."""
        self._chains: dict[Chain, list[Listed]] = defaultdict(list)
        self._after: dict[Chain, Listed] = {}
        """The first digest after the span: it names the last one in it."""

    def add(self, key: str) -> None:
        if (digest := chain_of(key)) is not None:
            self._add_digest(*digest, key)
        elif (file := file_of(key)) is not None:
            place, at = file
            if self._wanted.of(place) and self._wanted.file(at):
                self.files[place].add(key, at)
                if self._now - at < PENDING:
                    self.recent[hash(key)] = key
        else:
            self._add_other(key)

    def _add_digest(self, chain: Chain, end: datetime, key: str) -> None:
        if not self._wanted.of(chain.place):
            return
        if self._wanted.digest(end):
            self._chains[chain].append((key, end))
        elif self._wanted.since is None or end >= self._wanted.since:  # it is after the span
            first = self._after.get(chain)
            if first is None or end < first[1]:
                self._after[chain] = key, end

    def _add_other(self, key: str) -> None:
        lies = place_of(key)
        if lies is None or lies.kind not in INGESTED or classify(key)[0] is NameClass.OTHER:
            return
        place = Place(f"{root_of(key)}AWSLogs/", lies.account or "", lies.region or "")
        if not self._wanted.of(place) or not self._wanted.days(lies.span):
            return
        if lies.kind == "CloudTrail":
            self.files[place].misnamed.append(key)
        else:
            self.files[place].uncovered += 1

    def places(self) -> list[Place]:
        """Every account and region with a file or a digest, in their order."""
        return sorted({*self.files, *(chain.place for chain in self._chains)})

    def chains(self, place: Place) -> list[Chain]:
        """Those with a digest in the span, in their order."""
        return sorted(each for each in self._chains if each.place == place)

    def digests(self, chain: Chain) -> list[Listed]:
        """Those in the span by time, and the one after it."""
        found = sorted(self._chains[chain], key=lambda each: (each[1], each[0]))
        return [*found, self._after[chain]] if chain in self._after else found
