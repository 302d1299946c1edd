"""`trailhound ledger`, `trailhound deadletters`: what was left out, why, and from where."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ingest.ledger.ledger import Ledger
from ingest.objects import TrailObject
from tests.helpers.commands import command
from tests.helpers.schemas import require_listing
from tests.helpers.terminal import on_a_terminal
from tests.helpers.trails import backfill, ledger, own_settings, prepared, record, write_trail
from trailhound.app.doctor.cluster_checks import dead_letters
from trailhound.cluster.client import connect
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import Settings

HOSTILE = "[red]\x1b[2J\u202e"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    """A namespace into which objects of every kind were read."""
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    trail = tmp_path / "trail"
    write_trail(trail, [record(), record()], "whole")
    write_trail(trail, [record(), b"5", record(eventTime="never", userAgent=HOSTILE)], "partial")
    (trail / "torn.json").write_text('{"Records": [')
    (trail / "notes.json").write_text('"text"')
    backfill(made, trail)
    return made


def listed(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    require_listing(found, " ".join(arguments[:2]))
    assert isinstance(found, dict)
    return found


def test_objects_are_listed_by_what_became_of_them(settings: Settings, tmp_path: Path) -> None:
    def names(*arguments: str) -> dict[str, str]:
        rows = listed(settings, "ledger", "list", *arguments)["objects"]
        return {Path(row["uri"]).name: row["state"] for row in rows}

    left = {"partial.json.gz": "partial", "torn.json": "failed", "notes.json": "skipped"}
    assert names() == left
    assert names("--state", "failed", "--state", "partial") == {
        name: state for name, state in left.items() if state != "skipped"
    }
    assert names("--state", "all") == left | {"whole.json.gz": "done"}
    assert names("--state", "done") == {"whole.json.gz": "done"}
    assert names("--object", "TORN") == names("--object", "*/torn.*") == {"torn.json": "failed"}
    assert names("--until", "1d") == names("--object", "a?*") == {}
    limited = listed(settings, "ledger", "list", "--limit", "1")
    assert (len(limited["objects"]), limited["total"], limited["more"]) == (1, 3, True)
    piped = command(settings, "ledger", "list", "--state", "failed").stdout.splitlines()
    assert "the JSON ends early" in piped[1]

    name = str(tmp_path / "trail" / "partial.json.gz")
    (row,) = listed(settings, "ledger", "list", "--object", "partial")["objects"]
    for given in (name, row["id"], row["object"], row["id"][:8], f"{row['id'][:8]}…"):
        shown = command(settings, "ledger", "show", given)
        assert "3 read = 1 indexed + 0 duplicates + 2 dead-lettered" in shown.stdout, shown.output
    finished = re.search(r"^finished +(.+)$", shown.stdout, re.MULTILINE)
    assert finished is not None
    assert INSTANT.fullmatch(finished[1])
    unknown = command(settings, "ledger", "show", "s3://none")
    assert isinstance(unknown.exception, UsageError)


def test_dead_letters_are_listed_and_shown_with_their_record(settings: Settings) -> None:
    found = listed(settings, "deadletters", "list")
    assert found["codes"] == {"bad_event_time": 1, "not_an_object": 1}
    assert (found["total"], found["spooled"]) == (2, 0)
    (letter,) = listed(settings, "deadletters", "list", "--code", "bad*")["deadletters"]
    assert letter["position"] == 2
    assert "raw" not in letter
    assert listed(settings, "deadletters", "list", "--object", "torn")["total"] == 0

    shown = command(settings, "deadletters", "show", letter["id"][:10])
    assert '"eventTime": "never"' in shown.stdout
    at = re.search(r"^at +(.+)$", shown.stdout, re.MULTILINE)
    assert at is not None
    assert INSTANT.fullmatch(at[1])
    assert "\x1b" not in shown.stdout
    assert "\u202e" not in shown.stdout
    whole = json.loads(command(settings, "deadletters", "show", letter["id"], "--json").stdout)
    assert json.loads(whole["raw"])["userAgent"] == HOSTILE
    assert isinstance(command(settings, "deadletters", "show", "0000").exception, UsageError)


def test_dismissed_letters_warn_no_longer_and_stay_named(
    settings: Settings, tmp_path: Path
) -> None:
    client = connect(settings)
    refused = command(settings, "deadletters", "dismiss", "--all")
    assert isinstance(refused.exception, UsageError)  # nobody can be asked
    assert "dismiss 2 dead letters of 1 object" in refused.exception.message
    assert isinstance(command(settings, "deadletters", "dismiss").exception, UsageError)
    none = command(settings, "deadletters", "dismiss", "--reason", "no such", "--yes")
    assert none.exit_code == 1
    arguments = ["--object", "PARTIAL", "--by", "ada", "--note", HOSTILE, "--yes", "--json"]
    done = json.loads(command(settings, "deadletters", "dismiss", *arguments).stdout)
    require_listing(done, "deadletters dismiss")
    assert (done["dismissed"], done["gone"], done["by"]) == (2, 0, "ada")
    assert command(settings, "deadletters", "dismiss", *arguments).exit_code == 0

    assert listed(settings, "deadletters", "list").items() >= {
        "total": 0, "codes": {}, "dismissed": 2,
    }.items()  # fmt: skip
    rows = listed(settings, "deadletters", "list", "--dismissed")["deadletters"]
    assert [each["dismissed"]["note"] for each in rows] == [HOSTILE] * 2
    shown = on_a_terminal(settings, "deadletters", "list", "--dismissed")
    assert "ada" in shown
    assert "\x1b" not in command(settings, "deadletters", "show", rows[0]["id"]).stdout
    status = json.loads(command(settings, "status", "--json").stdout)
    assert (status["dead_letters"], status["dismissed_dead_letters"]) == ([], 2)
    check = dead_letters(client, settings)
    assert (check.verdict, check.fact) == ("ok", "none that wait; 2 dismissed")
    left = command(settings, "retry-deadletters")
    assert (left.exit_code, "2 dismissed: not tried" in left.stdout) == (0, True)

    # The same letters are no new ones; another one with the same reason is.
    command(settings, "backfill", str(tmp_path / "trail"), "--force")
    assert dead_letters(client, settings).verdict == "ok"
    backfill(settings, write_trail(tmp_path / "more", [record(eventTime="never")]))
    (new,) = listed(settings, "deadletters", "list")["deadletters"]
    assert dead_letters(client, settings).fact.startswith("1 in the index, ")
    assert command(settings, "deadletters", "dismiss", new["id"][:12]).exit_code == 0
    undone = command(settings, "deadletters", "dismiss", "--all", "--undo", "--yes")
    assert "3 dead letters wait again" in undone.stdout
    assert dead_letters(client, settings).fact.startswith("3 in the index, ")


def test_a_terminal_shows_equal_reasons_once(settings: Settings, tmp_path: Path) -> None:
    alike = tmp_path / "alike"
    for name in ("a", "b"):
        write_trail(alike, [record(eventTime="never")] * 2, f"{name}-of-a-long-name")
    backfill(settings, alike)
    shown = on_a_terminal(settings, "deadletters", "list")
    lines = shown.splitlines()
    assert lines[1].split()[0] == "5"
    assert " bad_event_time  eventTime 'never' is not a known date " in lines[1], "whole"
    assert lines[-2:] == [
        "6 dead letters, 2 reasons: --each for a row of each",
        "of all: bad_event_time 5, not_an_object 1",
    ]
    for more in ("--each", "--limit=6"):
        assert "6 dead letters\n" in on_a_terminal(settings, "deadletters", "list", more)
    assert len(command(settings, "deadletters", "list").stdout.splitlines()) == 7


def test_a_backfill_names_what_lists_what_it_left_out(settings: Settings, tmp_path: Path) -> None:
    done = command(settings, "backfill", str(tmp_path / "trail"), "--force")
    assert done.exit_code == 1
    last = done.stdout.splitlines()[-2:]
    assert [line.split("`")[1] for line in last] == [
        "trailhound deadletters list",
        "trailhound ledger list",
    ]


def test_a_limited_forced_run_leaves_the_other_entries(settings: Settings, tmp_path: Path) -> None:
    client = connect(settings)
    before = {each["uri"]: each for each in ledger(client, settings)}
    done = command(settings, "backfill", str(tmp_path / "trail"), "--force", "--limit", "2")
    assert "1 object read" in done.stdout, done.output  # and one is no trail file
    after = {each["uri"]: each for each in ledger(client, settings)}
    assert sum(after[uri] != before[uri] for uri in before) == 2
    left = {"partial", "failed", "skipped"}
    assert {row["state"] for row in listed(settings, "ledger", "list")["objects"]} == left
    found = json.loads(command(settings, "status", "--json").stdout)
    assert found["failed_objects"] == 1


def test_what_is_read_again_is_listed_with_who_reads_it(settings: Settings) -> None:
    (row,) = listed(settings, "ledger", "list", "--state", "failed")["objects"]
    reader = Ledger(
        connect(settings), Names(settings.prefix).ledger, RetryPolicy(), claim_seconds=60
    )
    item = TrailObject(row["uri"], row["etag"], row["size"])
    assert reader.take([item]) == ([item], [])
    (claimed,) = listed(settings, "ledger", "list", "--state", "claimed")["objects"]
    assert claimed["claimed_at"] > row["finished_at"]
    changed = {"worker": reader.worker.id, "claimed_at": claimed["claimed_at"]}
    assert claimed == row | changed
    assert listed(settings, "ledger", "list", "--state", "failed")["objects"] == [claimed]
    shown = command(settings, "ledger", "show", row["id"]).stdout
    assert re.search(rf"^worker +{reader.worker.id}$", shown, re.MULTILINE)
    reader.close()
    assert listed(settings, "ledger", "list", "--state", "claimed")["total"] == 0


def test_an_unreadable_object_that_was_deleted_is_put_away_with_a_reason(
    settings: Settings, tmp_path: Path
) -> None:
    torn = tmp_path / "trail" / "torn.json"

    def counted() -> tuple[int, int]:
        found = json.loads(command(settings, "status", "--json").stdout)
        return found["failed_objects"], found["gone_objects"]

    there = command(settings, "ledger", "gone", str(torn))
    assert isinstance(there.exception, UsageError)
    assert "is still in its source" in str(there.exception)
    assert counted() == (1, 0)
    torn.unlink()
    away = ("ledger", "gone", str(torn), "--by", "ada", "--note", "a test of ours")
    assert "noted as gone" in command(settings, *away).stdout
    assert "noted as gone since" in command(settings, *away[:3]).stdout
    assert counted() == (0, 1)
    assert "1 more noted as gone" in command(settings, "status").stdout
    doctor = " ".join(command(settings, "doctor").stdout.split())
    assert "ok objects: none that could not be read; 1 noted as gone" in doctor
    assert not listed(settings, "ledger", "list", "--state", "failed")["objects"]
    (row,) = listed(settings, "ledger", "list", "--state", "gone")["objects"]
    assert (row["state"], row["gone_by"], row["gone_note"]) == ("gone", "ada", "a test of ours")
    assert "JSON ends early" in row["reason"]
    torn.write_text('{"Records": [')
    backfill(settings, tmp_path / "trail")
    assert counted() == (1, 0), "it is there again"
