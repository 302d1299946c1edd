"""Alerts are selected, decided upon and counted by the command line, on a real cluster."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
import typer.core
from opensearchpy import OpenSearch

from detections.alerts import store as store_module
from detections.alerts import trail_files
from detections.alerts.recorder import Recorder
from detections.alerts.set_apart import GRAVE, UNKNOWN
from detections.alerts.store import AlertQuery, AlertStore
from detections.alerts.triage import Decision
from detections.rule import Attack
from tests.faults.proxy import DROP, Fault, Proxy, Request
from tests.helpers.commands import command
from tests.helpers.engines import remove_namespace
from tests.helpers.findings import ADA, burst, put_events, rule, single
from tests.helpers.processes import environment
from tests.helpers.trails import own_settings, reached_at
from trailhound.cli import completion
from trailhound.cluster.client import connect
from trailhound.cluster.mappings import ALERT
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, ForeignTemplateError, UsageError
from trailhound.settings import Settings

PLAIN = rule()
LOUD = rule("loud", level="medium", severity=9, attack=Attack(("defense_evasion",), ()))
BURST = rule("burst", kind="correlation", level="low", severity=3)
GROUPED = rule("grouped", group_by=("userIdentity.arn",), suppress=timedelta(seconds=60))
BY_USER, BY_ADDRESS = (
    rule(each, title=f"pattern by {each}", kind="correlation", variant_of="pattern")
    for each in ("user", "address")
)
RULES = {each.id: each for each in (PLAIN, LOUD, BURST, GROUPED, BY_USER, BY_ADDRESS)}


@pytest.fixture
def recorder(client: OpenSearch, settings: Settings) -> Recorder:
    put_events(client, settings, range(60))
    return Recorder(client, settings, RULES)


@pytest.fixture
def alerts(recorder: Recorder, alert_store: AlertStore) -> list[str]:
    """Ids of three alerts of one rule and two of another, the latest first."""
    recorder.record([single(PLAIN.id, second) for second in range(3)])
    recorder.record([single(LOUD.id, second) for second in (10, 11)])
    return [each["id"] for each in alert_store.find(AlertQuery())]


def asked(settings: Settings, *arguments: str, code: int = 0) -> dict[str, Any]:
    """What a command of `alerts` prints for programs."""
    done = command(settings, "alerts", *arguments, "--json")
    assert done.exit_code == code, (done.output, done.exception)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def ids(settings: Settings, *arguments: str) -> list[str]:
    return [each["id"] for each in asked(settings, "list", *arguments)["alerts"]]


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one(
    client: OpenSearch, settings: Settings, alerts: list[str]
) -> None:
    one = client.get(index=Names(settings.prefix).alerts, id=alerts[0])["_source"]
    for name in ("zzzz1-first", "zzzz1-second", "zzzz2"):
        client.index(index=Names(settings.prefix).alerts, id=name, body=one)
    assert asked(settings, "show", alerts[1][:8])["id"] == alerts[1]
    reported = asked(settings, "ack", f"{alerts[1][:8]}…", "zzzz1", "zzzz2", "zz", "nosuch", code=1)
    assert [each["id"] for each in reported["alerts"]] == [alerts[1], "zzzz2"]
    left = {each["id"]: each["reason"] for each in reported["not_changed"]}
    assert left.keys() == {"zzzz1", "zz", "nosuch"}
    assert "zzzz1-first (medium, Title of loud" in left["zzzz1"]
    assert "zzzz1-second" in left["zzzz1"]
    assert "at least 4 characters" in left["zz"]
    shown = command(settings, "alerts", "show", "zzzz1").exception
    assert isinstance(shown, UsageError)
    assert "2 alerts begin with it" in shown.message


def test_a_field_that_no_alert_has_is_named_with_the_nearest(settings: Settings) -> None:
    for arguments in (("list",), ("close", "--all", "--yes")):
        done = command(settings, "alerts", *arguments, "--query", "rule.nam:x AND level:high")
        said = " ".join(done.stderr.split())
        assert "the index does not search the field 'rule.nam': no alert has it" in said
        assert "did you mean 'rule.name'?" in said
        assert "'level'" not in said
    fine = command(settings, "alerts", "list", "--query", "calls.name:PutKeyPolicy learning:true")
    assert "does not search" not in fine.stderr


def test_all_that_a_query_selects_are_changed_after_a_question(
    settings: Settings, alerts: list[str]
) -> None:
    refused = command(settings, "alerts", "close", "--all", "--rule", PLAIN.title).exception
    assert isinstance(refused, UsageError)
    assert "close 3 alerts" in refused.message
    assert "--yes" in refused.hint
    for wrong in ((), ("--rule", "x"), ("--all", alerts[0])):
        assert isinstance(command(settings, "alerts", "ack", *wrong).exception, UsageError)
    assert _answered(settings, "n", "close", "--all", "--rule", PLAIN.id) == 1
    assert len(ids(settings)) == 5
    assert _answered(settings, "y", "close", "--all", "--rule", PLAIN.id) == 0
    assert ids(settings) == alerts[:2]
    nothing: dict[str, Any] = {"alerts": [], "not_changed": []}
    unlike = ("--all", "--principal", "ada", "--tactic", "impact", "--yes")
    assert asked(settings, "ack", *unlike, code=1) == nothing
    # What was decided before is done: the same command again is no failure.
    again = command(settings, "alerts", "close", "--all", "--rule", PLAIN.id, "--yes")
    assert "no open or acknowledged alert matches, nothing to change (3 closed)" in again.stdout
    assert again.exit_code == 0
    made = asked(settings, "reopen", "--all", "--query", f"rule.id:{PLAIN.id}", "--yes")
    assert len(made["alerts"]) == 3
    for text in ("a:(", "rule.name:/[a/", "severity:much"):
        assert isinstance(
            command(settings, "alerts", "list", "--query", text).exception, UsageError
        )


def test_a_misspelt_rule_is_an_error_and_one_without_alerts_is_not(
    settings: Settings, alerts: list[str]
) -> None:
    for wrong in (["list"], ["precision"], ["close", "--all", "--yes"]):
        refused = command(settings, "alerts", *wrong, "--rule", "RootAccountUsge").exception
        assert isinstance(refused, UsageError)
        assert refused.hint == "did you mean 'RootAccountUsage'?"
    assert asked(settings, "list", "--rule", "rootaccountusage")["alerts"] == []
    assert asked(settings, "list", "--rule", trail_files.RULE_ID)["alerts"] == []
    # A rule that is gone is known by its alerts.
    assert asked(settings, "list", "--rule", PLAIN.id, "--state", "closed")["alerts"] == []


def test_a_listing_shows_the_file_that_an_alert_is_about(
    settings: Settings, client: OpenSearch
) -> None:
    name = "1_CloudTrail_us-east-1_20250301T1205Z_x.json.gz"
    wrong = trail_files.WrongFile(f"s3://logs/AWSLogs/1/{name}", "it is gone", "abc", "")
    trail_files.record(client, settings, [wrong], datetime(2025, 3, 2, tzinfo=UTC))
    client.indices.refresh(index=Names(settings.prefix).alerts)
    for what in ("alerts", "incidents"):
        done = command(settings, what, "list")
        assert done.exit_code == 0, done.exception
        head, row = done.stdout.splitlines()
        assert dict(zip(head.split("\t"), row.split("\t"), strict=True))["file"] == wrong.object


def test_ids_are_completed_from_the_cluster(
    settings: Settings, alerts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(settings, {}).items():
        monkeypatch.setenv(name, value)
    context = typer.Context(typer.core.TyperCommand("x"))
    offered = dict(completion.alert_ids(context, ""))
    assert offered.keys() == set(alerts)
    assert offered[alerts[0]] == f"medium, {LOUD.title}"
    assert list(dict(completion.alert_ids(context, alerts[1][:10]))) == [alerts[1]]
    assert set(dict(completion.incident_ids(context, ""))) == set(alerts)  # not joined yet
    context.params = {"namespace": "another"}
    assert completion.alert_ids(context, "") == []


def _answered(settings: Settings, answer: str, *arguments: str) -> int:
    """The exit code of a command that asks on a terminal."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "trailhound", "alerts", *arguments],
            env=environment(settings, {}),
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert "3  Title of policy-changed" in done.stderr, done
    return done.returncode


