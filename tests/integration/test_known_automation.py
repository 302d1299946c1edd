"""Known automation on a real engine: what a history teaches, whom rules leave out for it, and what
somebody decides about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replaced
from opensearchpy import OpenSearch

from detections.automation.known_summary import JOB
from detections.automation.learner import NEW_ENTRY, LearnedToday, Learner
from detections.automation.relation import Relation, Trusted
from detections.automation.trusting import trusting
from detections.compiled import Compiled
from detections.events.index import EventIndex
from detections.events.matching import decided, reader_for
from detections.packs.loading import SHIPPED, load, load_paths
from tests.helpers.commands import command
from tests.helpers.namespaces import own_namespace
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings, Settings
from trailhound.settings.detections import KnownAutomationSettings
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints

RULE = "EventBridge rules disabled or emptied"
ROLE = "arn:aws:iam::111122223333:role/ci/deploy"
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"
FIRST = datetime(2026, 3, 1, 10, tzinfo=UTC)
DAYS = 4
FILE = SHIPPED / "defense-evasion" / "event_rules_disabled.yml"
CHOSEN = {
    "TRAILHOUND_DETECTIONS__SHIPPED": "false",
    "TRAILHOUND_DETECTIONS__RULES": json.dumps([str(FILE)]),
    "TRAILHOUND_DETECTIONS__KNOWN_AUTOMATION__DAYS": "3",
    "TRAILHOUND_DETECTIONS__KNOWN_AUTOMATION__WITHIN_DAYS": "6",
    "TRAILHOUND_DETECTIONS__KNOWN_AUTOMATION__EXPIRES_DAYS": "2",
}
"""One rule, and days enough that the engine has few indices to make."""
Record = dict[str, Any]


def call(day: int, address: str = HOME, name: str = "DisableRule", **changed: Any) -> Record:
    """A call of the pipeline's role on a day."""
    role_id = changed.pop("role_id", "AROAEXAMPLE1")
    when = FIRST + timedelta(days=day, minutes=int(changed.pop("minute", 0)))
    return record(
        eventTime=f"{when:%Y-%m-%dT%H:%M:%SZ}",
        eventSource="events.amazonaws.com",
        eventName=name,
        sourceIPAddress=address,
        requestParameters={"name": "nightly"},
        userIdentity={
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/ci",
            "accountId": "111122223333",
            "principalId": f"{role_id}:ci",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "arn": ROLE,
                    "principalId": role_id,
                    "accountId": "111122223333",
                    "userName": "deploy",
                }
            },
        },
        **changed,
    )


HISTORY = [call(day) for day in range(DAYS)]
ATTACKS = {
    "its own work": call(DAYS),
    "a new network": call(DAYS, ELSEWHERE, minute=1),
    "a new call": call(DAYS, name="RemoveTargets", minute=2),
    "through a VPC endpoint": call(DAYS, vpcEndpointId="vpce-0a1b", minute=3),
    "a role made again": call(DAYS, role_id="AROAEXAMPLE2", minute=4),
    "by a person in the console": call(DAYS, sessionCredentialFromConsole="true", minute=5),
}


@pytest.fixture(scope="module")
def where(
    engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, OpenSearch]]:
    with own_namespace(engine, tmp_path_factory.mktemp("home")) as settings:
        client = connect(settings)
        trail = tmp_path_factory.mktemp("trail")
        write_trail(trail, [*HISTORY, *ATTACKS.values()])
        backfill(settings, trail)
        client.indices.refresh(index=Names(settings.prefix).days)
        yield settings, client


def run(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, *arguments, "--json", env=CHOSEN)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def scheduled(settings: Settings, client: OpenSearch) -> LearnedToday:
    """What the daemon's job would learn on the day of the attacks; nothing is written."""
    chosen = DetectionSettings(
        shipped=False,
        rules=[str(FILE)],
        known_automation=KnownAutomationSettings(days=3, within_days=6, expires_days=2),
    )
    settings = settings.model_copy(update={"detections": chosen})
    now = FIRST + timedelta(days=DAYS)
    return Learner(client, settings, load(chosen)).run(now, record=False, unsearched=False)


def reported(settings: Settings, client: OpenSearch) -> set[str]:
    """The ids of the events of `RULE`'s alerts from the last day on."""
    client.indices.refresh(index=Names(settings.prefix).alerts)
    since = f"{FIRST + timedelta(days=DAYS - 1, hours=12):%Y-%m-%dT%H:%M:%SZ}"
    alerts = run(settings, "alerts", "list", "--rule", RULE, "--since", since, "--state", "all")
    return {event for each in alerts["alerts"] for event in each["evidence"]["event_id"]}


