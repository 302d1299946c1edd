"""Who opened a session, where that call is ingested after the session's alert was joined."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from typer.testing import Result

from detections.incidents.late_openers import LateOpeners
from detections.incidents.updater import IncidentUpdater
from detections.running.scheduler import Turn
from tests.faults.proxy import Answer, Fault, Proxy, Request
from tests.helpers.commands import command
from tests.helpers.detection_rules import due_again, write_rules
from tests.helpers.identities import role_arn, session, user
from tests.helpers.read_blocks import while_unreadable
from tests.helpers.terminal import on_a_terminal
from tests.helpers.trails import backfill, own_settings, reached_at, record, write_trail
from trailhound.app.detection.scheduled_detections import ScheduledDetections
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError
from trailhound.settings import Settings
from trailhound.state.joining_checkpoints import JoiningCheckpoints

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
Bring = Callable[..., None]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    pack = write_rules(tmp_path / "rules") / "rules.yml"
    # Longer than a run takes: else a rule would be due again once it has run.
    pack.write_text(pack.read_text().replace("interval: 1s", "interval: 1h"))
    rules = {"shipped": False, "rules": [str(tmp_path / "rules")]}
    return own_settings(engine, namespace, tmp_path / "home", detections=rules)


@pytest.fixture
def bring(client: OpenSearch, settings: Settings, tmp_path: Path) -> Bring:
    """Index records, and let them be found."""

    def work(*records: dict[str, Any]) -> None:
        number = len(list(tmp_path.glob("in-*")))
        backfill(settings, write_trail(tmp_path / f"in-{number}", records))
        client.indices.refresh(index=Names(settings.prefix).days)

    return work


def ingest_openers_at(client: OpenSearch, settings: Settings, moment: str) -> None:
    """As if all calls that open a session had been ingested then. Not by query: no artifact of
    Elasticsearch's has that."""
    query = {"term": {"eventName": "AssumeRole"}}
    found = client.search(index=Names(settings.prefix).days, body={"query": query, "size": 100})
    lines: list[dict[str, Any]] = []
    for hit in found["hits"]["hits"]:
        lines.append({"update": {"_index": hit["_index"], "_id": hit["_id"]}})
        lines.append({"doc": {"event": {"ingested": moment}}})
    assert not client.bulk(body=lines, params={"refresh": "true"})["errors"]


def at(minute: int) -> str:
    return f"{BEGAN + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"


def session_of(role: str) -> dict[str, Any]:
    """The session that `assumed` opens."""
    return session(role, key=f"ASIA{role.upper()}", created=at(0))


def assumed(who: dict[str, Any], role: str, address: str = "203.0.113.1") -> dict[str, Any]:
    return record(
        eventTime=at(0),
        eventSource="sts.amazonaws.com",
        eventName="AssumeRole",
        userIdentity=who,
        sourceIPAddress=address,
        requestParameters={"roleArn": role_arn(role)},
        responseElements={"credentials": {"accessKeyId": f"ASIA{role.upper()}"}},
    )


def deleted(who: dict[str, Any], minute: int, address: str) -> dict[str, Any]:
    """What a rule finds."""
    return record(
        eventTime=at(minute),
        eventSource="cloudtrail.amazonaws.com",
        eventName="DeleteTrail",
        userIdentity=who,
        sourceIPAddress=address,
    )


def incidents(settings: Settings) -> list[dict[str, Any]]:
    listed = command(settings, "incidents", "list", "--json")
    assert listed.exit_code == 0, listed.output
    made: list[dict[str, Any]] = json.loads(listed.stdout)["incidents"]
    return sorted(made, key=lambda each: str(each["first_seen"]))


def turn(client: OpenSearch, settings: Settings) -> None:
    """As the daemon, when every rule is due."""
    due_again(client, settings, hours=2)
    ScheduledDetections(client, settings).turn(Turn(None, lambda: True))


