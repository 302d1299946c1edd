"""Findings become alerts on a real cluster: once each, whoever finds them and however often."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.alerts import burst as burst_module
from detections.alerts import merging as group_module
from detections.alerts import paging
from detections.alerts.event_query import EventQueries
from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from detections.packs.loading import load_paths
from tests.faults.proxy import DROP, Fault, Proxy, Request
from tests.helpers.commands import command
from tests.helpers.detection_rules import BURST as BURSTS
from tests.helpers.detection_rules import write_rules
from tests.helpers.findings import (
    ADA,
    START,
    at,
    burst,
    emptied,
    event_id,
    put_events,
    rule,
    single,
)
from tests.helpers.namespaces import own_namespace
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, UsageError
from trailhound.settings import Settings

PLAIN = rule()
GROUPED = rule("grouped", group_by=("userIdentity.arn",), suppress=timedelta(seconds=60))
BURST = rule("burst", kind="correlation", level="medium", severity=5)
LETTER = rule("letter", kind="correlation", lower_attempts=False)
RULES = {each.id: each for each in (PLAIN, GROUPED, BURST, LETTER)}


@pytest.fixture(scope="module")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    dashboards = {"url": "https://ada:hunter2@dashboards.example/"}  # no link has the login
    home = tmp_path_factory.mktemp("home")
    with own_namespace(engine, home, dashboards=dashboards) as made:
        yield made


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    return emptied(connect(settings), settings)


@pytest.fixture
def recorder(client: OpenSearch, settings: Settings) -> Recorder:
    return Recorder(client, settings, RULES)


@pytest.fixture
def alert_store(client: OpenSearch, settings: Settings) -> AlertStore:
    return AlertStore(client, settings)


def spans(alert_store: AlertStore, rule_id: str = "") -> list[tuple[str, str, int]]:
    """When, till when and how often, of every alert, by time."""
    return sorted(
        (each["first_seen"][14:19], each["last_seen"][14:19], each["count"])
        for each in alert_store.find(AlertQuery(rule=rule_id or None))
    )


def sent_late(settings: Settings, findings: Sequence[Finding]) -> bytes:
    """The alerts that a slow writer of findings sends, and that have not arrived yet."""
    sent: list[bytes] = []

    def hold(request: Request) -> Fault | None:
        if _brings_alerts(request, settings):
            sent.append(request.body)
        return DROP if sent else None

    with Proxy(settings.hosts[0], hold) as proxy:
        own = _through(proxy, settings)
        with suppress(OpenSearchException, ClusterError):
            Recorder(connect(own), own, RULES).record(findings)
    return sent[0]


def _brings_alerts(request: Request, settings: Settings) -> bool:
    return request.path.startswith("/_bulk") and Names(settings.prefix).alerts.encode() in (
        request.body
    )


def _through(proxy: Proxy, settings: Settings) -> Settings:
    return settings.model_copy(
        update={"cluster": settings.cluster.model_copy(update={"hosts": [proxy.url]})}
    )


def test_an_event_of_a_plain_rule_is_one_alert_with_all_that_a_person_asks(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, [5])
    made = recorder.record([single(PLAIN.id, 5)])
    again = recorder.record([single(PLAIN.id, 5), single(PLAIN.id, 5)])
    assert (len(made.created), again.created, again.updated) == (1, set(), set())
    (alert,) = alert_store.find(AlertQuery())
    assert alert["id"] in made.created
    assert alert["rule"] == {
        "id": PLAIN.id,
        "name": PLAIN.title,
        "kind": "sigma",
        "level": "high",
        "severity": 8,
    }
    assert (alert["level"], alert["severity"], alert["count"], alert["state"]) == (
        "high",
        8,
        1,
        "open",
    )
    assert alert["attack"] == {"tactic": ["persistence"], "technique": ["T1098.001"]}
    assert alert["first_seen"] == alert["last_seen"] == "2025-03-01T12:00:05.000Z"
    assert alert["entity"] == {
        "account": ["111122223333"],
        "address": ["198.51.100.7"],
        "arn": ["arn:aws:iam::111122223333:user/ada"],
        "principal": ["ada"],
        "region": ["eu-west-1"],
        "resource": ["b", "role-5"],
    }
    assert alert["evidence"]["event_id"] == [event_id(5)]
    discover = "discover" if dialect_of(client).kibana else "data-explorer/discover"
    assert alert["evidence"]["url"].startswith(f"https://dashboards.example/app/{discover}#")
    assert event_id(5) in alert["evidence"]["url"]
    assert alert["response"] == ["ask ada", "revoke the key"]


def test_events_of_a_group_join_an_alert_while_they_are_near(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(0, 400, 10))
    findings = [single("grouped", second, ADA) for second in (0, 50, 100, 200, 250)]
    other = single("grouped", 60, (("userIdentity.arn", "bob"),))
    random.Random(3).shuffle(findings)
    for finding in (*findings, other, *findings):
        recorder.record([finding])
    assert spans(alert_store) == [
        ("00:00", "01:40", 3),
        ("01:00", "01:00", 1),
        ("03:20", "04:10", 2),
    ]
    made = recorder.record([single("grouped", 150, ADA)])
    assert len(made.merged) == 1
    assert spans(alert_store) == [("00:00", "04:10", 6), ("01:00", "01:00", 1)]
    (merged,) = [alert_store.get(name) for name in made.merged]
    assert (merged["state"], merged["merged_into"]) == ("closed", min(made.updated))


def test_bursts_that_overlap_update_one_alert(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(200))
    (name,) = recorder.record([burst("burst", range(20, 30), detail="10 calls")]).created
    recorder.record([burst("burst", range(25, 40), detail="15 calls")])
    late = recorder.record([burst("burst", range(10, 40), detail="30 calls")])
    assert late.updated == {name}
    assert spans(alert_store) == [("00:10", "00:39", 30)]
    alert = alert_store.get(name)
    assert alert["reason"] == "30 calls"
    assert alert["evidence"]["event_id"] == [event_id(second) for second in range(10, 40)]
    recorder.record([burst("burst", range(10, 160))])
    assert spans(alert_store) == [("00:10", "02:39", 150)]
    assert len(alert_store.get(name)["evidence"]["event_id"]) == 100
    before = alert_store.get(name)
    assert not recorder.record([burst("burst", range(10, 160))]).updated
    assert alert_store.get(name) == before


def test_the_same_findings_again_write_nothing_and_read_no_event(
    client: OpenSearch, settings: Settings
) -> None:
    """A schedule finds what it has found again and again."""
    put_events(client, settings, range(150))
    findings = [
        *(single(PLAIN.id, second) for second in (1, 2)),
        *(single("grouped", second, ADA) for second in (3, 4)),
        burst("burst", range(10, 20), detail="ten"),
        burst("burst", range(20, 150), (("user.name", "bob"),)),
    ]
    asked: list[str] = []

    def look(request: Request) -> None:
        asked.append(request.path)

    with Proxy(settings.hosts[0], look) as proxy:
        own = _through(proxy, settings)
        recorder = Recorder(connect(own), own, RULES)
        assert len(recorder.record(findings).created) == 5
        asked.clear()
        recorder.record(findings)
    assert asked
    assert all("/_mget" in path for path in asked), asked


def test_a_closed_alert_stays_closed_and_new_activity_is_a_new_one(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(100))
    (name,) = recorder.record([burst("burst", range(5))]).created
    alert_store.acknowledge(name, "ada", "looking")
    closed = alert_store.close(name, "ada", "a drill\x1b[2J")
    assert [each["state"] for each in closed["history"]] == ["open", "acknowledged", "closed"]
    assert "\x1b" not in closed["history"][-1]["note"]
    for _ in range(2):
        recorder.record([burst("burst", range(5))])
    assert not alert_store.find(AlertQuery(states=("open",)))
    for _ in range(2):
        recorder.record([burst("burst", range(8))])
    (new,) = alert_store.find(AlertQuery(states=("open",)))
    assert (new["count"], new["first_seen"]) == (3, "2025-03-01T12:00:05.000Z")
    assert new["entity"]["resource"] == ["b", "role-5", "role-6", "role-7"]
    with pytest.raises(UsageError, match="is closed"):
        alert_store.acknowledge(name, "bob")
    with pytest.raises(UsageError, match="no alert"):
        alert_store.close("nothing", "bob")


def test_two_writers_at_once_make_no_second_alert(
    client: OpenSearch, settings: Settings, alert_store: AlertStore
) -> None:
    """Each sees the events in another order, and other bursts of the same activity."""
    seconds = list(range(0, 60, 2))
    put_events(client, settings, range(60))
    started = threading.Barrier(4)
    faults: list[BaseException] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        own = Recorder(connect(settings), settings, RULES)
        findings = [single("grouped", second, ADA) for second in seconds]
        findings += [burst("burst", range(each, each + 12)) for each in range(0, 48, 4)]
        findings += [single(PLAIN.id, second) for second in seconds[:5]]
        chance.shuffle(findings)
        started.wait()
        try:
            for at_ in range(0, len(findings), 8):
                own.record(findings[at_ : at_ + 8])
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert spans(alert_store, "grouped") == [("00:00", "00:58", 30)]
    assert spans(alert_store, "burst") == [("00:00", "00:55", 56)]
    assert len(spans(alert_store, PLAIN.id)) == 5


def test_writers_and_whoever_closes_at_once_count_every_event_once(
    client: OpenSearch, settings: Settings, alert_store: AlertStore
) -> None:
    seconds = range(0, 640, 40)
    put_events(client, settings, seconds)
    done = threading.Event()
    faults: list[BaseException] = []

    def write(number: int) -> None:
        own = Recorder(connect(settings), settings, RULES)
        findings = [single("grouped", second, ADA) for second in seconds]
        random.Random(number).shuffle(findings)
        try:
            for at_ in range(0, len(findings), 2):
                own.record(findings[at_ : at_ + 2])
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)

    def close() -> None:
        own = AlertStore(connect(settings), settings)
        while not done.wait(0.05):
            for alert in own.find(AlertQuery(states=("open",)), limit=3):
                own.close(alert["id"], "ada")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    closer = threading.Thread(target=close)
    for thread in (*writers, closer):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    closer.join()
    assert not faults
    Recorder(client, settings, RULES).record([single("grouped", second, ADA) for second in seconds])
    seen = [
        event for alert in alert_store.find(AlertQuery()) for event in alert["evidence"]["event_id"]
    ]
    assert sorted(seen) == sorted(map(event_id, seconds))


def test_an_alert_that_grows_while_it_is_merged_into_one_that_is_closed_counts_the_rest(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(0, 160, 40))
    (earlier,) = recorder.record([single("grouped", 0, ADA)]).created
    (later,) = recorder.record([single("grouped", 80, ADA)]).created
    late = sent_late(settings, [single("grouped", 120, ADA)])
    seen: list[Request] = []

    def come_between(request: Request) -> None:
        """The other request arrives, and a person closes the target, before the merged alert is
        closed."""
        if _brings_alerts(request, settings):
            seen.append(request)
            if len(seen) == 2:
                assert not client.bulk(body=late)["errors"]
                alert_store.close(earlier, "ada")

    with Proxy(settings.hosts[0], come_between) as proxy:
        own = _through(proxy, settings)
        Recorder(connect(own), own, RULES).record([single("grouped", 40, ADA)])
    assert spans(alert_store) == [("00:00", "01:20", 3), ("02:00", "02:00", 1)]
    rest = alert_store.get(later)
    assert (rest["state"], rest["evidence"]["event_id"]) == ("open", [event_id(120)])
    assert rest["history"][-1]["note"] == f"counted by {earlier}: 1 of its events"
    assert rest["entity"]["principal"] == ["ada"]
    findings = [single("grouped", second, ADA) for second in range(0, 160, 40)]
    assert recorder.record(findings).updated == set()
    assert spans(alert_store) == [("00:00", "01:20", 3), ("02:00", "02:00", 1)]


def test_an_alert_that_was_merged_before_it_arrived_does_not_arrive(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(0, 120, 40))
    (name,) = recorder.record([single("grouped", 0, ADA)]).created
    late = sent_late(settings, [single("grouped", 80, ADA)])
    (merged,) = recorder.record([single("grouped", second, ADA) for second in (40, 80)]).merged
    (item,) = client.bulk(body=late)["items"]
    assert (item["create"]["_id"], item["create"]["status"]) == (merged, 409)
    assert spans(alert_store) == [("00:00", "01:20", 3)]
    closed = alert_store.get(merged)
    assert (closed["state"], closed["merged_into"], closed["count"]) == ("closed", name, 0)
    shown = command(settings, "alerts", "show", merged)
    assert shown.exit_code == 0, shown.output
    assert name in shown.output


def test_a_writer_that_dies_halfway_is_made_up_by_the_next_run(
    client: OpenSearch, settings: Settings, alert_store: AlertStore
) -> None:
    """Every request after the first, the second, … fails once; the findings are recorded again."""
    put_events(client, settings, range(100))
    first = [single("grouped", second, ADA) for second in (0, 90)]
    second = [single("grouped", second, ADA) for second in (40, 50, 60)]  # joins the two
    for allowed in range(8):
        seen = [0]

        def cut(request: Request, seen: list[int] = seen, allowed: int = allowed) -> Fault | None:
            seen[0] += 1
            return DROP if seen[0] > allowed else None

        with Proxy(settings.hosts[0], cut) as proxy:
            cut_off = _through(proxy, settings)
            weak = Recorder(connect(cut_off, timeout=5), cut_off, RULES)
            for findings in (first, second):
                seen[0] = 0
                with suppress(OpenSearchException, ClusterError):
                    weak.record(findings)
    Recorder(client, settings, RULES).record([*second, *first])
    assert spans(alert_store) == [("00:00", "01:30", 5)]


def test_alerts_that_the_directory_let_go_of_are_found_again(
    client: OpenSearch,
    settings: Settings,
    recorder: Recorder,
    alert_store: AlertStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_module, "ENTRIES", 2)
    seconds = range(0, 1000, 100)
    put_events(client, settings, range(0, 1000, 50))
    findings = [single("grouped", second, ADA) for second in seconds]
    recorder.record(findings)
    made = recorder.record([*findings, single("grouped", 150, ADA)])
    assert not made.created
    assert len(spans(alert_store)) == 9
    assert sum(count for *_, count in spans(alert_store)) == 11


def test_an_alert_names_calls_results_and_how_often_before(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    done: dict[str, Any] = {"event": {"outcome": "success"}}
    refused: dict[str, Any] = {"event": {"outcome": "failure"}}
    put_events(client, settings, [0, 4, 90], eventName="StopLogging", **done)
    put_events(client, settings, [2, 92], eventName="DeleteTrail", **refused)
    recorder.record([burst("burst", [0, 2, 4], ADA)])
    recorder.record([burst("burst", [90, 92], ADA)])
    later, earlier = alert_store.find(AlertQuery())
    assert earlier["calls"] == [
        {"name": "StopLogging", "count": 2, "failed": 0},
        {"name": "DeleteTrail", "count": 1, "failed": 1},
    ]
    assert (earlier["outcome"], earlier["attempt"]) == ("mixed", False)
    assert earlier["evidence"]["call"] == ["StopLogging", "DeleteTrail", "StopLogging"]
    assert earlier["summary"] == (
        "ada: StopLogging ×2, DeleteTrail, 1 of 3 failed, 2025-03-01 12:00:00 to 12:00:04 UTC, "
        "for the first time"
    )
    stored = client.get(index=Names(settings.prefix).alerts, id=earlier["id"])["_source"]
    assert stored["call_summary"] == "StopLogging ×2, DeleteTrail"
    assert "call_summary" not in earlier
    assert later["before"]["count"] == 1
    assert later["summary"].endswith("1 time before")
    recorder.record([single(PLAIN.id, second) for second in (0, 2)])
    recorder.record([single(PLAIN.id, 90)])
    counts = [each["before"]["count"] for each in alert_store.find(AlertQuery(rule=PLAIN.id))]
    assert counts == [2, 1, 0]
    shown = command(settings, "alerts", "show", earlier["id"]).output
    assert earlier["summary"] in shown
    assert "StopLogging ×2, DeleteTrail ×1 (1 failed)" in shown


ACCOUNTS = {"one": "111122223333", "two": "222233334444"}
CALLERS = (("ada", "one"), ("mallory", "two"), ("ada", "one"), ("ada", "two"), ("oscar", "one"))


@pytest.mark.parametrize("at_once", [True, False])
def test_without_a_group_alerts_of_others_are_not_counted_as_this_principals(
    client: OpenSearch,
    settings: Settings,
    recorder: Recorder,
    alert_store: AlertStore,
    at_once: bool,
) -> None:
    def put(second: int, name: str, account: str) -> None:
        number = ACCOUNTS[account]
        who = {"arn": f"arn:aws:iam::{number}:user/{name}"}
        changes: dict[str, Any] = {"userIdentity": who, "user": {"name": name}}
        put_events(client, settings, [second], recipientAccountId=number, **changes)

    for position, caller in enumerate(CALLERS):
        put(position * 1000, *caller)
    put(6000, "ada", "one")
    put(6001, "mallory", "two")
    findings = [burst("burst", [position * 1000]) for position in range(len(CALLERS))]
    findings.append(burst("burst", [6000, 6001]))
    for part in [findings] if at_once else [[each] for each in findings]:
        recorder.record(part)
    found = sorted(alert_store.find(AlertQuery()), key=lambda each: each["first_seen"])
    assert [each["before"]["count"] for each in found] == [0, 0, 1, 0, 0, 3]
    assert [each["summary"].rpartition(", ")[2] for each in found] == [
        *("for the first time", "for the first time", "1 time before"),
        *("for the first time", "for the first time", "3 times before"),
    ]
    assert found[2]["before"]["last"] == at(0).isoformat(timespec="milliseconds")
    assert "last" not in found[4]["before"]
    shown = command(settings, "alerts", "show", found[4]["id"]).output
    assert "for the first time" in " ".join(shown.split())
    # What grows or is merged is counted anew, and a merged one no more.
    put(500, "ada", "one")
    recorder.record([burst("burst", [0, 500, 1000, 2000])])
    left = [each for each in alert_store.find(AlertQuery()) if not each.get("merged_into")]
    first, *others = sorted(left, key=lambda each: each["first_seen"])
    assert (first["entity"]["principal"], first["before"]["count"]) == (["ada", "mallory"], 0)
    assert len(others) == 3
    put(9000, "ada", "one")
    recorder.record([burst("burst", [9000])])
    newest = max(alert_store.find(AlertQuery()), key=lambda each: each["first_seen"])
    assert newest["before"]["count"] == 2


def test_an_attempt_is_a_level_lower_until_a_call_succeeds(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(5), eventName="PutKeyPolicy", errorCode="AccessDenied")
    put_events(client, settings, [5, 6], eventName="PutKeyPolicy", event={"outcome": "success"})
    (name,) = recorder.record([burst("burst", range(5))]).created
    (letter,) = recorder.record([burst("letter", range(5))]).created
    tried = alert_store.get(name)
    assert (tried["level"], tried["severity"], tried["attempt"]) == ("low", 3, True)
    assert (tried["rule"]["level"], tried["rule"]["severity"]) == ("medium", 5)
    assert (alert_store.get(letter)["level"], alert_store.get(letter)["attempt"]) == ("high", True)
    alert_store.acknowledge(name, "ada")
    recorder.record([burst("burst", range(7))])
    done = alert_store.get(name)
    assert (done["level"], done["severity"], done["attempt"]) == ("medium", 5, False)
    assert (done["state"], done["raised_from"]) == ("acknowledged", "low")
    assert done["history"][-1]["note"] == "raised from low to medium: a call succeeded"
    # What failed since lowers nothing.
    put_events(client, settings, [7], eventName="PutKeyPolicy", errorCode="AccessDenied")
    recorder.record([burst("burst", range(8))])
    assert (alert_store.get(name)["level"], alert_store.get(name)["outcome"]) == ("medium", "mixed")


def test_beyond_the_events_that_it_names_an_alert_counts_by_its_query(
    client: OpenSearch,
    settings: Settings,
    alert_store: AlertStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(burst_module, "EVIDENCE", 3)
    monkeypatch.setattr(burst_module, "COUNTED", 3)
    pack = load_paths([write_rules(tmp_path)], settings.detections)
    refused: dict[str, Any] = {"errorCode": "AccessDenied", "event": {"outcome": "failure"}}
    put_events(client, settings, range(6), eventName="GetKey", **refused)
    put_events(client, settings, [6], eventName="Decrypt", **refused)
    put_events(client, settings, [20], eventName="GetKey", **refused)
    rules = {each.id: each for each in pack.rules}
    recorder = Recorder(client, settings, rules, EventQueries(pack.compiled))
    recorder.record([burst(BURSTS, range(5), ADA)])
    recorder.record([burst(BURSTS, range(2, 7), ADA)])
    (alert,) = alert_store.find(AlertQuery())
    assert (alert["count"], alert["count_relation"]) == (7, "eq")
    assert alert["calls"] == [
        {"name": "GetKey", "count": 6, "failed": 6},
        {"name": "Decrypt", "count": 1, "failed": 1},
    ]
    assert (alert["outcome"], alert["level"]) == ("failure", "low")
    assert len(alert["evidence"]["event_id"]) == 3
    days = f"{settings.prefix}cloudtrail-*"
    found = client.count(index=days, body={"query": alert["evidence"]["query"]})
    assert found["count"] == 7
    assert alert["evidence"]["query_exact"]
    shown = command(settings, "alerts", "show", alert["id"]).output
    assert "3 of 7 shown" in shown


def test_filters_find_what_they_name_on_every_page(
    client: OpenSearch,
    settings: Settings,
    recorder: Recorder,
    alert_store: AlertStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    put_events(client, settings, range(20))
    recorder.record([single(PLAIN.id, second) for second in range(3)])
    recorder.record([burst("burst", range(10, 15))])
    assert len(alert_store.find(AlertQuery(level="high"))) == 3
    assert len(alert_store.find(AlertQuery(rule="burst"))) == 1
    assert len(alert_store.find(AlertQuery(rule="title of BURST"))) == 1
    assert len(alert_store.find(AlertQuery(principal="ADA"))) == 4
    assert len(alert_store.find(AlertQuery(principal="arn:aws:iam::111122223333:user/ada"))) == 4
    assert len(alert_store.find(AlertQuery(principal="a*"))) == 4, "a pattern, as for events"
    assert alert_store.find(AlertQuery(principal="b*")) == []
    assert len(alert_store.find(AlertQuery(since=at(2)))) == 2
    assert [each["count"] for each in alert_store.find(AlertQuery(), limit=1)] == [5]


def test_a_list_past_its_limit_says_how_many_there_are(
    client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    put_events(client, settings, range(5))
    recorder.record([single(PLAIN.id, second) for second in range(5)])
    some = command(settings, "alerts", "list", "--limit", "2", "--flat")
    assert "2 of 5 alerts shown: --limit N or --all for more" in some.output
    # What reads the rows of a pipe gets a warning beside them, also where notes are not wanted.
    lines = command(settings, "--quiet", "alerts", "list", "--limit", "2", "--output", "ndjson")
    assert len(lines.stdout.splitlines()) == 2
    assert "warning: only 2 of 5 alerts shown: --limit N or --all for more" in lines.stderr
    grouped = command(settings, "incidents", "list", "--limit", "1", "--json")
    of_incidents = json.loads(grouped.stdout)
    assert (of_incidents["total"] > 1) == of_incidents["more"]
    every = json.loads(command(settings, "alerts", "list", "--all", "--json").stdout)
    assert (len(every["alerts"]), every["total"], every["more"]) == (5, 5, False)
    two = json.loads(command(settings, "alerts", "list", "--limit", "2", "--json").stdout)
    assert (len(two["alerts"]), two["total"], two["more"]) == (2, 5, True)
    assert "shown" not in command(settings, "alerts", "list", "--all", "--limit", "2").output


def test_hostile_events_reach_neither_the_terminal_nor_the_mapping(
    client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    name = "\x1b[2J\x1b]0;x\x07evil" + "A" * 5_000
    hostile: dict[str, Any] = {
        "user": {"name": name},
        "sourceIPAddress": "fe80::1%eth0",
        "source": {},
    }
    put_events(client, settings, [1], **hostile)
    group = (("userIdentity.arn", name * 8),)
    made = recorder.record([single("grouped", 1, group), single(PLAIN.id, 1)])
    assert len(made.created) == 2
    for arguments in (("list",), *(("show", each) for each in sorted(made.created))):
        shown = command(settings, "alerts", *arguments)
        assert shown.exit_code == 0, shown.output
        assert "\x1b" not in shown.stdout
        assert "evil" in shown.stdout


def test_a_forged_event_of_another_day_takes_no_alert_from_the_event_of_its_id(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    """Who can write to the trail's bucket learns an eventID and puts it into a file of another day,
    as a harmless or failed call of somebody else."""
    day_before = START - timedelta(days=1)
    forged = {"user": {"name": "eve"}, "event": {"outcome": "failure"}, "errorCode": "AccessDenied"}
    put_events(client, settings, [5], day_before, **forged)
    put_events(client, settings, [5, 6], event={"outcome": "success"})
    first = recorder.record([single(PLAIN.id, 5, start=day_before)])
    findings = [single(PLAIN.id, second) for second in (5, 6)]
    second = recorder.record([*findings, single(PLAIN.id, 5, start=day_before)])
    assert (len(first.created), len(second.created)) == (1, 2)
    assert recorder.record(findings).created == set(), "found again, they are the same alerts"
    said = {
        (each["first_seen"][:10], *each["evidence"]["event_id"]): (
            each["entity"]["principal"],
            each["level"],
        )
        for each in alert_store.find(AlertQuery())
    }
    assert said == {
        ("2025-02-28", event_id(5)): (["eve"], "medium"),
        ("2025-03-01", event_id(5)): (["ada"], "high"),
        ("2025-03-01", event_id(6)): (["ada"], "high"),
    }
    (real,) = (
        each
        for each in alert_store.find(AlertQuery(since=START))
        if each["evidence"]["event_id"] == [event_id(5)]
    )
    listed = command(settings, "events", "--alert", real["id"], "--json")
    assert [each["user"]["name"] for each in json.loads(listed.stdout)["events"]] == ["ada"]


def test_both_of_one_id_at_once_are_two_alerts_with_their_own_facts(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    day_before = START - timedelta(days=1)
    put_events(client, settings, [5], day_before, user={"name": "eve"})
    put_events(client, settings, [5])
    recorder.record([single(PLAIN.id, 5, start=start) for start in (START, day_before)])
    assert {
        (each["first_seen"][:10], *each["entity"]["principal"])
        for each in alert_store.find(AlertQuery())
    } == {("2025-02-28", "eve"), ("2025-03-01", "ada")}


def test_the_commands(client: OpenSearch, settings: Settings, recorder: Recorder) -> None:
    put_events(client, settings, range(5))
    recorder.record([single(PLAIN.id, second) for second in range(3)])

    def reported(*arguments: str) -> dict[str, Any]:
        done = command(settings, "alerts", *arguments, "--json")
        assert done.exit_code == 0, done.output
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    listed = reported("list", "--level", "high", "--limit", "2")
    assert (len(listed["alerts"]), listed["more"]) == (2, True)
    first, second = (each["id"] for each in listed["alerts"])
    (taken,) = reported("ack", first, "--by", "ada", "--note", "mine")["alerts"]
    assert (taken["state"], taken["state_by"]) == ("acknowledged", "ada")
    assert len(reported("close", first, second, "--by", "bob")["alerts"]) == 2
    assert [each["id"] for each in reported("list")["alerts"]] != [first]
    assert len(reported("list", "--state", "closed")["alerts"]) == 2
    assert len(reported("list", "--state", "all", "--since", "2025-03-01")["alerts"]) == 3
    shown = reported("show", first)
    assert shown["history"][1]["note"] == "mine"
    assert not {"counted", "group_key"} & set(shown)
    unknown = command(settings, "alerts", "show", "nothing").exception
    assert isinstance(unknown, UsageError)
    assert "there is no alert nothing" in unknown.message


@pytest.mark.parametrize("verb", ["ack", "close"])
def test_each_id_is_reported_and_all_are_looked_up_before_the_first_write(
    verb: str, client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    put_events(client, settings, range(3))
    recorder.record([single(PLAIN.id, second) for second in range(3)])
    store = AlertStore(client, settings)
    first, second, third = (each["id"] for each in store.find(AlertQuery()))
    state = {"ack": "acknowledged", "close": "closed"}[verb]

    def changed(*ids: str) -> tuple[int, dict[str, Any]]:
        done = command(settings, "alerts", verb, *ids, "--by", "ada", "--json")
        return done.exit_code, json.loads(done.stdout)

    code, reported = changed(first, "nosuch", second, first, "nor-this")
    assert code == 1
    assert [(each["id"], each["state"]) for each in reported["alerts"]] == [
        (first, state),
        (second, state),
    ]
    assert [each["id"] for each in reported["not_changed"]] == ["nosuch", "nor-this"]
    assert all(each["reason"] for each in reported["not_changed"])
    assert store.get(third)["state"] == "open"
    # The same again, with what was missing put right, completes it.
    code, reported = changed(first, second, third)
    assert (code, reported["not_changed"]) == (0, [])
    people = command(settings, "alerts", verb, first, "nosuch", "--by", "ada")
    assert people.exit_code == 1
    assert f"{first} {state}" in people.output
    assert "nosuch was not changed: there is no alert with this id" in people.output
    # Where there is none of them, nothing was there to change.
    none = command(settings, "alerts", verb, "nosuch", "nor-this", "--by", "ada").exception
    assert isinstance(none, UsageError)
    assert "nosuch, nor-this" in none.message


def test_an_alert_closed_meanwhile_keeps_no_other_from_being_acknowledged(
    client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    put_events(client, settings, range(2))
    recorder.record([single(PLAIN.id, second) for second in range(2)])
    store = AlertStore(client, settings)
    first, second = (each["id"] for each in store.find(AlertQuery()))
    store.close(first, "bob")
    done = command(settings, "alerts", "ack", first, second, "--by", "ada")
    assert done.exit_code == 1
    assert f"{second} acknowledged" in done.output
    assert f"{first} was not changed" in done.output