def test_alerts_are_listed_by_who_owns_them_when_where_and_in_which_order(
    client: OpenSearch, settings: Settings, alerts: list[str], recorder: Recorder
) -> None:
    recorder.record([burst("burst", range(20, 30))])
    asked(settings, "assign", alerts[0], alerts[4], "--to", "Bob", "--by", "ada")
    assert ids(settings, "--assignee", "bob") == [alerts[0], alerts[4]]
    assert len(ids(settings, "--assignee", "nobody")) == 4
    asked(settings, "assign", "--all", "--assignee", "bob", "--to", "nobody", "--yes")
    assert ids(settings, "--assignee", "bob") == []
    assert ids(settings, "--until", "2025-03-01T12:00:01") == [alerts[4]]
    assert len(ids(settings, "--until", "2025-03-01")) == 6
    nobody = command(settings, "alerts", "list", "--account", "999999999999")
    assert isinstance(nobody.exception, UsageError)
    assert ids(settings, "--tactic", "impact") == []
    mistaken = command(settings, "alerts", "list", "--tactic", "x")
    assert isinstance(mistaken.exception, UsageError)
    assert len(ids(settings, "--account", "111122223333")) == 6
    put_events(client, settings, [50], trail={"account": "444455556666"})
    recorder.record([single(PLAIN.id, 50)])
    (delivered,) = ids(settings, "--account", "444455556666")
    assert delivered in ids(settings, "--account", "111122223333")
    asked(settings, "close", delivered)
    assert ids(settings, "--tactic", "defense-evasion") == alerts[:2]
    assert ids(settings, "--sort", "level") == [*alerts[2:], *alerts[:2], ids(settings)[0]]
    assert ids(settings, "--sort", "count")[0] == ids(settings)[0]
    assert ids(settings, "--query", 'rule.id:loud AND entity.principal:"ada"') == alerts[:2]


