"""Exceptions that end: up to which day they apply, and where it is said that they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from detections.packs.describe import listed_exceptions, problem_lines
from detections.packs.expiry import ended_exceptions
from detections.packs.loading import load
from detections.packs.pack import Pack
from trailhound.cli.main import app
from trailhound.settings import DetectionSettings

TODAY = datetime.now(UTC).date()
PAST = (TODAY - timedelta(days=1)).isoformat()
AHEAD = (TODAY + timedelta(days=2)).isoformat()
"""Also if midnight passes during a test."""
RULE = {
    "title": "Trail deleted",
    "id": "2f0f1b52-6f0e-4d5c-9a31-5d1f7b1c0a11",
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "detection": {"s": {"eventName": "DeleteTrail"}, "condition": "s"},
}
EVENT = {"eventName": "DeleteTrail", "userIdentity": {"userName": "ada"}}


def pack_with(tmp_path: Path, **extension: object) -> Pack:
    known = {
        "title": "Ada deletes trails",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "filter": {
            "rules": [RULE["id"]],
            "known": {"userIdentity.userName": "ada"},
            "condition": "not known",
        },
        **extension,
    }
    (tmp_path / "rule.yml").write_text(yaml.safe_dump(RULE))
    (tmp_path / "known.yml").write_text(yaml.safe_dump(known))
    return load(DetectionSettings(shipped=False, rules=[tmp_path]))


def finds(pack: Pack) -> bool:
    matcher = pack.compiled[str(RULE["id"])].matcher
    assert matcher is not None
    return matcher.matches(EVENT)


def own(pack: Pack) -> tuple[str, str | None]:
    (found,) = [each for each in listed_exceptions(pack) if not each["default"]]
    return found["state"], found["expires"]


def test_an_exception_applies_up_to_its_last_day(tmp_path: Path) -> None:
    endless = pack_with(tmp_path)
    assert (finds(endless), own(endless), endless.next_end) == (False, ("on", None), None)
    pack = pack_with(tmp_path, trailhound={"expires": AHEAD})
    assert (finds(pack), own(pack), str(pack.next_end)) == (False, ("on", AHEAD), AHEAD)
    assert not pack.problems
    assert ended_exceptions([tmp_path]) == []


def test_one_that_ended_is_named_and_leaves_nothing_out(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, trailhound={"expires": PAST})
    assert (finds(pack), own(pack), pack.next_end) == (True, ("ended", PAST), None)
    sentence = f"the exception 'Ada deletes trails' ended with {PAST} and no longer applies"
    assert any(sentence in each for each in problem_lines(pack))
    assert not pack.incomplete
    (ended,) = ended_exceptions([tmp_path])
    assert ended.sentence() == sentence
    checked = CliRunner().invoke(app, ["rules", "check", str(tmp_path)])
    assert checked.exit_code == 0
    assert sentence in " ".join(checked.output.split())
    strict = CliRunner().invoke(app, ["rules", "check", str(tmp_path), "--strict"])
    assert strict.exit_code == 1


@pytest.mark.parametrize(
    ("extension", "word"),
    [
        ({"expires": "soon"}, "'soon' is no day"),
        ({"expires": 12}, "'12' is no day"),
        ({"until": AHEAD}, "has no key 'until'"),
        ([AHEAD], "is not a mapping"),
    ],
)
def test_an_end_that_cannot_be_read_is_a_fault(
    extension: object, word: str, tmp_path: Path
) -> None:
    pack = pack_with(tmp_path, trailhound=extension)
    assert finds(pack), "it is not known up to when it was meant"
    (fault,) = pack.faults
    assert (fault.stops, word in fault.reason) == (True, True), fault
    assert ended_exceptions([tmp_path]) == []
