"""The Python API: read trail files, enrich records, match rules. No cluster, no network.

    from pathlib import Path
    from trailhound.api import Enricher, RuleSet, TrailFile, enrich

    enricher, rules = Enricher(), RuleSet.shipped()
    trail = TrailFile(Path("AWSLogs/…/a.json.gz"))
    for record in trail:
        event = enrich(record, enricher)
        for rule in rules.matching(event):
            print(rule.level, rule.title, event["user"]["name"])
    for fault in trail.faults:
        print("not read:", fault.position, fault.reason)

What is exported here stays compatible from release to release; every other module is internal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self

from detections.matcher import SigmaMatcher
from detections.packs.loading import load, load_paths
from detections.packs.pack import Pack
from detections.rule import Rule
from enrich.enricher import Enricher
from enrich.geo import GeoDatabase
from enrich.risk import RiskTable
from enrich.threat import ThreatLists
from enrich.view import loads
from ingest.reading import Fault, ReadLimits, TrailReader
from trailhound.errors import RecordError, RuleError, TrailFileError, TrailhoundError
from trailhound.settings import DetectionSettings

__all__ = [
    "Enricher",
    "Fault",
    "GeoDatabase",
    "ReadLimits",
    "RecordError",
    "RiskTable",
    "Rule",
    "RuleError",
    "RuleSet",
    "SigmaMatcher",
    "ThreatLists",
    "TrailFile",
    "TrailFileError",
    "TrailhoundError",
    "enrich",
]


class TrailFile:
    """The records of one trail file, in order, each decoded to a dict.

    `source` is a path, the file's bytes, or a binary stream; any format that `trailhound backfill`
    reads is recognised by content. Iterating raises `TrailFileError` (after all that could be read
    was yielded) where the file is damaged, too large or no trail file, and `OSError` where it
    can't be opened. What stood where a record should be, but is none, is in `faults` afterwards.
    """

    def __init__(
        self,
        source: Path | bytes | BinaryIO,
        *,
        name: str = "",
        limits: ReadLimits | None = None,
    ) -> None:
        self._source = source
        self._name = name or (str(source) if isinstance(source, Path) else "trail file")
        self._limits = limits or ReadLimits()
        self.faults: list[Fault] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.faults = []
        if isinstance(self._source, Path):
            with self._source.open("rb") as stream:
                yield from self._records(stream)
        elif isinstance(self._source, bytes):
            yield from self._records(BytesIO(self._source))
        else:
            yield from self._records(self._source)

    def _records(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        for chunk in TrailReader(stream, self._limits, name=self._name).chunks():
            self.faults += chunk.faults
            for text, position in zip(chunk.records, chunk.positions, strict=True):
                try:
                    record = loads(bytes(text))
                except (ValueError, RecursionError) as error:
                    self.faults.append(Fault(position, bytes(text), f"not_json: {error}"))
                else:
                    yield record


def enrich(record: Mapping[str, Any], enricher: Enricher) -> dict[str, Any]:
    """The event: the record and the fields that Trailhound adds to it, as it would be indexed.

    Provenance (`trail.*`) and `event.ingested` are absent: nothing was indexed. Raises
    `RecordError` where `eventTime` is missing or no date.

    >>> record = {"eventTime": "2024-05-01T10:00:00Z", "eventName": "DeleteTrail"}
    >>> event = enrich(record, Enricher())
    >>> event["risk_score"], event["risk_reasons"], event["eventName"]
    (6, ['high_risk_call'], 'DeleteTrail')
    """
    return {**record, **enricher.document_fields(record)}


class RuleSet:
    """Rules that one event is enough for: plain Sigma rules.

    Correlations and rules that need history are in `needs_history`, faults of loading in `faults`:
    nothing is left out without being named.
    """

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        plain = [rule for rule in pack.alerting if rule.is_plain]
        self._matchers = tuple((rule, pack.compiled[rule.id].matcher) for rule in plain)
        self.rules: tuple[Rule, ...] = tuple(plain)
        self.needs_history: tuple[Rule, ...] = tuple(
            rule for rule in pack.alerting if not rule.is_plain
        )
        self.faults: tuple[str, ...] = tuple(str(fault) for fault in pack.faults)

    @classmethod
    def shipped(cls) -> Self:
        """The rules that come with Trailhound."""
        return cls(load(DetectionSettings()))

    @classmethod
    def from_paths(cls, paths: Sequence[Path]) -> Self:
        """The rules of these files and folders. Raises `UsageError` for a path that isn't there."""
        return cls(load_paths(paths, DetectionSettings(shipped=False)))

    def matching(self, event: Mapping[str, Any]) -> Iterator[Rule]:
        """The rules that match an event. Rules on added fields need one that was enriched."""
        return (rule for rule, matcher in self._matchers if matcher and matcher.matches(event))
