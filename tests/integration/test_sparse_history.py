"""A history with little in it: what its pieces find, with most rules left out, is what every rule
finds over the whole of time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from detections.backtest import backtest
from detections.events.search import WORTH_A_LOOK
from detections.finding import Finding
from detections.history import END, HistorySlice, survey
from detections.packs.loading import load
from detections.packs.pack import Pack
from detections.running import evaluation
from detections.running.evaluation import Evaluator
from detections.span import BEGINNING, Span
from tests.faults.proxy import DROP, Fault, Proxy, Request, Script, no_point_in_time
from tests.helpers.event_store import EventStore, event_store
from tests.helpers.trails import own_settings
from trailhound.cluster.client import connect
from trailhound.settings import Settings
from trailhound.settings.detections import DetectionSettings

NAMES = "ABCDE"
DAY = 86_400.0
WHO = ("ada", "bob", "cyd", "dan", "eve", "fay", "gus")


def rules(kind: str, name: str, number: int) -> list[dict[str, Any]]:
    """A plain rule that raises nothing, and one of another kind about its events."""
    own: dict[str, Any] = {"title": f"{kind} {name}", "id": f"00000000-0000-4000-8000-{number:012}"}
    detection = {"call": {"eventName": name}, "condition": "call"}
    source = {"logsource": {"product": "aws", "service": "cloudtrail"}, "level": "low"}
    own |= source
    if kind in ("new_terms", "anomaly"):
        options = {
            "new_terms": {"field": "awsRegion", "group_by": ["userIdentity.arn"], "days": 400},
            "anomaly": {"group_by": ["userIdentity.arn"], "minutes": 60, "deviations": 1},
        }[kind]
        return [own | {"detection": detection, "trailhound": {kind: options}}]
    part = source | {"title": f"{name}{kind}", "name": f"{name}{kind}", "detection": detection}
    del own["logsource"]
    of: dict[str, Any] = {
        "rules": [f"{name}{kind}"],
        "group-by": ["userIdentity.arn"],
        "timespan": "2h",
    }
    of |= {"type": "event_count", "condition": {"gte": 2}}
    if kind == "value_count":
        of |= {"type": kind, "condition": {"field": "awsRegion", "gte": 2}}
    return [part, own | {"correlation": of}]


def pack_of(folder: Path) -> Pack:
    kinds = ("event_count", "value_count", "new_terms", "anomaly")
    number = 0
    for kind in kinds:
        for name in NAMES:
            number += 1
            text = yaml.safe_dump_all(rules(kind, name, number))
            (folder / f"{kind}_{name}.yml").write_text(text)
    settings = DetectionSettings(rules=[folder], shipped=False)
    pack = load(settings, [])
    assert not pack.problems, pack.problems
    assert len(pack.alerting) == len(kinds) * len(NAMES) > WORTH_A_LOOK
    return pack


def events(random_: random.Random) -> Iterator[dict[str, Any]]:
    """Of some days in ten years; some about midnight, where a burst lies across the edge of two
    pieces or of a piece and a gap."""
    number = 0
    for day in sorted(random_.sample(range(-3_000, 700), 8)):
        base = day * DAY + random_.choice([0.0, 6 * 3600.0, 12 * 3600.0 - 1_800])
        for _ in range(random_.choice([1, 2, 8, 40])):
            number += 1
            yield {
                "id": f"e{number}",
                "time": base + random_.randrange(0, 7_200),
                "fields": {
                    "eventName": random_.choice(NAMES[:2]),
                    "awsRegion": random_.choice(["eu-west-1", "us-east-1", "sa-east-1"]),
                    "userIdentity.arn": f"arn:aws:iam::1:user/{random_.choice(WHO + WHO[:1] * 7)}",
                },
            }
    # A principal without an ARN, whose events rules search beside those of all others.
    for seconds in (0, 60):
        number += 1
        fields = {"eventName": NAMES[0], "awsRegion": "eu-west-1", "user.name": "hal"}
        yield {"id": f"e{number}", "time": base + seconds, "fields": fields}


@pytest.fixture
def settings(engine: str, tmp_path: Path) -> Iterator[tuple[EventStore, Settings]]:
    with event_store(engine, tmp_path / "home") as store:
        namespace = store.index.removesuffix("-cloudtrail-*")
        yield store, own_settings(engine, namespace, tmp_path / "home")


def search_without_reply(number: int) -> Script:
    """A script: the connection of the n-th request of many searches ends without a reply."""
    numbers = count(1)

    def drop(request: Request) -> Fault | None:
        of_many = request.path.split("?")[0].endswith("/_msearch")
        return DROP if of_many and next(numbers) == number else None

    return drop


def test_pieces_find_what_the_whole_of_time_has(
    settings: tuple[EventStore, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, wanted = settings
    (folder := tmp_path / "rules").mkdir()
    pack = pack_of(folder)
    store.add(store.mark(), list(events(random.Random(3))))
    everything = Evaluator(store.client, wanted, pack.compiled)

    def found(span: Span, evaluator: Evaluator, *, left_out: bool) -> set[Finding]:
        idle = evaluator.idle(pack.alerting, span) if left_out else frozenset()
        asked = [rule for rule in pack.alerting if rule.id not in idle]
        return {each for rule in asked for each in evaluator.evaluate(rule, span)}

    whole = found(Span(BEGINNING, END), everything, left_out=False)
    of_kinds = {(int(each.rule_id[-12:]) - 1) // len(NAMES) for each in whole}
    assert of_kinds == {0, 1, 2, 3}, "each kind finds something"
    for most in (3, 50_000):
        span = Span(datetime(2000, 1, 1, tzinfo=UTC), END)
        held = survey(store.client, wanted, span, piece_events=most)
        by_day = Evaluator(store.client, wanted, pack.compiled, index=held.indices)
        for evaluator in (everything, by_day):
            parts = [found(each.span, evaluator, left_out=True) for each in held.pieces]
            assert set().union(*parts) == whole
    assert len(held.pieces) == 1
    # A cluster that keeps no point in time of so many days.
    with Proxy(wanted.hosts[0], no_point_in_time) as proxy:
        there = own_settings(proxy.url, wanted.namespace, tmp_path / "there")
        evaluator = Evaluator(connect(there), there, pack.compiled)
        assert found(Span(BEGINNING, END), evaluator, left_out=False) == whole
    # The second request about a rule gets no reply: what the first has is not all that it finds.
    monkeypatch.setattr(evaluation, "RULES_A_REQUEST", 1)
    rule = next(each for each in pack.alerting if each.is_correlation)
    with Proxy(wanted.hosts[0], search_without_reply(2)) as proxy:
        there = own_settings(proxy.url, wanted.namespace, tmp_path / "there")
        evaluator = Evaluator(connect(there), there, pack.compiled)
        assert evaluator.idle([rule], Span(BEGINNING, END)) == frozenset()
        of_rule = {each for each in whole if each.rule_id == rule.id}
        assert set(evaluator.evaluate(rule, Span(BEGINNING, END))) == of_rule != set()

    # Counted in pieces, a burst across the edge of two of them is one hit.
    hits = Counter(each.rule_id for each in whole)
    for most in (3, 50_000):
        detail = most == 3
        done = backtest(store.client, wanted, pack, span, piece_events=most, detail=detail)
        assert done.hits() == hits
        for each in done.tried if detail else ():
            assert each.details is not None
            assert each.details.by_day.total() == each.outcome.hits, each.outcome.rule.title
            assert (each.example is not None) == bool(each.outcome.hits)
        assert (done.events, done.left) == (held.events, None)

    # Rules at which the program fails stop no other, when all are asked about and when each runs.
    of_kind = {each.kind: each.id for each in reversed(pack.alerting)}
    odd = {of_kind["correlation"], of_kind["new_terms"]}
    kept = tuple(replace(each, definition=None) if each.id in odd else each for each in pack.rules)
    tried = backtest(store.client, wanted, replace(pack, rules=kept), span).tried
    failed = {each.outcome.rule.id: str(each.outcome.error) for each in tried if not each.passed}
    assert failed.keys() == odd
    assert all(each.startswith("internal error") for each in failed.values())

    def interrupt(piece: HistorySlice, share: float, _: int) -> None:
        if share and piece.span.since > first.span.since:
            raise KeyboardInterrupt

    first, second, *_, last = survey(store.client, wanted, span, piece_events=3).pieces
    part = backtest(store.client, wanted, pack, span, piece_events=3, watch=interrupt)
    assert (part.events, part.passed) == (first.events, False)
    assert part.left == Span(second.span.since, last.span.until)
    until = backtest(store.client, wanted, pack, first.span)
    assert part.hits() == until.hits()
