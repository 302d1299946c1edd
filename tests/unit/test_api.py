"""The documented Python API: what it exports, and that it works without a cluster."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trailhound import api
from trailhound.api import Enricher, RuleSet, TrailFile, TrailFileError, enrich

EXPORTED = {
    "Enricher",
    "Fault",
    "GeoDatabase",
    "ReadLimits",
    "RecordError",
    "RiskTable",
    "Rule",
    "RuleError",
    "RuleSet",
    "SigmaMatcher",
    "ThreatLists",
    "TrailFile",
    "TrailFileError",
    "TrailhoundError",
    "enrich",
}
STOPPED: dict[str, Any] = {
    "eventTime": "2025-03-04T10:00:00Z",
    "eventSource": "cloudtrail.amazonaws.com",
    "eventName": "StopLogging",
    "userIdentity": {"type": "Root", "arn": "arn:aws:iam::111122223333:root"},
    "sourceIPAddress": "203.0.113.9",
    "recipientAccountId": "111122223333",
}


def test_nothing_leaves_the_api_without_notice() -> None:
    assert set(api.__all__) == EXPORTED
    assert all(hasattr(api, name) for name in EXPORTED)


@pytest.mark.parametrize("form", ["path", "bytes", "stream"])
def test_a_file_gives_its_records_and_names_what_is_none(form: str, tmp_path: Path) -> None:
    data = gzip.compress(json.dumps({"Records": [STOPPED, "no record"]}).encode())
    path = tmp_path / "trail.json.gz"
    path.write_bytes(data)
    source = {"path": path, "bytes": data, "stream": io.BytesIO(data)}[form]
    trail = TrailFile(source)  # type: ignore[arg-type]
    assert list(trail) == [STOPPED]
    assert [(fault.position, fault.reason.split(":")[0]) for fault in trail.faults] == [
        (1, "not_an_object")
    ]


def test_a_file_that_is_no_trail_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(TrailFileError, match=r"notes\.txt"):
        list(TrailFile(path))


def test_an_event_is_the_record_and_what_is_added() -> None:
    event = enrich(STOPPED, Enricher())
    assert event.items() >= STOPPED.items()
    assert (event["risk_score"], event["user_type"], event["event_category"]) == (
        10,
        "root_user",
        "logging",
    )


def test_rules_match_an_event_and_those_that_need_history_are_named(tmp_path: Path) -> None:
    rules = RuleSet.shipped()
    assert rules.needs_history
    assert rules.faults == ()
    titles = {rule.title for rule in rules.matching(enrich(STOPPED, Enricher()))}
    assert [title for title in titles if title.startswith("CloudTrail ")]
    assert "RootAccountUsage" in {rule.title for rule in rules.needs_history}
    own = tmp_path / "own.yml"
    own.write_text(
        "title: Mine\nid: 7f4d2f0e-8d2b-4a58-9a57-0f4f6d0f6a11\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection: {call: {eventName: StopLogging}, condition: call}\n"
    )
    assert [rule.title for rule in RuleSet.from_paths([own]).matching(STOPPED)] == ["Mine"]


def test_the_package_runs_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "trailhound", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("trailhound ")


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, trailhound; print([m for m in sys.modules if m.startswith('trailhound.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
