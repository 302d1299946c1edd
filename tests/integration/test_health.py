"""`/readyz`, `status` and `doctor` say the same, and it is the truth."""

from __future__ import annotations

import json
import signal
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from opensearchpy import OpenSearch

from tests.helpers.ports import free_address
from tests.helpers.processes import printed, run, start
from tests.helpers.queues import until
from tests.helpers.readyz import answer, codes
from tests.helpers.trails import record, write_trail
from trailhound.app.daemon.same_ledger import SameLedger
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.doctor.cluster_checks import messages
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.channels import Channels
from trailhound.state.daemons import DaemonState
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints
from trailhound.state.store import StateStore


def test_status_and_doctor_say_what_is_wrong(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    file, partly = tmp_path / "trailhound.yaml", tmp_path / "partly.txt"
    partly.write_text("198.51.100.7\nnonsense\n", encoding="utf-8")
    lists = [{"path": str(tmp_path / "gone.txt")}, {"path": str(partly)}]
    file.write_text(
        yaml.safe_dump(
            {
                "enrich": {"threat_lists": lists, "asn_database": str(tmp_path / "gone.mmdb")},
                "notify": {
                    "channels": [
                        {"name": "down", "kind": "command", "command": ["false"]},
                        {"name": "unset", "kind": "apprise", "url": "nonsense"},
                    ]
                },
            }
        )
    )
    shown = run(settings, "status", "--config", file).stdout.decode()
    assert "none is running: nobody reads new files, runs the rules" in shown
    assert "unready" in shown
    assert f"the threat list {tmp_path / 'gone.txt'} cannot be read" in shown
    now = datetime.now(UTC)
    Jobs(client, settings).write(JobState(name="detections", last_error="KeyError: 'seen_until'"))
    late = RuleCheckpoint(
        rule_id="late", title="Late rule", seen_until=now - timedelta(days=9), ran_at=now
    )
    RuleCheckpoints(client, settings).write([late])
    Channels(client, settings).revise(
        "down", lambda _: _.__class__(name="down", waiting=2, last_error="no", last_error_at="2025")
    )
    reported = run(settings, "status", "--json", "--config", file)
    assert reported.returncode == 0, reported.stderr.decode()
    report = printed(reported.stdout)
    assert report["ready"] is False
    found = {(each["code"], each["subject"]) for each in report["reasons"]}
    assert found == {
        ("job", "detections"),
        ("channel", "down"),
        ("daemon", "daemon"),
        ("enrichment", f"threat list {tmp_path / 'gone.txt'}"),
        ("enrichment", "GeoIP ASN"),
    }
    shown = run(settings, "status", "--config", file).stdout.decode()
    assert "KeyError: 'seen_until'" in shown

    checked = run(settings, "doctor", "--json", "--config", file)
    assert checked.returncode == 1
    findings = printed(checked.stdout)["findings"]
    verdicts = {each["what"]: each["verdict"] for each in findings}
    facts = {each["what"]: each["fact"] for each in findings}
    assert (
        "1 of 2 entries are not recognised and not used: entry or line 2 ('nonsense')"
        in facts[f"threat list {partly}"]
    )
    assert str(tmp_path / "gone.mmdb") in facts["GeoIP ASN"]
    assert {each: verdicts[each] for each in verdicts if verdicts[each] == "failed"} == {
        "health: job detections": "failed",
        "channel down": "failed",
        "channel unset": "failed",
        f"threat list {tmp_path / 'gone.txt'}": "failed",
        "GeoIP ASN": "failed",
    }
    assert verdicts["health: daemon"] == "warning"
    assert len(findings) == len(verdicts), "one verdict for one thing"
    assert "2 alerts wait for it: no" in facts["channel down"]
    assert verdicts["rules"] == verdicts["spool"] == "ok"


def test_status_says_since_when_rules_do_not_run_and_which(
    client: OpenSearch, settings: Settings
) -> None:
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=12)
    shown = [
        RuleCheckpoint(
            rule_id=name, title=f"Rule {name}", seen_until=since, ran_at=since + timedelta(**ran)
        )
        for name, ran in (("a", {"minutes": -1}), ("b", {"minutes": -2}), ("c", {"minutes": 1}))
    ]
    RuleCheckpoints(client, settings).write(shown)
    succeeded = JobState(name="detections", last_success=since.isoformat())
    Jobs(client, settings).write(succeeded)
    assert f"3 that alert, all caught up to {since:%F %T} UTC" in words_of_status(settings)
    Jobs(client, settings).write(msgspec.structs.replace(succeeded, last_error="no such index"))
    said = words_of_status(settings)
    assert "caught up" not in said
    assert f"3 that alert, searched up to {since:%F %T} UTC" in said
    assert (
        f"the job detections fails since {since:%F %T} UTC: 2 rules have not run since: "
        "Rule a, Rule b" in said
    )
    RuleCheckpoints(client, settings).write(
        msgspec.structs.replace(each, ran_at=since + timedelta(minutes=1)) for each in shown
    )
    assert f"fails since {since:%F %T} UTC, and every rule has run since" in words_of_status(
        settings
    )


