"""The activity graph and its paths equal a brute-force build from the raw records; what a search
that would explode says; lateral movement and chains of roles."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detections.events.index import EventIndex
from detections.investigation.graph import build
from detections.investigation.named_nodes import named
from detections.investigation.paths import PathFinder
from detections.span import Span
from enrich.enricher import Enricher
from tests.helpers.activity_trails import ACCOUNTS, activity, brute_graph, brute_paths
from tests.helpers.commands import command
from tests.helpers.event_store import EventStore
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import UsageError
from trailhound.settings import Settings

ROOT = Path(__file__).parents[2]
ENRICHER = Enricher()
BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
_DAYS = iter(range(10_000))


def index_records(store: EventStore, records: list[dict[str, Any]]) -> EventIndex:
    lines: list[bytes] = []
    index = store.index.replace("*", "2025.03.01")
    for each in records:
        lines.append(json.dumps({"create": {"_index": index, "_id": each["eventID"]}}).encode())
        lines.append(json.dumps(each | ENRICHER.document_fields(each)).encode())
    reply = store.client.bulk(body=b"\n".join(lines) + b"\n", params={"refresh": "true"})
    assert not reply["errors"], reply
    return EventIndex(store.client, store.index, hits_page=50, groups_page=20)


@settings(max_examples=max(3, settings().max_examples // 20), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_graph_and_paths_are_what_brute_force_finds(store: EventStore, seed: int) -> None:
    # Each example has a day of its own, whatever the index.
    day = BEGIN + timedelta(days=next(_DAYS))
    records = activity(seed, day)
    for each in records:  # the same seed again is another trail
        each["eventID"] = f"{day:%Y%m%d}-{each['eventID']}"
    index = index_records(store, records)
    span = Span(day, day + timedelta(days=1)).query()
    keys, addresses = ["ASIA1"], ["203.0.113.9"]
    made = build(index, span, keys=keys, addresses=addresses)
    expected = brute_graph(records, keys, addresses)
    assert {each.full for each in made.graph} == set(expected)
    assert {(a.full, b.full) for a, b in made.graph.edges} == set(expected.edges)
    for one, other in made.graph.edges:
        edge = made.edge(one, other)
        events = expected.edges[one.full, other.full]["events"]
        succeeded = [each for each in events if each[3]]
        assert edge.count == len(events)
        assert edge.failed == len(events) - len(succeeded)
        assert (edge.first, edge.last) == (min(events)[0], max(events)[0])
        assert edge.since == min((each[0] for each in succeeded), default=None)
        assert edge.until == max((each[0] for each in succeeded), default=None)
        assert edge.calls == {
            call: sum(each[2] == call for each in events) for call in {each[2] for each in events}
        }
    nodes = {each.full: each for each in made.graph}
    targets = {each for each in nodes if each.startswith(("s3:", "secret:", "ec2:"))}
    starts = [each for each in nodes if each.startswith(("user:", "key:", "ip:", "federated:"))]
    finder = PathFinder(index, made, span)
    narrow = build(index, span, keys=keys, addresses=addresses, towards=sorted(targets))
    narrowed = PathFinder(index, narrow, span)
    for start in starts[:4]:
        found = finder.find([nodes[start]], [nodes[each] for each in sorted(targets)])
        assert not found.cut
        assert {
            tuple(node.full for node in path.nodes): (
                [step.event for step in path.steps],
                path.risk,
            )
            for path in found.found
        } == brute_paths(expected, start, targets)
        if nodes[start] in narrow.graph:  # the part that these paths need gives the same ones
            ends = [each for each in narrow.graph if each.full in targets]
            assert [each.nodes for each in narrowed.find([nodes[start]], ends).found] == [
                each.nodes for each in found.found
            ]
        else:
            assert not found.found


USER, ROLE = "arn:aws:iam::{}:user/{}", "arn:aws:iam::{}:role/{}"


def step(by: str, to: str, second: int, bucket: str = "") -> dict[str, Any]:
    """A role (or `user`) assumes a role, or reads a bucket."""
    home, away = ACCOUNTS
    who: dict[str, Any] = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{away}:assumed-role/{by}/s",
        "accountId": away,
        "accessKeyId": f"ASIA{by.upper()}",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE.format(away, by)}},
    }
    if by == "ada":
        who = {
            "type": "IAMUser",
            "arn": USER.format(home, by),
            "accountId": home,
            "userName": by,
            "accessKeyId": "AKIAADA",
        }
    common = {"userIdentity": who, "eventTime": f"2025-03-01T12:00:{second:02}Z"}
    if bucket:
        return record(
            eventSource="s3.amazonaws.com",
            eventName="GetObject",
            requestParameters={"bucketName": bucket},
            **common,
        )
    return record(
        eventSource="sts.amazonaws.com",
        eventName="AssumeRole",
        requestParameters={"roleArn": ROLE.format(away, to), "roleSessionName": "s"},
        responseElements={
            "credentials": {"accessKeyId": f"ASIA{to.upper()}"},
            "assumedRoleUser": {"arn": f"arn:aws:sts::{away}:assumed-role/{to}/s"},
        },
        **common,
    )


def refused(call: dict[str, Any]) -> dict[str, Any]:
    return call | {"errorCode": "AccessDenied", "responseElements": None}


def asked(settings: Settings, *arguments: str, code: int = 0, **env: str) -> dict[str, Any]:
    done = command(settings, "paths", *arguments, "--json", env=env)
    assert done.exit_code == code, done.output
    made = json.loads(done.stdout)
    require_listing(made, "paths")
    assert isinstance(made, dict)
    return made


def test_paths_respect_time_and_name_their_events(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    trail = [
        step("ada", "b", 5),
        *(step("b", "c", second) for second in (0, 10)),
        step("c", "d", 7),
        step("d", "", 20, "vault"),
        step("c", "", 10, "open"),
        *(step("c", "", second, "open") for second in range(30, 40)),
        *(refused(step("b", "c", second)) for second in (11, 12)),
        *(step("ada", "b", second) | {"sourceIPAddress": "203.0.113.9"} for second in (41, 42)),
        refused(step("ada", "b", 43)) | {"sourceIPAddress": "203.0.113.9"},
        # From an address: to one bucket itself, if not first, to the other never.
        step("b", "", 44, "ours-a"),
        step("b", "", 51, "ours-b"),
        step("b", "", 52, "ours-b") | {"sourceIPAddress": "203.0.113.9"},
    ]
    write_trail(tmp_path / "trail", trail)
    backfill(settings, tmp_path / "trail")

    # c acts as d at 7 only, before it can have been reached at 10.
    assert asked(settings, "--from", "user:ada", "--to", "s3:vault")["paths"] == []
    (found,) = asked(settings, "--from", "user:ada", "--to", "s3:open")["paths"]
    assert found["path"] == ["user:ada", "role:b", "role:c", "s3:open"]
    assert found["risk_score"] == 10  # 10 - 4 + 2 + 2
    assert [each["time"][17:19] for each in found["steps"]] == ["05", "10", "10"]  # a tie
    assert [each["event"] for each in found["steps"]] == [
        trail[0]["eventID"],
        trail[2]["eventID"],
        trail[5]["eventID"],
    ]
    assert found["steps"][2]["edge"]["count"] == 11
    assert found["steps"][2]["edge"]["addresses"] == ["198.51.100.7"]
    # What is in an event, but leads nowhere, is no unknown node.
    assert asked(settings, "--from", "s3:vault", "--to", "s3:open")["paths"] == []
    jewels = json.dumps(["s3:open", "s3:none"])
    by_default = asked(
        settings, "--from", "key:AKIAADA", TRAILHOUND_INVESTIGATION__CROWN_JEWELS=jewels
    )
    assert by_default["paths"][0]["path"][0] == "key:AKIAADA"
    assert by_default["unknown_targets"] == ["s3:none"]
    assert by_default["paths"][0]["other_addresses"] == []
    elsewhere = asked(settings, "--from", "ip:203.0.113.9", "--to", "s3:ours-*")["paths"]
    assert [(each["path"][-1], each["other_addresses"]) for each in elsewhere[:2]] == [
        ("s3:ours-b", []),
        ("s3:ours-a", ["198.51.100.7"]),
    ]
    assert elsewhere[0]["risk_score"] == elsewhere[1]["risk_score"]
    assert elsewhere[0]["steps"][-1]["time"][17:19] == "52"
    row = command(settings, "paths", "--from", "ip:203.0.113.9", "--to", "s3:ours-a").output
    assert "1 path with steps from another address" in row
    ends = ("--from", "ip:203.0.113.9", "--to", "s3:ours-*")
    first = command(settings, "paths", *ends, "--limit", "1").output
    assert "1 path shown, there are more: --limit N" in first
    whole = command(settings, "paths", *ends, "--limit", str(len(elsewhere))).output
    assert "shown" not in whole

    said = command(settings, "paths", "--from", "user:ada", "--to", "s3:open").output
    assert "steps of path 1, user:ada → role:b → role:c → s3:open:" in said

    moved = asked(settings, "--lateral")["movements"]
    (address,) = [each for each in moved if each["type"] == "lateral_movement"]
    assert address["source_ip"] == "198.51.100.7"
    assert (address["risk_score"], address["count"], address["refused"]) == (8, 4, 2)
    assert address["role_chain"] == [f"role:{name}@{ACCOUNTS[1]}" for name in "cbdc"]
    assert [each["outcome"] for each in address["timeline"]] == ["success"] * 4
    (chain,) = [each for each in moved if each["type"] == "role_chain"]
    away = ACCOUNTS[1]
    assert chain["role_chain"] == [f"role:{name}@{away}" for name in "bcd"]
    assert chain["origin"] == f"user:ada@{ACCOUNTS[0]}"

    for wrong, said in (
        (("--from", "user:adda", "--to", "s3:open"), "user:ada"),
        (("--from", "user:ada"), "crown_jewels"),
        (("--from", "ada", "--to", "s3:open"), "kind"),
        ((), "--lateral"),
    ):
        done = command(settings, "paths", *wrong)
        assert isinstance(done.exception, UsageError)
        assert said in (done.exception.hint or "")


def test_a_search_that_would_explode_is_cut_off_and_says_so(store: EventStore) -> None:
    day = BEGIN + timedelta(days=next(_DAYS))
    names = [f"r{number}" for number in range(8)]
    records = [step(one, other, 1) for one in names for other in names if one != other]
    records += [step(each, "", 2, "prize") for each in names]
    for each in records:
        each["eventTime"] = f"{day:%Y-%m-%d}T{each['eventTime'][11:]}"
    index = index_records(store, records)
    span = Span(day, day + timedelta(days=1)).query()
    graph = build(index, span)
    start, end = named(graph.graph, "role:r0"), named(graph.graph, "s3:prize")
    whole = PathFinder(index, graph, span).find(start, end)
    assert (len(whole.found), whole.cut) == (1 + 7 + 7 * 6 + 7 * 6 * 5 + 7 * 6 * 5 * 4, "")
    best = PathFinder(index, graph, span).find(start, end, 60)
    assert [each.nodes for each in best.found] == [each.nodes for each in whole.found[:60]]
    few = PathFinder(index, graph, span, expansions=100).find(start, end)
    assert few.found
    assert "100 partial paths" in few.cut
    some = PathFinder(index, graph, span, candidates=10).find(start, end)
    assert len(some.found) == 10
    assert "10 candidates" in some.cut
    assert not named(graph.graph, "role:nobody")
