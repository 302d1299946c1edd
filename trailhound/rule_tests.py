"""Rules against their samples, on a real engine: indexed as any event is, in a namespace that goes
again afterwards."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from opensearchpy import OpenSearch

from detections.compiled import Compiled, Query
from detections.evaluators import Evaluators
from detections.packs.documents import Fault
from detections.packs.pack import Pack
from detections.samples import Sample, read_samples
from detections.search import Search
from detections.span import Span
from enrich.enricher import Enricher
from ingest.backfill import Backfill
from ingest.objects import Selection
from ingest.sources import open_source
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import RecordError, TrailhoundError
from trailhound.settings import RetentionSettings, Settings

ALL_TIME = Span(datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

MakeEvaluators = Callable[[OpenSearch, Settings], Evaluators]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sample, whether the rule fired on it, or the error that kept it from an answer."""

    sample: Sample
    fired: bool = False
    error: TrailhoundError | None = None

    @property
    def passed(self) -> bool:
        return self.error is None and self.fired == self.sample.matches


@dataclass(frozen=True, slots=True)
class RuleTests:
    """`bare` are the ids of rules without a sample that must match and one that must not."""

    verdicts: tuple[Verdict, ...]
    faults: tuple[Fault, ...]
    bare: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.faults and all(each.passed for each in self.verdicts)


def run_samples(
    settings: Settings,
    pack: Pack,
    enricher: Enricher,
    make_evaluators: MakeEvaluators | None = None,
) -> RuleTests:
    """Every sample of the pack's rules. Raises `ClusterError` where nothing can be indexed."""
    samples, faults = read_samples(pack.alerting)
    has: dict[str, set[bool]] = {}
    for sample in samples:
        has.setdefault(sample.rule.id, set()).add(sample.matches)
    bare = [rule.id for rule in pack.alerting if has.get(rule.id) != {True, False}]
    verdicts: list[Verdict] = []
    if samples and not faults:
        with _indexed(settings, samples, enricher) as (client, own):
            verdicts += _plain(client, own, pack, samples)
            evaluators = make_evaluators(client, own) if make_evaluators else {}
            verdicts += _evaluated(evaluators, pack, samples)
    return RuleTests(tuple(verdicts), tuple(faults), tuple(bare))


@contextmanager
def _indexed(
    settings: Settings, samples: Sequence[Sample], enricher: Enricher
) -> Iterator[tuple[OpenSearch, Settings]]:
    """All samples' events in a throw-away namespace. Raises `RecordError` if one isn't there."""
    own = settings.model_copy(
        update={
            "namespace": f"{settings.prefix}ruletest{uuid.uuid4().hex[:10]}",
            "filter": [],
            "retention": RetentionSettings(),
        }
    )
    client = connect(own)
    names = templates.Names(own.prefix)
    records = [event for sample in samples for event in sample.events]
    try:
        with cluster_errors(own), tempfile.TemporaryDirectory(prefix="trailhound-") as folder:
            templates.init(client, own)
            file = Path(folder) / "samples.json"
            file.write_text(json.dumps({"Records": records}), encoding="utf-8")
            report = Backfill(connect(own), own, enricher, selection=Selection()).run(
                [open_source(str(file), own)]
            )
            if report.counts.indexed != len(records):
                raise RecordError(
                    f"of {len(records)} sample events {report.counts.indexed} could be indexed",
                    hint="an eventTime may be malformed",
                )
            client.indices.refresh(index=names.days)
        yield client, own
    finally:
        _remove(client, names)
        client.close()


def _remove(client: OpenSearch, names: templates.Names) -> None:
    """All that `init` and the backfill made in the namespace."""
    made = client.cat.indices(index=f"{names.prefix}*", format="json")
    if made:
        client.indices.delete(index=",".join(each["index"] for each in made))
    for kind in templates.MAPPINGS:
        client.indices.delete_index_template(name=names.template(kind))


def _plain(
    client: OpenSearch, settings: Settings, pack: Pack, samples: Sequence[Sample]
) -> Iterator[Verdict]:
    """Plain rules, all together: each over its own samples, and nobody else's."""
    own: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.rule.kind == "sigma":
            own.setdefault(sample.rule.id, []).append(sample)
    rules = [rule for rule in pack.rules if rule.id in own]
    narrowed = {
        rule.id: _only(pack.compiled[rule.id], [i for each in own[rule.id] for i in each.ids])
        for rule in rules
    }
    for outcome in Search(client, settings).find(rules, narrowed, ALL_TIME):
        hits = {finding.events[0] for finding in outcome.findings}
        for sample in own[outcome.rule.id]:
            yield Verdict(sample, not hits.isdisjoint(sample.ids), outcome.error)


def _evaluated(
    evaluators: Evaluators, pack: Pack, samples: Sequence[Sample]
) -> Iterator[Verdict]:
    """Rules of the other kinds, a sample at a time, each seeing that sample's events alone."""
    for sample in samples:
        if sample.rule.kind == "sigma":
            continue
        evaluate = evaluators.get(sample.rule.kind)
        if evaluate is None:
            continue
        compiled = {name: _only(each, sample.ids) for name, each in pack.compiled.items()}
        try:
            found = any(
                True
                for _ in evaluate(sample.rule, replace(pack, compiled=compiled), ALL_TIME)
            )
        except TrailhoundError as error:
            yield Verdict(sample, error=error)
        else:
            yield Verdict(sample, found)


def _only(compiled: Compiled, ids: Sequence[str]) -> Compiled:
    """The rule, seeing the events of these ids alone."""
    among: Query = {"terms": {"eventID": list(ids)}}

    def narrowed(query: Query) -> Query:
        return {"bool": {"filter": [query, among]}}

    return replace(
        compiled, query=narrowed(compiled.query), plain=narrowed(compiled.plain or compiled.query)
    )