def test_a_history_teaches_what_is_reported_no_more(
    where: tuple[Settings, OpenSearch],
) -> None:
    """One story, since each step needs the one before: learn, detect, close, forget."""
    settings, client = where
    day = f"{FIRST + timedelta(days=DAYS):%Y-%m-%d}"

    tried = run(settings, "automation", "learn", "--at", day, "--dry-run")
    assert [len(tried["new"]), tried["written"]] == [1, False]
    before = [f"{FIRST + timedelta(days=number):%Y-%m-%d}" for number in range(DAYS)]
    assert tried["unsearched_days"] == before
    assert run(settings, "automation", "list")["entries"] == []
    # The daemon does not: the events came long after their time, and nobody has looked at them.
    of_daemon = scheduled(settings, client)
    assert (of_daemon.changes.new, of_daemon.withheld) == ((), 1)
    note = "1 regular call not learned: as the daemon keeps it"
    Jobs(client, settings).write(JobState(name=JOB, note=note))
    for said in (
        run(settings, "automation", "list")["summary"],
        run(settings, "status")["known_automation"],
    ):
        assert said["not_learned"] == note

    # Two days before are not enough.
    early = f"{FIRST + timedelta(days=2):%Y-%m-%d}"
    assert run(settings, "automation", "learn", "--at", early, "--dry-run")["new"] == []

    (entry,) = run(settings, "automation", "learn", "--at", day)["new"]
    assert (entry["role"], entry["call"]) == (ROLE, "DisableRule")
    assert entry["network"] == "203.0.113.0/24"
    assert (entry["days"], entry["rule"], entry["origin"]) == (DAYS, RULE, "learned")
    assert run(settings, "automation", "learn", "--at", day)["new"] == []
    client.indices.refresh(index=Names(settings.prefix).alerts)
    (alert,) = run(settings, "alerts", "list", "--rule", NEW_ENTRY.title)["alerts"]
    assert (alert["level"], alert["group"]) == ("low", [f"known_automation={entry['id']}"])

    since = ("--since", "2026-03-01", "--until", "2026-03-10")
    (trusted,) = run(settings, "detect", *since)["known_automation"]
    assert (trusted["rule"], trusted["events"]) == (RULE, 1)
    # Elasticsearch's query of a leaf of a free-form object may find more than the rule does.
    assert trusted["exact"] == (dialect_of(client).product == "OpenSearch")
    ids = {name: each["eventID"] for name, each in ATTACKS.items()}
    assert reported(settings, client) == set(ids.values()) - {ids["its own work"]}

    # Before it was known each day was reported, and a day with an alert does not count.
    learned = run(settings, "automation", "learn", "--at", day)
    assert learned["unsearched_days"] == []
    assert (learned["new"], [each["id"] for each in learned["ended"]]) == ([], [entry["id"]])
    until = ("--until", f"{FIRST + timedelta(days=DAYS - 1, hours=2):%Y-%m-%dT%H:%M:%SZ}")
    run(settings, "alerts", "close", "--all", "--yes", "--rule", RULE, *until, "--as", "benign")
    client.indices.refresh(index=Names(settings.prefix).alerts)
    of_daemon = scheduled(settings, client)  # by now somebody has
    assert ([each.key for each in of_daemon.changes.new], of_daemon.withheld) == ([entry["id"]], 0)
    (again,) = run(settings, "automation", "learn", "--at", day)["new"]
    assert again["id"] == entry["id"]

    (gone,) = run(settings, "automation", "forget", entry["id"][:6], "--by", "ada")["entries"]
    assert (gone["by"], gone["id"]) == ("ada", entry["id"])
    assert run(settings, "automation", "learn", "--at", day)["new"] == []


def test_what_is_set_by_hand_is_known_from_then_on(where: tuple[Settings, OpenSearch]) -> None:
    settings, _ = where
    role = ("--role", "arn:aws:iam::111122223333:role/other")
    given = (*role, "--call", "PutRule", "--network", "192.0.2.1", "--by", "ada", "--note", "ours")
    (made,) = run(settings, "automation", "trust", *given, "--until", "2198-12-31")["entries"]
    assert made["until"] == "2199-01-01T00:00:00Z"
    assert (made["network"], made["origin"], made["by"]) == ("192.0.2.1/32", "set", "ada")
    (again,) = run(settings, "automation", "trust", *given, "--until", "2198-12-30")["entries"]
    assert again == made, "trusted already"
    (later,) = run(settings, "automation", "trust", *given, "--until", "2199-12-31")["entries"]
    assert (later["id"], later["until"]) == (made["id"], "2200-01-01T00:00:00Z")
    listed = run(settings, "automation", "list")
    assert [each["network"] for each in listed["entries"]].count("192.0.2.1/32") == 1
    assert made["id"] in {each["id"] for each in listed["entries"]}
    summary = run(settings, "status")["known_automation"]
    assert summary == listed["summary"]
    assert summary["entries"] >= 1
    trust = ("automation", "trust", "--call", "DisableRul", "--network")
    warned = command(settings, *trust, "192.0.2.2", "--role", ROLE, "--by", "ada", env=CHOSEN)
    assert "did you mean 'DisableRule'?" in " ".join(warned.stderr.split())
    assert "no rule that leaves out known automation asks about" in " ".join(warned.stderr.split())
    assert "of the role" not in warned.stderr
    refused = {
        "nowhere": role,
        "0.0.0.0/0": role,
        "::/0": role,
        "192.0.2.3": ("--role", "nope"),
    }
    for network, whose in refused.items():
        wrong = command(settings, *trust, network, *whose, env=CHOSEN)
        assert isinstance(wrong.exception, UsageError), network
    assert "no role's ARN" in str(wrong.exception)
    wide = run(settings, *trust, "0.0.0.0/0", *role, "--yes", "--until", "1h")["entries"]
    assert [each["network"] for each in wide] == ["0.0.0.0/0"]
    command(settings, "automation", "forget", wide[0]["id"])
    unknown = command(settings, "automation", "forget", "ffffffff")
    assert isinstance(unknown.exception, UsageError)


