"""The threat report without a cluster: events of files or log groups, read once and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from detections.investigation.file_threats import FileThreats
from detections.investigation.lead import Lead
from detections.span import Span, milliseconds
from enrich.enricher import Enricher
from enrich.view import loads
from ingest.distinct import DistinctEvents
from ingest.objects import Selection, Source
from ingest.offline import OfflineRead, OfflineReport
from trailhound.app.detection.file_detection import as_stored
from trailhound.settings import Settings

Progress = Callable[[int], None]
"""Called while events are read, with how many there are so far."""


class FileHunt:
    """`read` all sources, then use `leads`. A context manager, which removes its temporary
    files."""

    def __init__(self, settings: Settings, enricher: Enricher, span: Span) -> None:
        self._distinct = DistinctEvents()
        self._read = OfflineRead(
            settings, enricher, selection=Selection(), distinct=self._distinct, whole=True
        )
        self._threats = FileThreats(settings, span)

    def __enter__(self) -> FileHunt:
        return self

    def __exit__(self, *_: object) -> None:
        self._distinct.close()
        self._threats.__exit__()

    @property
    def reading(self) -> OfflineReport:
        """What became of the records."""
        return self._read.report

    @property
    def not_run(self) -> Sequence[str]:
        """The parts of the report that could not be made, and why."""
        return self._threats.not_run

    @property
    def disabled(self) -> Sequence[str]:
        """Titles of the rules that the settings switch off."""
        return self._threats.disabled

    def read(self, sources: Sequence[Source], progress: Progress = lambda _: None) -> None:
        """Read every event. Raises `SourceUnreachableError`."""
        for batch in self._read.batches(sources):
            progress(self._read.events)
            for item in range(len(batch)):
                source: Mapping[str, Any] = loads(batch.document(item))
                time = milliseconds(datetime.fromisoformat(str(source["@timestamp"])))
                _, name = batch.target(item)
                self._threats.add(name, time, as_stored(batch, item, source))

    def leads(self) -> list[Lead]:
        """The threats, in no particular order. Raises `RuleError`."""
        return list(self._threats.found())
