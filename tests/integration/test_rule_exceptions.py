"""`rules except`: from an alert to an exception, after which nothing raises it and all else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.helpers.commands import command
from tests.helpers.detection_rules import BURST, DELETED, RULES
from tests.helpers.findings import START, emptied, put_events
from tests.helpers.namespaces import own_namespace
from trailhound.cluster.client import connect
from trailhound.errors import UsageError
from trailhound.settings import Settings

SHARING = """\
---
title: Few denied calls
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a04
correlation:
  type: event_count
  rules: [denied]
  group-by: [userIdentity.arn]
  timespan: 10m
  condition: {lt: 9}
"""

ALARM = """\
title: A trail deleted, each event
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a06
name: deleted_event
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventName: DeleteTrail, errorCode: null}
  condition: call
---
title: Trail deletions
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a07
correlation:
  type: event_count
  rules: [deleted_event]
  timespan: 5m
  condition: {gte: 1}
"""

BUSY = """\
---
title: Busy
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a05
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventSource: s3.amazonaws.com}
  condition: call
trailhound:
  anomaly: {group_by: [userIdentity.arn], baseline: population, deviations: 1, minutes: 1440}
"""


@pytest.fixture(scope="module")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_namespace(engine, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    return connect(settings)


@pytest.fixture
def pack(tmp_path: Path) -> dict[str, str]:
    """The environment of commands with rules and a folder of exceptions of their own."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "exceptions").mkdir()
    (tmp_path / "rules" / "rules.yml").write_text(RULES, "utf-8")
    return {
        "TRAILHOUND_DETECTIONS__SHIPPED": "false",
        "TRAILHOUND_DETECTIONS__RULES": json.dumps([str(tmp_path / "rules")]),
        "TRAILHOUND_DETECTIONS__EXCEPTIONS": json.dumps([str(tmp_path / "exceptions")]),
    }


def raised(
    client: OpenSearch,
    settings: Settings,
    pack: dict[str, str],
    people: tuple[str, str] = ("ada", "bob"),
) -> dict[str, str]:
    """Rule and principal → id of the alerts that `detect` raises over the history."""
    emptied(client, settings)
    for name, start in zip(people, (0, 100), strict=True):
        who: dict[str, Any] = {
            "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::111122223333:user/{name}"},
            "user": {"name": name},
            "eventSource": "cloudtrail.amazonaws.com",
        }
        put_events(client, settings, [start], eventName="DeleteTrail", userAgent="*", **who)
        denied = range(start + 10, start + 16)
        put_events(client, settings, denied, errorCode="AccessDenied", userAgent="aws-cli", **who)
    assert command(settings, "detect", env=pack).exit_code == 0
    found = asked(settings, pack, "alerts", "list")["alerts"]
    return {
        f"{each['rule']['name']}: {each['entity']['principal'][0]}": each["id"] for each in found
    }


