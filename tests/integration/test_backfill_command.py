"""`trailhound backfill` as a process: its flags, what it prints, how it exits."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.helpers.ports import own_port
from tests.helpers.processes import environment, identity_holds, printed, run
from tests.helpers.trails import documents, ledger, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.removed_days import RemovalRun, RemovedDaysStore

KEYS = {
    "objects",
    "skipped_objects",
    "failed_objects",
    "read",
    "indexed",
    "duplicates",
    "dead_lettered",
    "filtered",
    "bytes",
    "seconds",
}


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def refused(settings: Settings, arguments: Sequence[str | Path], *, code: int) -> str:
    """What a command that fails says: a sentence on stderr, no traceback; on stdout
    nothing, or the error as an object for `--json`."""
    ended = run(settings, *arguments)
    said = ended.stderr.decode()
    assert ended.returncode == code, said
    if "--json" in arguments:
        assert printed(ended.stdout)["error"]["exit_code"] == code
    else:
        assert ended.stdout == b""
    assert "Traceback" not in said
    assert said.strip()
    return said


def test_all_in_is_exit_code_0(settings: Settings, trail: Path) -> None:
    write_trail(trail, [record(), record()])
    ended = run(settings, "backfill", trail, "--json")
    assert ended.returncode == 0, ended.stderr.decode()
    report = printed(ended.stdout)
    assert report.keys() >= KEYS
    assert (report["objects"], report["read"], report["indexed"]) == (1, 2, 2)
    assert identity_holds(report)
    again = run(settings, "backfill", trail)
    assert again.returncode == 0
    assert "1 already ingested" in again.stdout.decode()


def test_a_backfill_with_nothing_to_do_loads_no_more_than_it_needs(
    settings: Settings, trail: Path
) -> None:
    """Rules, AWS, the pool of processes, what opensearch-py has beside its client, and the parser
    of nested variables would take longer to load than all that it does.
    """
    write_trail(trail, [record()])
    assert run(settings, "backfill", trail).returncode == 0
    cluster = ["--url", settings.hosts[0], "--namespace", settings.namespace]
    script = (
        "import sys; from trailhound.cli.main import run\n"
        f"sys.argv = {['trailhound', 'backfill', str(trail), *cluster]!r}\n"
        "try:\n    run()\nfinally:\n    print('modules:', *sys.modules)"
    )
    given = environment(settings, {})
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={name: value for name, value in given.items() if "__" not in name},
        capture_output=True,
        check=True,
    )
    said, _, modules = done.stdout.decode().partition("modules:")
    assert "1 already ingested" in said
    assert not {
        *("boto3", "botocore", "jinja2", "sigma", "multiprocessing"),
        *("dateutil", "opensearchpy.helpers.document", "pydantic_settings", "requests"),
        *("detections.matcher", "detections.packs.loading", "ingest.backfill.worker_pool"),
    } & set(modules.split())


def test_an_enrichment_file_that_cannot_be_used_is_named(
    settings: Settings, trail: Path, tmp_path: Path
) -> None:
    write_trail(trail, [record()])
    missing, partly = tmp_path / "missing.txt", tmp_path / "partly.txt"
    partly.write_text("203.0.113.7\nno entry\n", encoding="utf-8")
    lists = {"threat_lists": [{"path": str(missing)}, {"path": str(partly)}]}
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({"enrich": lists}), encoding="utf-8")
    ended = run(settings, "backfill", trail, "--json", "--config", config)
    said = ended.stderr.decode()
    assert ended.returncode == 0, said
    assert f"warning: the threat list {missing} cannot be read" in said
    assert f"warning: the threat list {partly}: 1 of 2 entries" in said
    assert "2 ('no')" in said


def test_something_left_out_is_exit_code_1(settings: Settings, trail: Path) -> None:
    write_trail(trail, [record(), record(eventTime="never")])
    (trail / "b.json.gz").write_bytes(b"\x1f\x8b broken")
    ended = run(settings, "backfill", trail, "--json")
    assert ended.returncode == 1
    report = printed(ended.stdout)
    assert identity_holds(report)
    assert (report["indexed"], report["dead_lettered"], report["failed_objects"]) == (1, 1, 1)
    assert report["failures"][0]["object"] == str(trail / "b.json.gz")
    people = run(settings, "backfill", trail)
    assert people.returncode == 1
    assert "b.json.gz" in people.stderr.decode()


def test_days_that_the_retention_removed_are_named_with_what_brings_them_back(
    settings: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "AWSLogs"
    for number in (1, 2):
        folder = source / "111122223333/CloudTrail/us-east-1/2025/03" / f"{number:02}"
        name = f"111122223333_CloudTrail_us-east-1_202503{number:02}T1205Z_0123456789abcdef"
        write_trail(folder, [record(eventTime=f"2025-03-{number:02}T12:00:00Z")], name)
    assert run(settings, "backfill", source).returncode == 0
    client, now = connect(settings), datetime(2025, 3, 9, tzinfo=UTC)
    day = "2025.03.01"
    client.indices.delete(index=Names(settings.prefix).day(day))
    ended = run(settings, "backfill", source, "--json")
    assert (ended.returncode, printed(ended.stdout)["problems"]) == (0, []), "nobody said so"
    RemovedDaysStore(client, settings).add(
        [RemovalRun(at=now, action="deleted", days=(day,), kept=7, host="h")]
    )
    ended = run(settings, "backfill", source, "--json")
    (problem,) = printed(ended.stdout)["problems"]
    assert (ended.returncode, printed(ended.stdout)["skipped_objects"]) == (1, 2)
    assert problem.startswith("1 day (2025-03-01) is not in the index: the retention removed it")
    for arguments in (("--dry-run",), ("--workers", "2")):
        ended = run(settings, "backfill", source, *arguments)
        assert (ended.returncode, b"reconcile" in ended.stderr) == (1, True), arguments
    for unconcerned in (("--since", "2025-03-02"), ("--limit", "5")):
        assert run(settings, "backfill", source, *unconcerned).returncode == 0
    _, command, _ = problem.split("`")
    run(settings, *shlex.split(command)[1:])
    assert len(documents(client, settings)) == 2
    assert run(settings, "backfill", source).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["backfill"], "SOURCE"),
        (["backfill", ".", "--since", "2025-02-02", "--until", "2025-02-01"], "--since"),
        (["backfill", ".", "--since", "soon"], "since"),
        (["backfill", ".", "--limit", "0"], "limit"),
        (["backfill", ".", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (["backfill", ".", "--namespace", "Not Allowed"], "namespace"),
    ],
)
def test_wrong_use_is_exit_code_2(
    arguments: list[str], word: str, engine: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, "unused", tmp_path / "home")
    assert word in refused(settings, arguments, code=2)


def test_a_source_that_is_not_there_is_exit_code_2(settings: Settings, trail: Path) -> None:
    assert str(trail) in refused(settings, ["backfill", trail, "--json"], code=2)


def test_a_cluster_that_does_not_answer_is_exit_code_3(tmp_path: Path, trail: Path) -> None:
    write_trail(trail, [record()])
    with own_port() as nobody:
        url = f"http://127.0.0.1:{nobody}"
        settings = own_settings(url, "", tmp_path / "home")
        said = refused(settings, ["backfill", trail, "--json"], code=3)
    assert url in said
    assert "trailhound up" in said


@pytest.mark.fresh_namespace
def test_a_cluster_without_our_templates_is_refused(
    engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    write_trail(trail, [record()])
    settings = own_settings(engine, namespace, tmp_path / "home")
    assert "trailhound init" in refused(settings, ["backfill", trail, "--json"], code=3)
    assert connect(settings).cat.indices(index=f"{namespace}-*") == ""


def test_standard_input_is_a_source(settings: Settings) -> None:
    events = [record(), record()]
    content = "\n".join(json.dumps(event) for event in events).encode()
    ended = run(settings, "backfill", "-", "--json", stdin=content)
    assert ended.returncode == 0, ended.stderr.decode()
    assert printed(ended.stdout)["indexed"] == 2
    client = connect(settings)
    found = documents(client, settings)
    assert found.keys() == {event["eventID"] for event in events}
    assert {source["trail"]["object"] for source in found.values()} == {"-"}
    assert [entry["uri"] for entry in ledger(client, settings)] == ["-"]
    again = run(settings, "backfill", "-", "--json", stdin=content)
    assert printed(again.stdout)["skipped_objects"] == 1
    other = run(settings, "backfill", "-", "--json", stdin=json.dumps(record()).encode())
    assert printed(other.stdout)["indexed"] == 1


def test_flags_select_limit_force_and_plan(settings: Settings, trail: Path) -> None:
    for day in (1, 2, 3):
        write_trail(
            trail,
            [
                record(eventTime=f"2025-03-0{day}T00:00:00Z"),
                record(
                    eventTime=f"2025-03-0{day}T00:00:00Z",
                    recipientAccountId="222233334444",
                    awsRegion="eu-west-1",
                ),
            ],
            f"{day}",
        )
    dry = printed(run(settings, "backfill", trail, "--dry-run", "--json").stdout)
    assert (dry["objects"], dry["read"], dry["dry_run"]) == (3, 0, True)
    assert ledger(connect(settings), settings) == []
    limit = printed(run(settings, "backfill", trail, "--limit", "1", "--json").stdout)
    assert (limit["objects"], limit["indexed"]) == (1, 2)
    flags = [
        *("--since", "2025-03-02", "--until", "2025-03-02"),
        *("--account", "222233334444", "--region", "eu-west-1"),
    ]
    chosen = printed(run(settings, "backfill", trail, "--force", *flags, "--json").stdout)
    assert (chosen["objects"], chosen["read"]) == (3, 6)
    assert (chosen["indexed"], chosen["filtered"]) == (1, 5)


def test_rules_that_cannot_be_used_are_named_where_a_backfill_detects(
    settings: Settings, trail: Path, tmp_path: Path
) -> None:
    write_trail(trail, [record()])
    rules, file = tmp_path / "rules", tmp_path / "trailhound.yaml"
    rules.mkdir()
    (rules / "bad.yml").write_text("title: no rule\n")
    file.write_text(json.dumps({"detections": {"shipped": False, "rules": [str(rules)]}}))
    ended = run(settings, "backfill", trail, "--detect", "--config", file)
    assert ended.returncode == 1
    assert "bad.yml:1" in ended.stderr.decode()
    ended = run(settings, "backfill", trail, "--detect", "--json", "--config", file)
    assert ended.returncode == 1
    assert any("bad.yml:1" in fault for fault in printed(ended.stdout)["rule_faults"])
