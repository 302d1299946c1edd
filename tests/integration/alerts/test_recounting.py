"""Rules run over an older span later: alerts that were there say how often there was one before."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts.document import RECOUNT
from detections.alerts.recorder import Recorder
from detections.alerts.recounting import Recount
from detections.alerts.store import AlertQuery, AlertStore
from tests.faults.proxy import Fault, Proxy, Request
from tests.helpers.commands import command
from tests.helpers.detection_rules import DELETED, write_rules
from tests.helpers.findings import ADA, burst, put_events, rule, single
from tests.helpers.trails import reached_at
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

PLAIN = rule()
GROUPED = rule("grouped", group_by=("userIdentity.arn",), suppress=timedelta(seconds=60))
BURST = rule("burst", kind="correlation")
RULES = {each.id: each for each in (PLAIN, GROUPED, BURST)}
JUNE = (5000, 6000, 7000)
MAY = (1000, 2000)


def marked(client: OpenSearch, settings: Settings) -> int:
    index = Names(settings.prefix).alerts
    client.indices.refresh(index=index)
    return int(client.count(index=index, body={"query": {"term": {RECOUNT: True}}})["count"])


def counts_before(settings: Settings, rule_id: str) -> list[str]:
    """The end of each summary of a rule's alerts, by time: how many there were before."""
    store = AlertStore(connect(settings), settings)
    found = sorted(store.find(AlertQuery(rule=rule_id)), key=lambda each: each["first_seen"])
    for each in found:
        assert RECOUNT not in each
        said = f"{each['before']['count']} time" if each["before"]["count"] else "for the first"
        assert said in each["summary"]
    return [each["summary"].rpartition(", ")[2] for each in found]


@pytest.mark.parametrize("most_asked", [0, 100])
@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_an_older_span_changes_what_came_before(
    client: OpenSearch, settings: Settings, rule_id: str, most_asked: int
) -> None:
    recorder = Recorder(client, settings, RULES)
    recount = Recount(client, settings, most_asked)

    def record(*seconds: int) -> None:
        for second in seconds:
            if rule_id == "burst":
                recorder.record([burst("burst", [second])])
            else:
                recorder.record([single(rule_id, second, ADA if rule_id == "grouped" else ())])

    put_events(client, settings, (*MAY, *JUNE))
    put_events(client, settings, [6500], userIdentity={"arn": "mallory"}, user={"name": "mallory"})
    record(*JUNE, *((6500,) if rule_id != "grouped" else ()))
    assert counts_before(settings, rule_id)[:2] == ["for the first time", "1 time before"]
    assert (marked(client, settings), recount.run()) == (0, 0), "nothing in the order of time"

    record(*MAY)
    assert marked(client, settings) == 2
    assert recount.run() == 3
    of_others = ["for the first time"] if rule_id != "grouped" else []
    assert counts_before(settings, rule_id) == [
        *("for the first time", "1 time before", "2 times before", "3 times before"),
        *of_others,
        "4 times before",
    ]
    assert (marked(client, settings), recount.run()) == (0, 0)
    alert_store = AlertStore(client, settings)
    last = alert_store.find(AlertQuery(rule=rule_id))[0]
    assert last["before"]["last"].startswith("2025-03-01T13:40:00")