def test_a_decision_about_many_ends_with_their_number(
    settings: Settings, recorder: Recorder
) -> None:
    recorder.record([single(LOUD.id, second) for second in range(11)])
    done = command(settings, "alerts", "close", "--all", "--as", "benign", "--by", "ada", "--yes")
    assert done.output.splitlines()[-1] == "11 alerts closed as benign, by ada"


def test_the_noisiest_rules_are_shown_with_what_would_make_them_raise_fewer(
    settings: Settings, alerts: list[str], recorder: Recorder
) -> None:
    bob = {"arn": "arn:aws:iam::111122223333:user/bob"}
    put_events(connect(settings), settings, [40], user={"name": "bob"}, userIdentity=bob)
    recorder.record([single(PLAIN.id, second) for second in (20, 21, 40)])
    asked(settings, "close", alerts[2], "--as", "benign")
    asked(settings, "close", alerts[3], "--as", "false-positive")
    asked(settings, "close", alerts[4], "--as", "true-positive")

    def shown(*arguments: str) -> dict[str, Any]:
        span = ("--since", "2025-03-01", "--until", "2025-03-02")
        done = command(settings, "rules", "noise", *span, "--json", *arguments)
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    found = shown()
    assert (found["total"], found["more"]) == (8, False)
    plain, loud = found["rules"]
    assert (plain["id"], plain["alerts"], plain["not_closed"]) == (PLAIN.id, 6, 3)
    assert (plain["judged"], plain["harmless"], loud["harmless"]) == (3, 0.6667, None)
    assert plain["per_day"] == 3.0, "the end of a day is included"
    assert plain["top_principals"][0] == {"name": "ada", "alerts": 5}
    show = f"trailhound alerts list --flat --rule {PLAIN.id} --principal ada"
    assert plain["suggestion"]["command"] == show, "an alert from the same network was right"
    assert plain["left_out"] == {}
    assert loud["suggestion"] is None, "of few alerts"
    assert [each["id"] for each in shown("--limit", "1")["rules"]] == [PLAIN.id]
    assert [each["id"] for each in shown("--level", "medium", "--rule", "loud")["rules"]] == [
        "loud"
    ]
    # What may be an intruder's is a reason for no exception; what was judged harmless may be.
    of_rule, new = ids(settings, "--rule", PLAIN.id, "--state", "open"), {"links": {"new": ["ada"]}}
    grave = {"incident": "grave"}
    for name, change in {
        of_rule[0]: new,
        of_rule[1]: grave,
        alerts[0]: {**grave, **new},
        alerts[2]: {**grave, **new},
    }.items():
        connect(settings).update(index=Names(settings.prefix).alerts, id=name, body={"doc": change})
    (plain,) = shown("--rule", PLAIN.id)["rules"]
    assert plain["left_out"] == {UNKNOWN: 1, GRAVE: 1}
    assert plain["alerts"] == 6
    assert plain["suggestion"]["reason"] == (
        f"nothing is proposed: of 6 alerts left out are 1 {GRAVE}, 1 {UNKNOWN}; look at these"
    )