def asked(settings: Settings, pack: dict[str, str], *arguments: str) -> dict[str, Any]:
    done = command(settings, *arguments, "--json", env=pack)
    assert done.exit_code == 0, (done.output, done.exception)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def test_an_exception_hides_the_alert_that_it_is_from_and_no_other(
    client: OpenSearch, settings: Settings, pack: dict[str, str], tmp_path: Path
) -> None:
    alerts = raised(client, settings, pack)
    everything = {
        f"{rule}: {who}"
        for rule in ("Trail deleted", "Many denied calls")
        for who in ("ada", "bob")
    }
    assert alerts.keys() == everything
    folder = tmp_path / "exceptions"

    dry = asked(settings, pack, "rules", "except", alerts["Trail deleted: ada"][:9], "--dry-run")
    assert (dry["file"], list(folder.iterdir())) == (None, [])
    assert dry["rule"]["id"] == dry["narrows"][0]["id"] == DELETED
    assert [each["field"] for each in dry["conditions"]] == ["userIdentity.arn", "sourceIPAddress"]
    assert (dry["effect"]["alerts"], dry["effect"]["hidden"]) == (2, 1)
    assert dry["effect"]["hidden_alerts"] == [alerts["Trail deleted: ada"]]
    wide = ("rules", "except", alerts["Trail deleted: ada"], "--by", "call", "--dry-run")
    assert alerts["Trail deleted: bob"] in command(settings, *wide, env=pack).stderr
    assert dry["effect"]["this_alert_hidden"]
    assert dry["other_rules"] == {"compared": 1, "changed": []}
    before = ("--since", "2025-01-01", "--until", "2025-01-09")
    earlier = (*wide[:3], "--dry-run", *before)
    effect = asked(settings, pack, *earlier)["effect"]
    assert (effect["alerts"], effect["until"][:10]) == (0, "2025-01-10")
    assert "from 2025-01-01 to 2025-01-10 (9 days)" in command(settings, *earlier, env=pack).stderr
    by_agent = ("rules", "except", alerts["Trail deleted: ada"], "--by", "agent", "--dry-run")
    chosen = asked(settings, pack, *by_agent)["chosen_by_callers"]
    assert (dry["chosen_by_callers"], chosen) == ([], ["userAgent"])
    assert "a caller can set userAgent" in command(settings, *by_agent, env=pack).stderr

    said = command(
        settings, "rules", "except", alerts["Trail deleted: ada"], "--by", "principal", "--by",
        "userAgent", env=pack,
    ).output  # fmt: skip
    (file,) = folder.iterdir()
    assert f"saved        {file}" in said
    assert "would hide   1 of 2 alerts" in said
    assert "--as false-positive" in said
    assert raised(client, settings, pack).keys() == everything - {"Trail deleted: ada"}

    # Of a correlation the rule that it counts is narrowed.
    made = asked(settings, pack, "rules", "except", alerts["Many denied calls: bob"])
    assert made["rule"]["id"] == BURST
    assert [each["title"] for each in made["narrows"]] == ["A denied call"]
    left = {"Trail deleted: bob", "Many denied calls: ada"}
    assert raised(client, settings, pack).keys() == left
    # The files are as somebody would have written them by hand.
    checked = asked(settings, pack, "rules", "check")
    assert checked["faults"] == []
    listed = asked(settings, pack, "rules", "list")["exceptions"]
    assert {each["place"] for each in listed if not each["default"]} == {
        f"{each}:1" for each in folder.iterdir()
    }


def test_of_a_rule_that_counts_calls_every_alert_of_the_principal_is_hidden(
    client: OpenSearch, settings: Settings, pack: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "rules" / "rules.yml").write_text(RULES + BUSY, "utf-8")
    emptied(client, settings)
    second = 0
    for day, call in enumerate(("GetObject", "PutObject", "ListObjects")):
        for name, count in {"ada": 9, "bob": 1, "eve": 1, "dan": 1, "pam": 1, "sam": 1}.items():
            who: dict[str, Any] = {
                "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::1:user/{name}"},
                "user": {"name": name},
                "eventSource": "s3.amazonaws.com",
                "source": {"ip": f"198.51.100.{day}"},
            }
            day_start = START + timedelta(days=2 * day)
            seconds = range(second, second + count)
            put_events(client, settings, seconds, day_start, eventName=call, **who)
            second += count
    assert command(settings, "detect", env=pack).exit_code == 0
    alerts = asked(settings, pack, "alerts", "list")["alerts"]
    assert len(alerts) == 3
    dry = asked(settings, pack, "rules", "except", alerts[0]["id"], "--dry-run")
    assert dry["conditions"] == [
        {"field": "userIdentity.arn", "values": ["arn:aws:iam::1:user/ada"]}
    ]
    assert (dry["effect"]["hidden"], dry["effect"]["alerts"]) == (3, 3)


