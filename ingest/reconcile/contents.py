"""Reads an object again without writing to the index, and finds which of its events no day has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from enrich.enricher import Enricher
from ingest.documents.assembler import Assembler
from ingest.documents.record_filter import RecordFilter
from ingest.object_progress import ObjectProgress
from ingest.object_reader import ObjectReader, read_limits
from ingest.objects import Selection, TrailObject
from ingest.reconcile.stored import DayUnreadableError, StoredEvents
from trailhound.cluster.templates import Names
from trailhound.errors import SourceError
from trailhound.settings import Settings


@dataclass(slots=True)
class Content:
    """What the comparison of one object found. `absent` are the positions of wanted events that are
    in no day's index. `other_kind` says what the object holds where that is not events. `fault` is
    why it, or a day, could not be read. `sha256` is the hash of what its gzip stream holds, as in
    the ledger; empty where the object is not one whole stream."""

    absent: set[int] = field(default_factory=set)
    events: int = 0
    other_kind: str = ""
    fault: str = ""
    sha256: str = ""


class Contents:
    """Reads objects by the settings in force: their filter, their retention, their ids."""

    def __init__(self, settings: Settings, selection: Selection, stored: StoredEvents) -> None:
        names = Names(settings.prefix)
        # No address and no tool matters here: ids and days are all that is compared.
        self._reader = ObjectReader(
            RecordFilter(settings, selection),
            Assembler(Enricher(), names.day, unsearched=settings.index.unsearched),
            read_limits(settings.ingest),
            hashes=True,
        )
        self._stored = stored

    def of(self, item: TrailObject, stream: BinaryIO | SourceError) -> Content:
        """Compare one object with the index. Raises `ClusterError` where that is unreachable."""
        found = Content()
        run = ObjectProgress(item, lambda _: None)
        try:
            for made in self._reader.read(stream, run):
                positions: dict[tuple[str, str], set[int]] = {}
                for batch in (made.batch, made.repaired):
                    for number in range(len(batch)):
                        target = batch.target(number)
                        positions.setdefault(target, set()).add(batch.positions[number])
                        found.events += 1
                for target in self._stored.absent(positions):
                    found.absent |= positions[target]
        except DayUnreadableError as error:
            found.fault = error.with_hint
            return found
        found.other_kind, found.fault, found.sha256 = run.other_kind, run.fault, run.sha256
        return found