def test_precision_is_the_share_of_true_positives_among_what_was_judged(
    settings: Settings, alerts: list[str]
) -> None:
    nothing = asked(settings, "precision")
    assert (nothing["total"]["judged"], nothing["total"]["precision"]) == (0, None)
    assert "none was judged" in command(settings, "alerts", "precision").output
    asked(settings, "close", alerts[2], "--as", "true-positive", "--by", "ada")
    asked(settings, "close", alerts[3], "--as", "False_Positive", "--note", "a drill")
    asked(settings, "close", alerts[4], "--as", "duplicate")
    asked(settings, "close", alerts[0])
    by_rule = {each["id"]: each for each in asked(settings, "precision")["rules"]}
    plain, loud = by_rule[PLAIN.id], by_rule[LOUD.id]
    assert (plain["true_positive"], plain["false_positive"], plain["duplicate"]) == (1, 1, 1)
    assert (plain["judged"], plain["precision"]) == (2, 0.5)
    assert (loud["without_disposition"], loud["not_closed"], loud["precision"]) == (1, 1, None)
    assert "1 of 2 right (50%)" in command(settings, "alerts", "precision").output
    assert ids(settings, "--disposition", "false-positive") == [alerts[3]]
    shown = command(settings, "alerts", "show", alerts[3]).output
    assert "closed as false-positive" in shown
    # Reopened, it is not judged any more; what was said of it stays in its history.
    asked(settings, "reopen", alerts[3])
    (plain, *_) = asked(settings, "precision", "--rule", PLAIN.id)["rules"]
    assert (plain["false_positive"], plain["not_closed"]) == (0, 1)
    assert "closed as false-positive" in command(settings, "alerts", "show", alerts[3]).output
    unknown = command(settings, "alerts", "close", alerts[3], "--as", "maybe")
    assert unknown.exit_code == 2


def test_a_reopened_alert_grows_again_and_takes_in_what_was_raised_meanwhile(
    recorder: Recorder, alert_store: AlertStore
) -> None:
    (first,) = recorder.record([single("grouped", 0, ADA)]).created
    alert_store.close(first, "ada", disposition="false-positive")
    (second,) = recorder.record([single("grouped", 20, ADA)]).created
    alert_store.decide([first], Decision("reopen", "ada"))
    for _ in range(2):
        recorder.record([single("grouped", second_, ADA) for second_ in (0, 20, 40)])
    (alert,) = alert_store.find(AlertQuery())
    assert (alert["id"], alert["count"], alert["state"]) == (first, 3, "open")
    assert [each["state"] for each in alert["history"]] == ["open", "closed", "open"]
    assert alert_store.get(second)["merged_into"] == first


def test_a_decision_outlasts_other_writers_and_names_what_a_failing_cluster_left(
    settings: Settings, alerts: list[str], alert_store: AlertStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "READ_AT_ONCE", 2)
    bulks: list[str] = []

    def disturb(request: Request) -> Fault | None:
        if request.path.startswith("/_bulk"):
            bulks.append(request.path)
            if len(bulks) == 1:  # somebody writes between our reading and our writing
                alert_store.decide([alerts[0]], Decision("note", "eve", "me too"))
            if len(bulks) == 3:
                return DROP
        return None

    with Proxy(settings.hosts[0], disturb) as proxy:
        through = reached_at(settings, proxy.url)
        reported = asked(through, "close", *alerts, "--by", "ada", code=1)
    assert [each["id"] for each in reported["alerts"]] == alerts[:2]
    left = {each["id"]: each["reason"] for each in reported["not_changed"]}
    assert list(left) == alerts[2:]
    assert "not confirmed" in left[alerts[2]]
    assert "not tried" in left[alerts[4]]
    history = alert_store.get(alerts[0])["history"]
    assert [each["by"] for each in history] == ["trailhound", "eve", "ada"]
    # The same command again completes it, and nothing is written twice.
    again = asked(settings, "close", *alerts, "--by", "ada")
    assert (len(again["alerts"]), again["not_changed"]) == (5, [])
    assert all(len(alert_store.get(name)["history"]) <= 3 for name in alerts)


