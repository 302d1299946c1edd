"""Runs rules on the samples beside them, on a real engine: samples are enriched like any event, and
indexed in a temporary namespace."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from sigma.correlations import SigmaCorrelationRule

from detections.compiled import Compiled, Query
from detections.events.search import Search
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule
from detections.running.evaluation import Evaluator
from detections.samples import documents, read_samples, samples_file
from detections.span import ALL_TIME
from enrich.enricher import Enricher
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.initialization import init
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterError, RequestFailedError, RuleError, TrailhoundError
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a rule. `name` is its key and number, `ids` those of its documents."""

    rule: Rule
    name: str
    matches: bool
    documents: tuple[dict[str, Any], ...]

    @property
    def ids(self) -> list[str]:
        return [str(each["eventID"]) for each in self.documents]


@dataclass(frozen=True, slots=True)
class SampleVerdict:
    """Whether a rule fired on a sample, or the error of its run."""

    sample: Sample
    fired: bool = False
    error: TrailhoundError | None = None

    @property
    def passed(self) -> bool:
        return self.error is None and self.fired == self.sample.matches


@dataclass(frozen=True, slots=True)
class RuleTests:
    """The results. `bare`: rules without samples; `faulty`: rules with unreadable samples, and
    why."""

    verdicts: tuple[SampleVerdict, ...]
    bare: tuple[Rule, ...]
    faulty: tuple[tuple[Rule, RuleError], ...]

    @property
    def passed(self) -> bool:
        """Whether there was something to test, and all of it is as it should be."""
        tested = bool(self.verdicts) and not self.faulty
        return tested and all(each.passed for each in self.verdicts)


def run_samples(settings: Settings, pack: Pack, enricher: Enricher) -> RuleTests:
    """Run every sample of the pack's rules. Raises `ClusterError` if nothing can be indexed."""
    samples: list[Sample] = []
    bare: list[Rule] = []
    faulty: list[tuple[Rule, RuleError]] = []
    for rule in pack.alerting:
        if not samples_file(rule.place.path).is_file():
            bare.append(rule)
            continue
        try:
            samples += _samples(rule, enricher)
        except RuleError as error:
            faulty.append((rule, error))
    verdicts: list[SampleVerdict] = []
    if samples:
        with _indexed(settings, samples) as (client, own):
            verdicts += _plain(client, own, pack, samples)
            verdicts += _together(client, own, pack, samples)
    return RuleTests(tuple(verdicts), tuple(bare), tuple(faulty))


def _samples(rule: Rule, enricher: Enricher) -> list[Sample]:
    """The samples of a rule, with ids that differ between samples, so that no two share an
    event."""
    read = read_samples(rule.place.path)
    made = []
    for key, trails in (("match", read.match), ("no_match", read.no_match)):
        for number, trail in enumerate(trails, 1):
            own = [{**event, "eventID": str(uuid.uuid4())} for event in trail]
            indexed = tuple(documents(own, enricher))
            made.append(Sample(rule, f"{key} {number}", key == "match", indexed))
    return made


@contextmanager
def _indexed(
    settings: Settings, samples: Sequence[Sample]
) -> Iterator[tuple[OpenSearch, Settings]]:
    """A temporary namespace that holds the events of all samples."""
    name = f"{settings.prefix}ruletest{uuid.uuid4().hex[:10]}"
    own = settings.model_copy(update={"namespace": name})
    names = templates.Names(own.prefix)
    client = connect(own)
    try:
        with cluster_errors(own):
            init(client, own)
            _index(client, names, [each for sample in samples for each in sample.documents])
        yield client, own
    finally:
        _remove(client, names)
        client.close()


def _index(client: OpenSearch, names: templates.Names, events: Sequence[dict[str, Any]]) -> None:
    """Put all events into the index of one day: each search would look through that of every day
    that a sample has."""
    index = names.day(str(events[0]["@timestamp"])[:10].replace("-", "."))
    lines: list[dict[str, Any]] = []
    for event in events:
        lines.append({"create": {"_index": index, "_id": event["eventID"]}})
        moment = {"ingested": datetime.now(UTC).isoformat(timespec="milliseconds")}
        lines.append({**event, "event": {**event.get("event", {}), **moment}})
    reply = client.bulk(body=lines, params={"refresh": "true"})
    for item in reply["items"]:
        if item["create"]["status"] != 201:
            reason = item["create"].get("error", {}).get("reason", "no reason given")
            raise RequestFailedError(f"a sample event is rejected: {reason}", hint="fix the sample")


def _remove(client: OpenSearch, names: templates.Names) -> None:
    """Remove everything in the namespace."""
    with cluster_errors():
        made = client.cat.indices(index=f"{names.prefix}*", format="json")
        if made:
            client.indices.delete(index=",".join(each["index"] for each in made))
        for kind in templates.MAPPINGS:
            client.indices.delete_index_template(name=names.template(kind))


def _plain(
    client: OpenSearch, settings: Settings, pack: Pack, samples: Sequence[Sample]
) -> Iterator[SampleVerdict]:
    """Run plain rules in groups, each over the events of its own samples."""
    own: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.rule.is_plain:
            own.setdefault(sample.rule.id, []).append(sample)
    rules = [rule for rule in pack.rules if rule.id in own]
    among = {rule.id: [each for sample in own[rule.id] for each in sample.ids] for rule in rules}
    compiled = {rule.id: _only(pack.compiled[rule.id], among[rule.id]) for rule in rules}
    for found in Search(client, settings).find(rules, compiled, ALL_TIME):
        hits: set[str] = set()
        error = None
        try:
            hits.update(each.events[0] for each in found.findings)
        except ClusterError as fault:
            error = fault
        for sample in own[found.rule.id]:
            yield SampleVerdict(sample, not hits.isdisjoint(sample.ids), error)


def _together(
    client: OpenSearch, settings: Settings, pack: Pack, samples: Sequence[Sample]
) -> Iterator[SampleVerdict]:
    """Run rules that look at several events, one sample at a time over the events of it alone."""
    for sample in samples:
        if sample.rule.is_plain:
            continue
        needed = [name for name in _needed(sample.rule) if name in pack.compiled]
        compiled = {name: _only(pack.compiled[name], sample.ids) for name in needed}
        evaluator = Evaluator(client, settings, compiled)
        try:
            fired = any(True for _ in evaluator.evaluate(sample.rule, ALL_TIME))
        except TrailhoundError as error:
            yield SampleVerdict(sample, error=error)
        else:
            yield SampleVerdict(sample, fired)


def _needed(rule: Rule) -> list[str]:
    """The rule, and all rules that it refers to as a correlation."""
    if isinstance(rule.definition, SigmaCorrelationRule):
        return [rule.id, *(rule_id(each) for each in rule.definition.flatten_rules())]
    return [rule.id]


def _only(compiled: Compiled, ids: Sequence[str]) -> Compiled:
    """The rule, limited to the events with these ids."""
    among: Query = {"terms": {"eventID": list(ids)}}

    def narrowed(query: Query) -> Query:
        return {"bool": {"filter": [among, query]}}

    plain = narrowed(compiled.plain or compiled.query)
    return replace(compiled, query=narrowed(compiled.query), plain=plain, among=among)
