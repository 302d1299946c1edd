"""A number has its noun in the singular or plural, as one module decides."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detections.packs.describe import counted
from detections.packs.loading import load
from detections.packs.pack import Pack
from trailhound.app.checklist.answers import (
    ChecklistFacts,
    ClusterFacts,
    mails_reports,
    notifies,
    reacts,
    rules_of_kinds,
)
from trailhound.app.health.readiness import Readiness
from trailhound.plural import plural
from trailhound.settings import DetectionSettings, Settings

ROOT = Path(__file__).parents[2]
SOURCES = [
    file
    for folder in ("trailhound", "detections", "ingest", "enrich", "dashboards")
    for file in (ROOT / folder).rglob("*.py")
]
OF_ITS_OWN = re.compile(r"""(''|"") if [^{}]{1,40} == 1 else ['"]s['"]\}""")
"""The end of a noun, decided on the spot."""


def test_no_module_decides_for_itself() -> None:
    assert len(SOURCES) > 300
    found = [str(file) for file in SOURCES if OF_ITS_OWN.search(file.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1234, "1,234 entries")],
)
def test_one_is_singular(number: int, said: str) -> None:
    assert plural(number, "entry", "entries") == said


def facts(pack: Pack, **settings: Any) -> ChecklistFacts:
    nothing = "not asked"
    return ChecklistFacts(
        posture=nothing,
        cluster=nothing,
        dashboards=nothing,
        pack=pack,
        settings=Settings(**settings),
    )


def test_the_checklist_counts_one() -> None:
    channel = {"name": "hook", "kind": "webhook", "url": "https://127.0.0.1/x", "secret": "s"}
    pack = load(DetectionSettings())
    for number, channels in ((1, "1 channel: hook"), (2, "2 channels: hook, two")):
        given = [channel, channel | {"name": "two"}][:number]
        known = facts(pack, notify={"channels": given})
        assert notifies(known).evidence == reacts(known).evidence == channels
    one = next(rule for rule in pack.rules if rule.kind == "impossible_travel")
    known = facts(replace(pack, rules=(one,)), report={"mail": {"to": ["a@example.org"]}})
    assert rules_of_kinds("impossible_travel")(known).evidence.startswith("1 rule of kind")
    nothing = ClusterFacts(readiness=Readiness(()))
    assert mails_reports(known, nothing).evidence.endswith("to 1 address")


def test_a_pack_counts_one() -> None:
    pack = load(DetectionSettings())
    alert = next(rule for rule in pack.rules if rule.alerts)
    part = next(rule for rule in pack.rules if not rule.alerts)
    said = counted(Pack(rules=(alert, part)))
    assert said == "2 rules: 1 that alerts, 1 part of others"
    assert counted(Pack(rules=(alert,))) == "1 rule: 1 that alerts, 0 parts of others"