def test_a_cluster_that_is_gone_before_anything_was_written_is_its_own_error(
    settings: Settings, alerts: list[str]
) -> None:
    def no_writes(request: Request) -> Fault | None:
        return DROP if request.path.startswith("/_bulk") else None

    with Proxy(settings.hosts[0], no_writes) as proxy:
        through = reached_at(settings, proxy.url)
        done = command(through, "alerts", "close", *alerts, "--by", "ada")
    assert isinstance(done.exception, ClusterError)
    assert f"{alerts[0]} was not changed: its change was not confirmed" in done.output


def test_alerts_of_the_same_events_are_shown_as_one_and_decided_upon_together(
    settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    (user,) = recorder.record([burst(BY_USER.id, range(5), ADA)]).created
    (address,) = recorder.record([burst(BY_ADDRESS.id, range(5))]).created
    (other,) = recorder.record([burst(BY_ADDRESS.id, range(20, 25))]).created
    twin = {"id": address, "rule": {"id": "address", "name": "pattern by address"}, "state": "open"}
    assert asked(settings, "show", user)["twins"] == [twin]
    # Programs get each; people get one row with both names.
    listed = {each["id"]: each for each in asked(settings, "list")["alerts"]}
    assert listed.keys() == {user, address, other}
    assert (listed[user]["twins"], "twins" in listed[other]) == ([twin], False)
    _, *rows = command(settings, "alerts", "list").stdout.splitlines()
    assert len(rows) == 2
    assert "pattern by address and by user" in rows[1]

    took = asked(settings, "ack", user, "--by", "ada")["alerts"]
    assert [each["id"] for each in took] == [user, address]
    said = command(settings, "alerts", "close", address, "--by", "ada", "--alone").output
    assert user not in said
    # A twin that a decision does not apply to stays as it is, and is no error.
    assert [each["id"] for each in asked(settings, "ack", user, "--by", "bob")["alerts"]] == [user]
    question = command(settings, "alerts", "close", "--all", "--rule", BY_USER.id, "--as", "benign")
    assert isinstance(question.exception, UsageError)
    assert "close 1 alert and 1 twin of them" in question.exception.message
    done = command(settings, "alerts", "close", user, "--as", "benign", "--by", "eve").output
    assert f"{address} closed as benign, by eve (twin of {user}: pattern by address)" in done
    # With an event more of one of them they are none any more.
    assert len(asked(settings, "reopen", user)["alerts"]) == 2
    recorder.record([burst(BY_ADDRESS.id, range(6))])
    assert "twins" not in alert_store.get(user)


def test_what_the_index_of_the_last_release_would_not_find_is_not_written(
    engine: str, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    (name,) = recorder.record([single(PLAIN.id, 0)]).created
    old = own_settings(engine, f"{settings.namespace}old", settings.home)
    client = connect(old)
    index = Names(old.prefix).alerts
    try:
        new = {"assignee", "disposition", "twin_key", "incident"}
        known = {key: each for key, each in ALERT["properties"].items() if key not in new}
        mapping = {"dynamic": False, "properties": known}
        client.indices.create(index=index, body={"mappings": mapping})
        body = client.get(index=Names(settings.prefix).alerts, id=name)["_source"]
        client.index(index=index, id=name, body=body, params={"refresh": "true"})
        for given in (("close", name, "--as", "benign"), ("assign", name, "--to", "ada")):
            refused = command(old, "alerts", *given).exception
            assert isinstance(refused, ForeignTemplateError)
            assert "trailhound init" in refused.hint
        assert len(asked(old, "close", name)["alerts"]) == 1
    finally:
        remove_namespace(engine, old.namespace)
