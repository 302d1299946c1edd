"""Several workers on one backfill: the same index and the same counts as one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.helpers.processes import identity_holds, printed, run
from tests.helpers.trails import documents, ledger, own_settings, prepared
from trailhound.sample import SampleSpec, write_sample


def test_three_workers_do_what_one_does(engine: str, namespace: str, tmp_path: Path) -> None:
    trail = tmp_path / "trail"
    write_sample(trail, SampleSpec(events=1_000, days=2, duplicates=0.1))
    (trail / "other.json").write_text("{}")
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)

    first = printed(run(settings, "backfill", str(trail), "--workers", "3", "--json").stdout)
    assert identity_holds(first)
    assert (first["indexed"], first["duplicates"]) == (1_000, 100)
    assert first["ignored_kinds"] == {"other JSON": 1}  # counted once
    assert len(documents(client, settings)) == 1_000
    entries = ledger(client, settings)
    states = Counter(entry["state"] for entry in entries)
    assert states == {"done": first["objects"], "skipped": 1}

    second = printed(run(settings, "backfill", str(trail), "--workers", "2", "--json").stdout)
    assert (second["objects"], second["skipped_objects"]) == (0, first["objects"])

    forced = run(settings, "backfill", str(trail), "--workers", "2", "--force", "--json")
    assert printed(forced.stdout)["duplicates"] == 1_100


def test_what_a_worker_meets_is_told_as_by_one_process(tmp_path: Path) -> None:
    trail = tmp_path / "trail"
    write_sample(trail, SampleSpec(events=100, days=1))
    settings = own_settings("http://127.0.0.1:9", "nobody", tmp_path / "home")
    ended = run(settings, "backfill", str(trail), "--workers", "2")
    assert ended.returncode == 3
    assert b"http://127.0.0.1:9 cannot be reached" in ended.stderr
    assert b"Traceback" not in ended.stderr

    stream = run(settings, "backfill", "-", "--workers", "2", stdin=b"{}")
    assert stream.returncode == 2
    assert b"one stream" in stream.stderr