def test_a_late_opener_joins_the_alerts_of_the_session_to_those_of_the_person(
    bring: Bring, client: OpenSearch, settings: Settings
) -> None:
    """Through two roles, the last of whose calls comes first."""
    bring(
        deleted(user("mallory"), 1, "203.0.113.1"),
        deleted(session_of("Ops"), 10, "203.0.113.2"),
        deleted(session_of("Other"), 20, "203.0.113.3"),
    )
    turn(client, settings)
    assert [each["principals"] for each in incidents(settings)] == [
        ["mallory"],
        ["Ops/s"],
        ["Other/s"],
    ]
    bring(assumed(session_of("Deploy"), "Ops"))
    assert LateOpeners(client, settings).mark() == 1
    IncidentUpdater(client, settings).run()
    (_, ops, _) = incidents(settings)
    assert ops["access_keys"] == ["ASIADEPLOY", "ASIAOPS"]
    bring(assumed(user("mallory"), "Deploy"))
    turn(client, settings)
    (one, other) = incidents(settings)
    assert (one["alerts"], one["principals"]) == (2, ["mallory", "Ops/s"])
    assert one["access_keys"] == ["AKIAMALLORY", "ASIADEPLOY", "ASIAOPS"]
    assert (other["alerts"], other["principals"]) == (1, ["Other/s"])
    listed = json.loads(command(settings, "alerts", "list", "--json").stdout)["alerts"]
    opened = {each["entity"]["principal"][0]: each.get("opened_by") for each in listed}
    assert opened == {"mallory": None, "Ops/s": ["mallory"], "Other/s": None}
    # Whoever opened a session is found by the alerts about it.
    arn = "arn:aws:iam::111122223333:user/mallory"
    for who, of_who in (("mallory", 2), ("Mal*", 2), (arn, 2), ("Ops", 1)):
        asked = ("--principal", who, "--json")
        found = json.loads(command(settings, "alerts", "list", *asked).stdout)["alerts"]
        assert len(found) == of_who, who
        named = json.loads(command(settings, "incidents", "list", *asked).stdout)["incidents"]
        assert [each["id"] for each in named] == [one["id"]], who
    (session_alert,) = (each["id"] for each in listed if each.get("opened_by"))
    assert "opened by" in on_a_terminal(settings, "alerts", "show", session_alert)
    assert LateOpeners(client, settings).mark() == 0, "nothing is joined again and again"


def test_detect_looks_at_what_was_ingested_since_the_last_time(
    bring: Bring, client: OpenSearch, settings: Settings
) -> None:
    """The opener's file is of a day that is not searched. Others name no key: their reply is
    missing or redacted."""
    nameless = [assumed(user("bob"), "Ops") for _ in range(3)]
    replies = (None, {"credentials": None}, {"credentials": {"sessionToken": "***"}})
    bring(
        deleted(session_of("Ops"), 10, "203.0.113.2"),
        *(one | {"responseElements": it} for one, it in zip(nameless, replies, strict=True)),
    )
    days = ("--since", at(5), "--until", at(30))
    assert command(settings, "detect", *days).exit_code == 0
    (before,) = incidents(settings)
    bring(assumed(user("mallory"), "Ops"))
    # Long ago, as if the file had come while nothing ran.
    ingest_openers_at(client, settings, at(60))
    assert command(settings, "detect", *days).exit_code == 0
    assert incidents(settings) == [before], "ingested before the last look"
    ingest_openers_at(client, settings, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    assert command(settings, "detect", *days).exit_code == 0
    (after,) = incidents(settings)
    assert (after["id"], after["principals"]) == (before["id"], ["Ops/s", "mallory"])


def test_detect_joins_what_it_can_where_a_day_cannot_be_read(
    bring: Bring, client: OpenSearch, settings: Settings
) -> None:
    old = BEGAN - timedelta(days=2)
    bring(
        deleted(user("mallory"), 1, "203.0.113.1"),
        record(eventTime=f"{old:%Y-%m-%dT%H:%M:%SZ}"),
    )
    index = Names(settings.prefix).day(f"{old:%Y.%m.%d}")

    def attempt() -> Result:
        return command(settings, "detect", "--since", "3d")

    done = while_unreadable(client, index, attempt)
    assert done.exit_code == 1, done.output
    assert f"{index}: reading it is blocked" in done.output
    assert [each["principals"] for each in incidents(settings)] == [["mallory"]]
    assert JoiningCheckpoints(client, settings).get() is None, "looked at that day"


def test_another_that_has_looked_further_is_not_set_back(
    client: OpenSearch, settings: Settings
) -> None:
    checkpoints = JoiningCheckpoints(client, settings)
    assert checkpoints.get() is None
    checkpoints.advance(BEGAN)
    checkpoints.advance(BEGAN - timedelta(hours=1))
    assert checkpoints.get() == BEGAN


def test_one_that_must_end_does_not_say_that_it_has_looked(
    bring: Bring, client: OpenSearch, settings: Settings
) -> None:
    bring(deleted(session_of("Ops"), 10, "203.0.113.2"))
    turn(client, settings)
    seen = JoiningCheckpoints(client, settings).get()
    bring(assumed(user("mallory"), "Ops"))
    assert LateOpeners(client, settings).mark(lambda: False) == 0
    assert JoiningCheckpoints(client, settings).get() == seen


def test_a_step_that_failed_is_tried_again_in_each_run_until_it_succeeds(
    bring: Bring, settings: Settings
) -> None:
    """Else a run in which no rule is due would count as a success between two failures."""
    bring(assumed(user("mallory"), "Ops"))
    refusing = True

    def refuse(request: Request) -> Fault | None:
        """The search of late openers."""
        asked = b"GetFederationToken" in request.body and b"event.ingested" in request.body
        return Answer(400) if asked and refusing else None

    with Proxy(settings.hosts[0], refuse) as proxy:
        through = connect(reached_at(settings, proxy.url))
        scheduled = ScheduledDetections(through, settings)
        for _ in range(2):  # rules are due in the first run alone
            with pytest.raises(ClusterError):
                scheduled.turn(Turn(None, lambda: True))
        refusing = False
        scheduled.turn(Turn(None, lambda: True))