ENTRIES = [
    Trusted(ROLE, "DisableRule", "203.0.113.0/24"),
    Trusted(ROLE, "DisableRule", "203.0.113.0/24", endpoint="vpce-0a1b"),
    Trusted(ROLE, "DisableRule", "198.51.100.9/32", role_id="AROAEXAMPLE1"),
    Trusted(ROLE, "RemoveTargets", "0.0.0.0/0", account="111122223333"),
    Trusted(ROLE, "DisableRule", "0.0.0.0/0", role_id="AROAEXAMPLE2"),
    Trusted(ROLE, "DisableRule", "203.0.113.0/24", since=FIRST + timedelta(days=2)),
    Trusted(ROLE, "DisableRule", "203.0.113.0/24", until=FIRST + timedelta(days=2)),
    Trusted(ROLE, "DisableRule", "203.0.113.0/24", source="iam.amazonaws.com"),
]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("many", [False, True])
def test_queries_and_matchers_agree(
    where: tuple[Settings, OpenSearch], entry: Trusted, many: bool
) -> None:
    """The events that a rule finds on the engine are those that its matcher does not excuse; with
    too many entries for a query as well."""
    settings, client = where
    pack = load_paths([FILE], settings.detections)
    (rule,) = (each for each in pack.rules if each.title == RULE)
    more = [replace(entry, network=f"10.0.{number}.0/24") for number in range(250)]
    relation = Relation([entry, *(more if many else [])])
    made: Compiled = trusting(pack.compiled[rule.id], rule.id, relation)
    assert (made.post_filter is not None) is (many and made is not pack.compiled[rule.id])
    asked = made.on(dialect_of(client))
    reader = reader_for(asked)
    index = EventIndex(client, Names(settings.prefix).days)
    hits = index.documents(asked.query, reader.request())
    found = {hit["_id"] for hit in decided(asked, reader, hits)}
    assert made.matcher is not None
    everything = index.documents({"match_all": {}})
    expected = {hit["_id"] for hit in everything if made.matcher.matches(hit["_source"])}
    assert found == expected
    assert len(found) < len(HISTORY) + len(ATTACKS) or entry.source


def test_days_at_which_a_rule_did_not_look_teach_nothing(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """A rule that fails, is disabled or new raises no alerts: that says nothing of its calls."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    write_trail(tmp_path / "trail", HISTORY)
    backfill(settings, tmp_path / "trail")
    days = Names(settings.prefix).days
    client.indices.refresh(index=days)
    for hit in client.search(index=days, body={"size": 100})["hits"]["hits"]:
        hit["_source"]["event"]["ingested"] = hit["_source"]["eventTime"]  # delivered at once
        client.index(index=hit["_index"], id=hit["_id"], body=hit["_source"])
    client.indices.refresh(index=days)
    (rule,) = load(DetectionSettings(shipped=False, rules=[str(FILE)])).alerting
    marks, all_days = RuleCheckpoints(client, settings), FIRST + timedelta(days=DAYS)
    of_daemon = scheduled(settings, client)
    assert (of_daemon.changes.new, of_daemon.withheld) == ((), 1), "no rule has run yet"
    mark = RuleCheckpoint(rule.id, rule.title, seen_until=all_days, ran_at=all_days)
    some = FIRST + timedelta(days=DAYS - 2)
    for changed, learned in (
        ({"seen_until": FIRST + timedelta(hours=1)}, 0),
        ({}, 1),
        ({"begun": some}, 0),  # a rule that is new, as after an upgrade
        ({"begun": FIRST}, 1),
        ({"form": "another"}, 0),  # the daemon has not loaded what the settings say by now
        ({"formed": some}, 0),  # an exception that ended, another threshold
    ):
        marks.write([replaced(mark, **changed)])
        of_daemon = scheduled(settings, client)
        found = (len(of_daemon.changes.new), of_daemon.withheld)
        assert found == (learned, 1 - learned), changed
    # Somebody who asks for it gets them, and is told.
    asked = run(settings, "automation", "learn", "--at", f"{all_days:%Y-%m-%d}", "--dry-run")
    assert asked["unsure"] == [each["id"] for each in asked["new"]] != []
