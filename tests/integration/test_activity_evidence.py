"""What edges of the activity graph stand on, against the raw records; which edges are shown."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detections.events.index import EventIndex
from detections.investigation.evidence import MOST_EVENTS, MOST_VALUES, collect
from detections.investigation.graph import build
from detections.investigation.named_nodes import resolve
from detections.investigation.paths import PathFinder
from detections.span import Span
from enrich.enricher import Enricher
from tests.helpers.activity_trails import activity, brute_graph
from tests.helpers.event_store import EventStore
from tests.helpers.trails import record

ENRICHER = Enricher()
BEGIN = datetime(2025, 3, 1, tzinfo=UTC)


def index_records(store: EventStore, records: list[dict[str, Any]]) -> EventIndex:
    index = store.index.replace("*", "2025.03.01")
    lines: list[bytes] = []
    for each in records:
        lines.append(json.dumps({"create": {"_index": index, "_id": each["eventID"]}}).encode())
        lines.append(json.dumps(each | ENRICHER.document_fields(each)).encode())
    reply = store.client.bulk(body=b"\n".join(lines) + b"\n", params={"refresh": "true"})
    assert not reply["errors"], reply
    return EventIndex(store.client, store.index, hits_page=50, groups_page=20)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evidence_is_that_of_the_records(store: EventStore, seed: int) -> None:
    day = BEGIN + timedelta(days=seed)
    records = activity(seed, day)
    for each in records:
        each["eventID"] = f"{seed}-{each['eventID']}"
    by_id = {each["eventID"]: each | ENRICHER.document_fields(each) for each in records}
    index = index_records(store, records)
    span = Span(day, day + timedelta(days=1)).query()
    graph = build(index, span, keys=["ASIA1"], addresses=["203.0.113.9"], risk=True)
    expected = brute_graph(records, ["ASIA1"], ["203.0.113.9"])
    pairs = list(graph.graph.edges)
    found = collect(index, graph, pairs, span)
    assert list(found.edges) == pairs
    for one, other in pairs:
        events = expected.edges[one.full, other.full]["events"]
        raw = [by_id[name] for _, name, _, _ in events]
        edge = found.edges[one, other]
        risks = [each["risk_score"] for each in raw]
        assert graph.edge(one, other).risk == max(risks)
        assert {name: (call.count, call.failed) for name, call in edge.calls.items()} == {
            name: (
                sum(each[2] == name for each in events),
                sum(each[2] == name and not each[3] for each in events),
            )
            for name in {each[2] for each in events}
        }
        for name, path in (("addresses", "sourceIPAddress"), ("user_agents", "userAgent")):
            assert edge.named[name] == Counter(each[path] for each in raw)
        counted: Counter[tuple[int, bool]] = Counter()
        for when, _, _, good in events:
            counted[(when - found.start) // found.length, good] += 1
        for number, spent in edge.spans.items():
            assert spent.succeeded == counted.pop((number, True), 0)
            assert spent.failed == counted.pop((number, False), 0)
            assert 0 <= number < found.spans
        assert not counted
        assert max(max(each.risk, each.failed_risk) for each in edge.spans.values()) == max(risks)
        order = sorted(events, key=lambda each: (-by_id[each[1]]["risk_score"], each[0], each[1]))
        assert [each.id for each in edge.events] == [each[1] for each in order[:MOST_EVENTS]]
        assert all(each.failed == ("errorCode" in by_id[each.id]) for each in edge.events)


def test_an_edge_of_very_many_calls_is_asked_for_whole(store: EventStore) -> None:
    """An engine takes 1,024 clauses: a set of groups for each call would be more."""
    key = {
        "type": "IAMUser",
        "arn": "arn:aws:iam::111122223333:user/many",
        "accountId": "111122223333",
        "userName": "many",
        "accessKeyId": "AKIAMANYCALLS",
    }
    about = {"userIdentity": key, "requestParameters": None, "sourceIPAddress": "198.51.100.7"}
    records = [
        record(**about, eventSource="ec2.amazonaws.com", eventName=f"Describe{number}")
        | {"eventID": f"many-{number:03}"}
        for number in range(300)
    ]
    bucket = {"bucketName": "last", "key": "x"}
    records.append(
        record(**about | {"requestParameters": bucket}, eventSource="s3.amazonaws.com")
        | {"eventName": "GetObject", "eventTime": "2025-03-01T13:00:00Z"}
    )
    index = index_records(store, records)
    span = Span(BEGIN, BEGIN + timedelta(days=1)).query()
    graph = build(index, span, risk=True)
    (start,), (end,) = resolve(graph, "key:AKIAMANYCALLS"), resolve(graph, "s3:last")
    (path,) = PathFinder(index, graph, span).find([start], [end]).found
    assert [step.call for step in path.steps] == ["Describe0", "GetObject"]
    (user,) = resolve(graph, "user:many")
    edge = collect(index, graph, [(start, user)], span).edges[start, user]
    assert edge.more["calls"] == 301 - MOST_VALUES
    assert sum(edge.named["addresses"].values()) == 301