def test_status_names_the_command_that_shows_dead_letters(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    trail = tmp_path / "trail"
    trail.mkdir()
    (trail / "a.json").write_text(json.dumps({"Records": [record(), "no record"]}))
    run(settings, "backfill", trail)
    client.indices.refresh(index=Names(settings.prefix).deadletter)
    assert "see why: `trailhound deadletters list`" in words_of_status(settings)
    assert run(settings, "deadletters", "list").returncode == 0


def words_of_status(settings: Settings) -> str:
    """What `status` prints, however its lines are broken."""
    return " ".join(run(settings, "status").stdout.decode().split())


def test_a_daemon_is_ready_only_while_all_of_it_works(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    trail, rules, file = tmp_path / "trail", tmp_path / "rules", tmp_path / "trailhound.yaml"
    address = free_address()
    content: dict[str, Any] = {
        "run": {"sources": [{"watch": str(trail), "every": 0.3}], "listen": address, "log": "json"},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"shipped": False, "rules": [str(rules)]},
        "notify": {
            "channels": [{"name": "c", "kind": "apprise", "url_file": str(tmp_path / "url")}]
        },
    }
    file.write_text(yaml.safe_dump(content))
    (tmp_path / "url").write_text("nonsense")
    rules.mkdir()
    alerts = Names(settings.prefix).alerts
    process = start(settings, "run", "--config", file)
    try:
        until(
            lambda: {("feed", str(trail)), ("channel", "c")} <= codes(address),
            "a source and a channel that do not work",
        )
        until(lambda: ("channel", "c") in reasons_of_status(settings, file), "the same in status")
        assert not {"cluster", "daemon"} & {code for code, _ in reasons_of_status(settings, file)}
        with urllib.request.urlopen(f"http://{address}/healthz") as reply:
            assert reply.status == 200
        status, text = answer(address, "text/plain")
        assert status == 503
        assert f"no folder {trail}" in text
        write_trail(trail, [record()], "a")
        until(lambda: codes(address) == {("channel", "c")}, "the channel alone")
        (tmp_path / "url").write_text("json://127.0.0.1:9")
        until(lambda: answer(address, "text/plain") == (200, "ready\n"), "a daemon that is ready")

        client.indices.close(index=alerts)
        closed = {("job", "detections"), ("blocked", alerts)}
        until(lambda: codes(address) == closed, "a job that fails")
        client.indices.open(index=alerts)
        until(lambda: answer(address)[0] == 200, "a job that succeeds")

        deadletter = Names(settings.prefix).deadletter
        for code, index, name in (
            ("deadletter", deadletter, "write"),
            ("deadletter", deadletter, "read_only"),
            ("blocked", alerts, "write"),  # where no rule finds anything, too
        ):
            blocked = {(code, index)}
            client.indices.put_settings(index=index, body={f"index.blocks.{name}": True})
            until(lambda: codes(address) == blocked, "an index without writes")  # noqa: B023
            until(
                lambda: blocked <= reasons_of_status(settings, file),  # noqa: B023
                "the same in status",
            )
            client.indices.put_settings(index=index, body={f"index.blocks.{name}": None})
        until(lambda: answer(address)[0] == 200, "indices that take writes")

        ledger = Names(settings.prefix).ledger
        blocked = {("blocked", ledger)}
        client.indices.put_settings(index=ledger, body={"index.blocks.write": True})
        until(lambda: blocked <= codes(address), "a ledger without writes")
        assert blocked <= reasons_of_status(settings, file)
        assert not any(code == "thread" for code, _ in codes(address))
        client.indices.put_settings(index=ledger, body={"index.blocks.write": None})
        until(lambda: answer(address)[0] == 200, "a ledger that takes writes")

        (rules / "bad.yml").write_text("title: no rule\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: codes(address) == {("rules", "faults")}, "a rule that does not run")
        (rules / "bad.yml").unlink()
        process.send_signal(signal.SIGHUP)
        until(lambda: answer(address)[0] == 200, "rules that all run")

        lists = {"threat_lists": [{"path": str(tmp_path / "gone.txt"), "name": "gone"}]}
        file.write_text(yaml.safe_dump(content | {"enrich": lists}))
        process.send_signal(signal.SIGHUP)
        gone = ("enrichment", "threat list gone")
        until(lambda: codes(address) == {gone}, "a threat list that cannot be read")
        until(lambda: gone in reasons_of_status(settings, file), "the same in status")

        file.write_text("filter: 7\n")
        process.send_signal(signal.SIGHUP)
        refused = {gone, ("settings", "reload")}
        until(lambda: codes(address) == refused, "settings that are refused")
        file.write_text(yaml.safe_dump(content))
        process.send_signal(signal.SIGHUP)
        until(lambda: answer(address)[0] == 200, "a daemon that is ready again")
    finally:
        process.kill()
        process.communicate()


def test_a_missing_folder_of_rules_stops_no_other_rule_and_is_named_everywhere(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    trail, file = tmp_path / "trail", tmp_path / "trailhound.yaml"
    rules, exceptions = tmp_path / "norules", tmp_path / "noexceptions"
    address = free_address()
    content = {
        "run": {"sources": [{"watch": str(trail), "every": 0.3}], "listen": address},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"rules": [str(rules)], "exceptions": [str(exceptions)]},
    }
    file.write_text(yaml.safe_dump(content))
    write_trail(trail, [record()], "a")
    missing = {("rules", str(rules)), ("rules", str(exceptions))}
    said = f"detections.exceptions: no such file or folder: {exceptions}"
    assert missing <= reasons_of_status(settings, file), "without a daemon too"
    with_files = run(settings, "detect", "--files", trail, "--json", "--config", file)
    assert with_files.returncode == 1, "something is left out"
    assert "detections.exceptions: no such file or folder" in with_files.stdout.decode()
    process = start(settings, "run", "--config", file)
    try:
        shipped = {rule.id for rule in rules_in_force(Settings()).alerting}
        until(
            lambda: set(RuleCheckpoints(client, settings).read()) == shipped,
            "a run of every shipped rule",
        )
        until(lambda: codes(address) == missing, "what is missing, and nothing else")
        assert said in answer(address, "text/plain")[1]
        until(lambda: missing == reasons_of_status(settings, file), "the same in status")
        findings = printed(run(settings, "doctor", "--json", "--config", file).stdout)["findings"]
        failed = {each["what"] for each in findings if each["verdict"] == "failed"}
        assert {"setting detections.rules", "setting detections.exceptions"} <= failed
        assert {f"health: rules {rules}", f"health: rules {exceptions}"} <= failed
        rules.mkdir()
        exceptions.mkdir()
        until(lambda: answer(address)[0] == 200, "ready, without a signal")
    finally:
        process.kill()
        process.communicate()


def reasons_of_status(settings: Settings, file: Path) -> set[tuple[str, str]]:
    report = printed(run(settings, "status", "--json", "--config", file).stdout)
    return {(each["code"], each["subject"]) for each in report["reasons"]}


def test_a_ledger_that_is_made_anew_under_a_daemon_is_said(
    client: OpenSearch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    index, same = Names(settings.prefix).ledger, SameLedger()
    assert same.reason(client, settings) is None
    client.indices.delete(index=index)
    assert same.reason(client, settings) is None, "that there is none is another reason"
    Jobs(client, settings).write(JobState(name="integrity"))  # as a daemon does, by the template
    found = [same.reason(client, settings) for _ in range(2)]
    assert [each.code for each in found if each] == ["ledger"] * 2
    ours = [each for each in caplog.records if each.name.startswith("trailhound")]
    assert [each.levelname for each in ours if index in each.message] == ["ERROR"]
    assert SameLedger().reason(client, settings) is None, "of a daemon that is started anew"


def test_doctor_warns_of_messages_that_name_no_object(
    client: OpenSearch, settings: Settings
) -> None:
    assert list(messages(client, settings)) == []
    unknown = [{"what": 'not of S3: {"hello":1}', "number": 2}, {"what": "no JSON", "number": 1}]
    report = {"sources": [{"name": "trail-queue", "unknown": unknown}]}
    StateStore(client, settings, DaemonState).write(
        [DaemonState(id="d", heartbeat=datetime.now(UTC), report=report)]
    )
    (check,) = messages(client, settings)
    assert (check.what, check.verdict) == ("messages of trail-queue", "warning")
    assert check.fact == ('3 messages or records left on it, most of all 2: not of S3: {"hello":1}')
