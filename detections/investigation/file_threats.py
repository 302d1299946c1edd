"""The threats of the report over events of files or log groups, without an index.

`FileThreats.add` gets every event once, in any order; `found` evaluates them. Patterns run like
rules over files (`detections.running.file_rules`); anomalies and addresses are counted in a
temporary file, as `threats.py` has the engine count them. Rules, scores and sentences are the
same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from detections.events.doc_values import DocValues, holds
from detections.events.fields import FieldReader
from detections.events.identity import ACCOUNT, ADDRESS, ARN, NAME, RECIPIENT
from detections.events.principal import HAS_ARN
from detections.finding import EVIDENCE as KEPT
from detections.finding import Finding
from detections.investigation.lead import EVIDENCE, Lead
from detections.investigation.scoring import (
    ANOMALY,
    CALLS,
    FLAGGED,
    AddressFigures,
    leads_of,
    listed_countries,
    unusual_country,
)
from detections.investigation.threats import disabled_threats
from detections.kinds.anomaly import Anomaly, Population, sentence
from detections.kinds.baselines import principal_views
from detections.packs.loading import SHIPPED, load_paths
from detections.rule import Rule
from detections.running.file_rules import FileRules
from detections.running.rule_matching import RuleMatching
from detections.span import Span, milliseconds, moment
from enrich.view import dumps, loads
from trailhound.settings import Settings
from trailhound.temporary_tables import TemporaryTables

_TABLES: Final = """
CREATE TABLE event (
  address TEXT, time INTEGER, id TEXT, call TEXT, error INTEGER, country TEXT, account TEXT,
  user TEXT
);
CREATE TABLE measured (
  window INTEGER, view INTEGER, key TEXT, time INTEGER, id TEXT, call TEXT, kept INTEGER
);
"""
_INDICES: Final = """
CREATE INDEX by_address ON event (address, time);
CREATE INDEX by_window ON measured (window, view, key, time);
"""
_ACCOUNTS: Final = 100


class FileThreats:
    """The threats of a span. A context manager, which removes its temporary files."""

    def __init__(self, settings: Settings, span: Span) -> None:
        pack = load_paths([SHIPPED / "patterns"], settings.detections)
        rules = pack.rules
        self.disabled = disabled_threats(pack)
        """Titles of the rules that are not looked for, since they are switched off."""
        self._span = span
        self._since, self._until = span.milliseconds()
        self._patterns = FileRules(pack, span)
        self._anomaly: Rule | None = None
        self._matching = RuleMatching([])
        self.not_run: list[str] = []
        """Rules of the report that events without a history are not enough for, and why."""
        for rule in rules:
            if rule.id != ANOMALY:
                continue
            definition: Anomaly = rule.definition
            if definition.baseline != "population" or definition.measure != "count":
                self.not_run.append(f"{rule.title}: it compares with past weeks, or counts values")
                continue
            compiled = pack.compiled[rule.id]
            self._anomaly = rule
            self._matching = RuleMatching([compiled, compiled.before_exceptions or compiled])
            self._views = principal_views(definition)
            self._readers = [FieldReader(list(view.fields)) for view in self._views]
        self._countries = listed_countries(settings.investigation.suspicious_countries)
        self._first: dict[tuple[str, str], int] = {}
        self._tables = TemporaryTables(_TABLES)

    def __enter__(self) -> FileThreats:
        return self

    def __exit__(self, *_: object) -> None:
        self._patterns.close()
        self._tables.close()

    def add(self, name: str, time: int, source: Mapping[str, Any]) -> None:
        """Add an event: its `_id`, its time in milliseconds, and the event as it would be
        indexed."""
        if rules := self._patterns.matches(source):
            self._patterns.events.add(name, time, source, rules)
        fields = DocValues(source)
        call = _one(fields, "eventName")
        if time < self._until:
            self._note_country(fields, time)
        if self._since <= time < self._until and (address := _one(fields, ADDRESS)):
            error = any(fields.get("errorCode", ()))
            place = _one(fields, "geolocation.country"), _one(fields, RECIPIENT)
            self._tables.write(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (address, time, name, call, error, *place, _user(fields)),
            )
        if self._anomaly is not None:
            self._measure(self._anomaly.definition, name, time, source, fields, call)

    def found(self) -> Iterator[Lead]:
        """All threats, in no particular order. Raises `RuleError`."""
        self._tables.run(_INDICES)
        for rule in self._patterns.rules:
            if rule.variant_of:
                findings = self._patterns.findings(rule)
                yield from leads_of("pattern", rule.variant_of, rule, findings, self._calls)
        if self._anomaly is not None:
            outliers = self._outliers(self._anomaly)
            yield from leads_of(
                "anomaly", "anomalous_activity", self._anomaly, outliers, self._calls_measured
            )
        yield from self._addresses()

    # Patterns.

    def _calls(self, finding: Finding) -> list[str]:
        since, until = milliseconds(finding.first_seen), milliseconds(finding.last_seen)
        sources = self._patterns.events.sources(sorted(finding.events), since, until)
        return _frequent(Counter(_one(DocValues(source), "eventName") for _, source in sources))

    # Anomalies.

    def _measure(
        self,
        anomaly: Anomaly,
        name: str,
        time: int,
        source: Mapping[str, Any],
        fields: DocValues,
        call: str,
    ) -> None:
        matched = self._matching.of(source)
        if 1 not in matched:
            return
        hit = {"_id": name, "fields": fields, "sort": [time]}
        start = time - time % anomaly.window
        for number, (view, reader) in enumerate(zip(self._views, self._readers, strict=True)):
            if not all(holds(each, fields) for each in view.where):
                continue
            values = [tuple(map(_storable, reader.values(hit, path))) for path in view.fields]
            for key in product(*values):
                row = start, number, dumps(key).decode(), time, name, call, 0 in matched
                self._tables.write("INSERT INTO measured VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _outliers(self, rule: Rule) -> Iterator[Finding]:
        anomaly: Anomaly = rule.definition
        populations: dict[int, Population] = {}
        everybody = "SELECT window, count(*) FROM measured GROUP BY window, view, key"
        for window, measure in self._tables.rows(everybody):
            populations.setdefault(window, Population()).add(measure)
        measured = list(
            self._tables.rows(
                "SELECT window, view, key, count(*), min(time), max(time), "
                "max(time >= ? AND time < ?) FROM measured WHERE kept "
                "GROUP BY window, view, key ORDER BY window, view, key",
                (self._since, self._until),
            )
        )
        for window, view, key, measure, first, last, touched in measured:
            far = populations[window].is_outlier(measure, anomaly.deviations)
            if not touched or measure < anomaly.min_count or not far:
                continue
            ids = self._tables.rows(
                "SELECT id FROM measured WHERE window = ? AND view = ? AND key = ? AND kept "
                "ORDER BY time LIMIT ?",
                (window, view, key, KEPT),
            )
            yield Finding(
                rule_id=rule.id,
                events=tuple(name for (name,) in ids),
                count=measure,
                first_seen=moment(first),
                last_seen=moment(last),
                group=tuple(zip(self._views[view].fields, loads(key.encode()), strict=True)),
                detail=sentence(anomaly, window, measure),
            )

    def _calls_measured(self, finding: Finding) -> list[str]:
        definition = self._anomaly.definition if self._anomaly is not None else None
        first = milliseconds(finding.first_seen)
        window = first - first % definition.window if definition is not None else first
        key = dumps(tuple(value for _, value in finding.group)).decode()
        found = self._tables.rows(
            "SELECT call, count(*) FROM (SELECT call FROM measured WHERE window = ? AND key = ? "
            "AND kept ORDER BY time LIMIT ?) GROUP BY call",
            (window, key, KEPT),
        )
        return _frequent(Counter(dict(found)))

    # Addresses.

    def _note_country(self, fields: DocValues, time: int) -> None:
        account = _one(fields, RECIPIENT)
        if not account:
            return
        for key in {(account, ""), (account, _one(fields, "geolocation.country"))}:
            self._first[key] = min(self._first.get(key, time), time)

    def _addresses(self) -> Iterator[Lead]:
        found = list(
            self._tables.rows(
                "SELECT address, count(*), sum(error), min(time), max(time), "
                "count(DISTINCT user) FROM event GROUP BY address ORDER BY address"
            )
        )
        for address, events, errors, first, last, users in found:
            countries = self._top("country", address, 1)
            accounts = self._top("account", address, _ACCOUNTS)
            unusual = unusual_country(
                "".join(countries), accounts, first, self._first, self._countries
            )
            figures = AddressFigures(
                address=address,
                events=events,
                errors=errors,
                first=first,
                last=last,
                unusual=unusual,
            )
            if figures.points(users) >= FLAGGED:
                ids = self._tables.rows(
                    "SELECT id FROM event WHERE address = ? ORDER BY time LIMIT ?",
                    (address, EVIDENCE),
                )
                calls = self._top("call", address, CALLS)
                yield figures.lead(users, calls, [name for (name,) in ids])

    def _top(self, column: str, address: str, most: int) -> list[str]:
        """The most frequent values of a column, then by name, in the engine's order. `column` is a
        literal of this module."""
        query = (
            f"SELECT {column} FROM event WHERE address = ? AND {column} <> '' "  # noqa: S608
            f"GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT ?"
        )
        return [value for (value,) in self._tables.rows(query, (address, most))]


def _one(fields: Mapping[str, Sequence[Any]], name: str) -> str:
    """The single value of a field; empty if there is none."""
    return _storable(str(next(iter(fields.get(name, ())), "")))


def _storable(text: str) -> str:
    """A text that the table can store, without the lone surrogates that JSON allows."""
    return text.encode("utf-8", "replace").decode()


def _user(fields: DocValues) -> str | None:
    """The key that identifies a user: account and ARN, or account and name; None for AWS services
    and events without a user."""
    if "aws_service" in fields.get("user_type", ()):
        return None
    if holds(HAS_ARN, fields):
        return f"arn {_one(fields, ARN)}"  # the ARN contains the account
    if not (fields.get(NAME) and fields.get(ACCOUNT)):
        return None
    return f"name {_one(fields, ACCOUNT)} {_one(fields, NAME)}"


def _frequent(calls: Counter[str]) -> list[str]:
    ordered = sorted(((-number, name) for name, number in calls.items() if name))
    return [name for _, name in ordered[:CALLS]]
