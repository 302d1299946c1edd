"""Rules over files, without a cluster: the events are read once, then each rule runs over those
that it matches.

Memory does not grow with the number of events. It holds the file being read and what is fetched
ahead, three caches of `temporary_tables.CACHE_BYTES`, the windows of one rule (at most
`sweep.MAX_HELD` events), and those alerts of one rule that further events may join. Everything else
is in temporary files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from detections.alerts.burst import Fact
from detections.alerts.collected import Collected, CollectedAlerts
from detections.alerts.document import Document
from detections.alerts.facts import add_fact, spans_of
from detections.alerts.twins import together
from detections.automation.relation import relation_of
from detections.automation.trusting import TrustingRules
from detections.finding import Finding
from detections.history import DAY_MILLISECONDS, pieces
from detections.packs.pack import Pack
from detections.rule import LEVELS, Rule
from detections.running.file_rules import FileRules, NotRun
from detections.running.recording import next_chunk
from detections.span import BEGINNING, UNLIMITED, Span, milliseconds
from enrich.enricher import Enricher
from enrich.view import dumps, loads
from ingest.bulk.batch import Batch
from ingest.bulk.result_handler import repaired_head
from ingest.distinct import DistinctEvents
from ingest.objects import Selection, Source
from ingest.offline import OfflineRead, OfflineReport
from ingest.repair.record import repair
from trailhound.errors import RecordError, TrailhoundError
from trailhound.settings import Settings
from trailhound.temporary_tables import TemporaryTables

_TABLES: Final = """
CREATE TABLE alert (level INTEGER, last TEXT, name TEXT, twin TEXT, document BLOB);
CREATE INDEX by_twin ON alert (twin);
"""

Progress = Callable[[int, int], None]
"""Called while files are read, with the numbers of finished objects and of events so far."""


@dataclass(slots=True)
class RuleResult:
    """What one rule found: events of a plain rule or bursts of a correlation, and its alerts."""

    rule: Rule
    findings: int = 0
    alerts: int = 0
    errors: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "id": self.rule.id,
            "title": self.rule.title,
            "level": self.rule.level,
            "findings": self.findings,
            "alerts": self.alerts,
            "errors": self.errors,
        }


def folders_of(span: Span, reach: timedelta) -> Selection:
    """The day folders that have the events of a span, and those within `reach` of it.

    >>> from datetime import UTC
    >>> since = Span(datetime(2025, 3, 8, tzinfo=UTC), UNLIMITED)
    >>> folders_of(since, timedelta(hours=30)).since, folders_of(since, timedelta()).until
    (datetime.date(2025, 3, 6), None)
    """
    within = timedelta(milliseconds=1)
    since = span.since - reach if span.since > BEGINNING + reach else None
    until = span.until + reach - within if span.until < UNLIMITED else None
    return Selection(
        since=None if since is None else since.date(),
        until=None if until is None else until.date(),
    )


class FileDetection:
    """One run: `read` all sources, `run` the rules, then use `alerts`. A context manager, which
    removes its temporary files at the end."""

    def __init__(self, settings: Settings, enricher: Enricher, pack: Pack, span: Span) -> None:
        self._span = span
        self._since, self._until = span.milliseconds()
        self._distinct = DistinctEvents()
        rules = TrustingRules(pack.compiled)
        rules.use(relation_of(settings.detections.known_automation, ()))
        self._rules = FileRules(replace(pack, compiled=rules), span)
        self.folders: Final = folders_of(span, self._rules.reach)
        """The day folders that are read. Of these every record: windows may begin before the span,
        and events are delivered into the next day's folder."""
        self._read = OfflineRead(
            settings,
            enricher,
            selection=Selection(),
            folders=self.folders,
            distinct=self._distinct,
            whole=True,
        )
        self._days: Counter[int] = Counter()
        self._tables = TemporaryTables(_TABLES)

    def __enter__(self) -> FileDetection:
        return self

    def __exit__(self, *_: object) -> None:
        self._distinct.close()
        self._rules.close()
        self._tables.close()

    @property
    def reading(self) -> OfflineReport:
        """The counts of the records; `duplicates` are those that an earlier file had delivered."""
        return self._read.report

    @property
    def events(self) -> int:
        """The different events in the span."""
        return self._days.total()

    @property
    def matched(self) -> int:
        """The number of events that any rule matches; these are kept while the rules run."""
        return self._rules.events.kept

    @property
    def conflicts(self) -> int:
        """Records that had the eventID of a different record; both count."""
        return self._distinct.conflicts

    @property
    def not_run(self) -> Sequence[NotRun]:
        """The rules that need more than files, and were not run."""
        return self._rules.not_run

    @property
    def rules(self) -> int:
        """How many rules `run` runs."""
        return len(self._rules.rules)

    def read(self, sources: Sequence[Source], progress: Progress = lambda _o, _e: None) -> None:
        """Read every event. Raises `SourceUnreachableError`."""
        for batch in self._read.batches(sources):
            progress(self.reading.objects, self._read.events)
            for item in range(len(batch)):
                self._take(batch, item)

    def run(self) -> Iterator[RuleResult]:
        """Run every rule; a rule that fails does not stop the others."""
        for rule in self._rules.rules:
            result = RuleResult(rule)
            try:
                for alert in self._alerts_of(rule, result):
                    result.alerts += 1
                    self._keep(alert)
            except TrailhoundError as error:
                result.errors.append(error.message)
            yield result

    def alerts(self) -> Iterator[Document]:
        """All alerts, the most severe first, within a level the last seen first, with their
        `twins`, as `AlertStore.find` returns them."""
        found = self._tables.rows(
            "SELECT document, name, twin FROM alert ORDER BY level DESC, last DESC, name"
        )
        for document, name, twin in found:
            alert: Document = loads(document)
            twins = list(self._twins(name, twin)) if twin else []
            yield alert | ({"twins": twins} if twins else {})

    def folded(self) -> Iterator[Document]:
        """The alerts, twins joined to one that has the names of all their rules."""
        taken: set[str] = set()
        for alert in self.alerts():
            if alert["id"] not in taken:
                twins = alert.get("twins", ())
                taken |= {each["id"] for each in twins}
                names = [alert["rule"]["name"], *(each["rule"]["name"] for each in twins)]
                yield alert | {"rule": alert["rule"] | {"name": together(names)}}

    def _twins(self, name: str, key: str) -> Iterator[Document]:
        found = self._tables.rows(
            "SELECT document FROM alert WHERE twin = ? AND name <> ? ORDER BY name", (key, name)
        )
        for (document,) in found:
            twin = loads(document)
            rule = {"id": twin["rule"]["id"], "name": twin["rule"]["name"]}
            yield {"id": twin["id"], "rule": rule, "state": twin["state"]}

    @property
    def has_twins(self) -> bool:
        """Whether `folded` joins any alerts."""
        asked = "SELECT 1 FROM alert WHERE twin <> '' GROUP BY twin HAVING count(*) > 1 LIMIT 1"
        return any(True for _ in self._tables.rows(asked))

    def _take(self, batch: Batch, item: int) -> None:
        source: Mapping[str, Any] = loads(batch.document(item))
        time = milliseconds(datetime.fromisoformat(str(source["@timestamp"])))
        if self._since <= time < self._until:
            self._days[time - time % DAY_MILLISECONDS] += 1
        if rules := self._rules.matches(source):
            _, name = batch.target(item)
            self._rules.events.add(name, time, as_stored(batch, item, source), rules)

    def _alerts_of(self, rule: Rule, result: RuleResult) -> Iterator[Collected]:
        """In the order in which a search of the index would record the findings."""
        alerts = CollectedAlerts(rule, self._facts, partial(self._rules.totals, rule))
        for findings in self._portions(rule):
            while chunk := next_chunk(findings):
                result.findings += len(chunk)
                yield from alerts.add(chunk)
        yield from alerts.finish()

    def _portions(self, rule: Rule) -> Iterator[Iterator[Finding]]:
        """A rule's findings; of a plain rule by pieces of the span."""
        found = self._rules.findings(rule)
        if not rule.is_plain:
            yield found
            return
        ahead = _Ahead(found)
        for piece in pieces(self._span, sorted(self._days.items())):
            yield ahead.before(piece.span.until)

    def _facts(self, findings: Sequence[Finding]) -> dict[str, Fact]:
        spans = spans_of(findings)
        since = milliseconds(min(each.first_seen for each in findings))
        until = milliseconds(max(each.last_seen for each in findings))
        facts: dict[str, Fact] = {}
        for name, source in self._rules.events.sources(sorted(spans), since, until):
            add_fact(facts, name, source, spans)
        return facts

    def _keep(self, found: Collected) -> None:
        alert = found.alert
        level = LEVELS.index(alert["level"])
        row = level, alert["last_seen"], alert["id"], found.twin_key, dumps(alert)
        self._tables.write("INSERT INTO alert VALUES (?, ?, ?, ?, ?)", row)


def as_stored(batch: Batch, item: int, source: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event as the index would hold it: without values that the engine would reject."""
    if batch.repair_level:
        return source
    try:
        if not repair(batch.record(item)).paths:
            return source
        head, _ = repaired_head(batch, item)
    except RecordError:
        return source
    stored: Mapping[str, Any] = loads(head[head.index(b"\n") + 1 :].removesuffix(b",") + b"}}")
    return stored


class _Ahead:
    """Findings by time, with a look at the next one."""

    def __init__(self, findings: Iterator[Finding]) -> None:
        self._findings = findings
        self._next = next(findings, None)

    def before(self, until: datetime) -> Iterator[Finding]:
        """The remaining findings from before a moment."""
        while self._next is not None and self._next.first_seen < until:
            yield self._next
            self._next = next(self._findings, None)