def test_detect_over_an_older_day_later(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    rules = json.dumps([str(write_rules(tmp_path / "rules"))])
    env = {"TRAILHOUND_DETECTIONS__SHIPPED": "false", "TRAILHOUND_DETECTIONS__RULES": rules}
    day = timedelta(days=1) // timedelta(seconds=1)
    call: dict[str, Any] = {
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "DeleteTrail",
    }
    put_events(client, settings, (0, day, day + 60), **call)
    for days in (("--since", "2025-03-02"), ("--until", "2025-03-01")):
        done = command(settings, "detect", *days, env=env)
        assert done.exit_code == 0, done.output
    assert counts_before(settings, DELETED) == [
        *("for the first time", "1 time before", "2 times before")
    ]


def test_an_interrupted_count_is_completed_by_the_next_one(
    client: OpenSearch, settings: Settings
) -> None:
    recorder = Recorder(client, settings, RULES)
    put_events(client, settings, (*MAY, *JUNE))
    recorder.record([single(PLAIN.id, second) for second in JUNE])
    recorder.record([single(PLAIN.id, second) for second in MAY])
    changed: list[bool] = []

    def overtake(request: Request) -> Fault | None:
        """Somebody acknowledges an alert between its being read and written."""
        if request.path.split("?")[0].endswith("/_bulk") and not changed:
            changed.append(True)
            alert_store = AlertStore(connect(settings), settings)
            alert_store.acknowledge(alert_store.find(AlertQuery(rule=PLAIN.id))[0]["id"], "ada")
        return None

    with Proxy(settings.hosts[0], overtake) as proxy:
        through = reached_at(settings, proxy.url)
        Recount(connect(through), through).run()
    assert changed
    assert counts_before(settings, PLAIN.id)[2:] == [f"{count} times before" for count in (2, 3, 4)]
    states: list[Any] = [
        each["state"] for each in AlertStore(client, settings).find(AlertQuery(rule=PLAIN.id))
    ]
    assert states.count("acknowledged") == 1
    assert marked(client, settings) == 0


@pytest.mark.parametrize("rule_id", [PLAIN.id, "suppressed", BURST.id])
@pytest.mark.parametrize("order", ["earlier last", "later last", "between"])
def test_two_that_write_at_once_are_counted_as_if_one_had_come_first(
    client: OpenSearch, settings: Settings, rule_id: str, order: str
) -> None:
    """One has searched for alerts before its own, the other one writes, and then the first."""
    seconds = {"earlier last": ([1000], [5000]), "later last": ([5000], [1000])}
    ours, others = seconds.get(order, ([1000, 6000], [5000]))
    put_events(client, settings, (*ours, *others))
    rules = {**RULES, "suppressed": rule("suppressed", suppress=timedelta(seconds=60))}
    written: list[bool] = []

    def record(recorder: Recorder, several: list[int]) -> None:
        if rule_id == BURST.id:
            recorder.record([burst(rule_id, [second]) for second in several])
        else:
            recorder.record([single(rule_id, second) for second in several])

    def other_first(request: Request) -> Fault | None:
        if b'"create"' in request.body and b'"severity"' in request.body and not written:
            written.append(True)
            record(Recorder(connect(settings), settings, rules), others)
        return None

    with Proxy(settings.hosts[0], other_first) as proxy:
        through = reached_at(settings, proxy.url)
        record(Recorder(connect(through), through, rules), ours)
    assert written
    Recount(client, settings).run()
    said = ["for the first time", "1 time before", "2 times before"]
    assert counts_before(settings, rule_id) == said[: len(ours) + len(others)]
    assert (marked(client, settings), Recount(client, settings).run()) == (0, 0)


def test_the_usual_order_of_time_costs_no_further_request(
    client: OpenSearch, settings: Settings
) -> None:
    """The search for those before also tells whether any follow, and which was written last."""
    put_events(client, settings, range(301))
    Recorder(client, settings, RULES).record([single(PLAIN.id, 0)])
    asked: list[str] = []

    def note(request: Request) -> Fault | None:
        asked.append(request.path.partition("?")[0])
        return None

    with Proxy(settings.hosts[0], note) as proxy:
        through = reached_at(settings, proxy.url)
        made = Recorder(connect(through), through, RULES)
        asked.clear()
        made.record([single(PLAIN.id, second) for second in range(1, 301)])
        recorded = len(asked)
        Recount(connect(through), through).run()
    assert sum(path.endswith("_msearch") for path in asked) == 3, "a hundred alerts in each"
    assert len(asked) - recorded <= 3, asked[recorded:]