def test_a_name_beyond_ascii_is_left_out_to_the_letter(
    client: OpenSearch, settings: Settings, pack: dict[str, str]
) -> None:
    """No query says it exactly, so that the matcher decides: about each of several."""
    people = ("eve\u202egpj", "ev\xe9 gpj")
    before = raised(client, settings, pack, people)
    for who in ("eve gpj", "ev\xe9 gpj"):  # as alerts show them
        name = before[f"Trail deleted: {who}"]
        made = asked(settings, pack, "rules", "except", name, "--by", "principal")
        assert (made["effect"]["hidden_alerts"], made["effect"]["this_alert_hidden"]) == (
            [name],
            True,
        )
        before = raised(client, settings, pack, people)
        assert f"Trail deleted: {who}" not in before
    assert len(before) == 2
    again = command(settings, "rules", "except", name, env=pack).exception
    assert isinstance(again, UsageError)


def test_of_a_principal_with_a_long_name_too(
    client: OpenSearch, settings: Settings, pack: dict[str, str]
) -> None:
    """A rule's title has at most 256 characters; a path of IAM has up to 512."""
    before = raised(client, settings, pack, ("e" * 300, "bob"))
    (name,) = [before[each] for each in before if each.startswith("Trail deleted: eee")]
    made = asked(settings, pack, "rules", "except", name, "--by", "principal")
    assert made["effect"]["hidden_alerts"] == [name]


def test_what_would_narrow_other_rules_is_refused(
    client: OpenSearch, settings: Settings, pack: dict[str, str], tmp_path: Path
) -> None:
    alerts = raised(client, settings, pack)
    name = alerts["Many denied calls: ada"]

    def refused(env: dict[str, str]) -> UsageError:
        error = command(settings, "rules", "except", name, env=env).exception
        assert isinstance(error, UsageError)
        return error

    rules = tmp_path / "rules" / "rules.yml"
    rules.write_text(RULES + SHARING, "utf-8")
    assert "'A denied call' also raise 'Few denied calls'" in refused(pack).message
    rules.write_text(RULES.replace("type: event_count", "type: event_count\n  generate: true"))
    assert "'A denied call' also raise 'A denied call'" in refused(pack).message
    rules.write_text(RULES.replace("gte: 5", "lte: 9"), "utf-8")
    assert "events that are missing or few" in refused(pack).message
    rules.write_text(RULES.partition("---")[0], "utf-8")
    assert "not among the active ones" in refused(pack).message
    nowhere = {
        **pack,
        "TRAILHOUND_DETECTIONS__EXCEPTIONS": "[]",
        "TRAILHOUND_DETECTIONS__RULES": json.dumps([str(rules)]),
    }
    assert "detections: {exceptions:" in refused(nowhere).hint
    assert list((tmp_path / "exceptions").iterdir()) == []


def test_the_same_exception_is_not_written_twice(
    client: OpenSearch, settings: Settings, pack: dict[str, str]
) -> None:
    name = raised(client, settings, pack)["Trail deleted: ada"]
    asked(settings, pack, "rules", "except", name)
    again = command(settings, "rules", "except", name, env=pack).exception
    assert isinstance(again, UsageError)
    assert "there already" in again.message


def test_one_of_several_principals_can_be_left_out(
    client: OpenSearch, settings: Settings, pack: dict[str, str], tmp_path: Path
) -> None:
    """As of a named alarm, which groups by nothing."""
    rules = tmp_path / "rules" / "rules.yml"
    rules.write_text(ALARM, "utf-8")
    alerts = raised(client, settings, pack)
    (name,) = alerts.values()
    made = asked(settings, pack, "rules", "except", name, "--principal", "bob", "--by", "principal")
    (condition,) = made["conditions"]
    assert condition["values"] == ["arn:aws:iam::111122223333:user/bob"]
    assert not made["effect"]["this_alert_hidden"]
    nobody = command(settings, "rules", "except", name, "--principal", "eve", env=pack).exception
    assert "it names ada, bob" in str(getattr(nobody, "hint", ""))
    raised(client, settings, pack)
    (alert,) = asked(settings, pack, "alerts", "list")["alerts"]
    assert alert["entity"]["principal"] == ["ada"]
