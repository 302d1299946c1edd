"""A rule's form changes when what it finds does, and only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detections.packs.forms import forms_of
from detections.packs.loading import load
from trailhound.settings import DetectionSettings

PLAIN = "0b6d2c0e-5c3f-4a0e-9d3c-0d6f5f0f1a21"
COUNTED = "0b6d2c0e-5c3f-4a0e-9d3c-0d6f5f0f1a22"
RULES = f"""title: {{title}}
id: {PLAIN}
name: stopped
logsource: {{{{product: aws, service: cloudtrail}}}}
detection:
  call: {{{{eventName: StopLogging}}}}
  service: {{{{userIdentity.invokedBy|expand: '%ours%'}}}}
  condition: call and not service
---
title: Stopped again and again
id: {COUNTED}
correlation:
  type: event_count
  rules: [stopped]
  generate: true
  timespan: 5m
  condition: {{{{gte: {{threshold}}}}}}
"""
EXCEPTION = f"""title: {{title}}
logsource: {{{{product: aws, service: cloudtrail}}}}
filter:
  rules: [{PLAIN}]
  one: {{{{userIdentity.arn|contains: {{name}}}}}}
  condition: not one
"""


def forms(
    folder: Path,
    *exceptions: str,
    threshold: int = 3,
    title: str = "Stopped",
    ours: str = "a.amazonaws.com",
    **override: Any,
) -> tuple[str, str]:
    folder.mkdir(exist_ok=True)
    rules = folder / "rules.yml"
    rules.write_text(RULES.format(threshold=threshold, title=title), encoding="utf-8")
    paths = []
    for name in exceptions:
        paths.append(folder / f"{name}.yml")
        paths[-1].write_text(EXCEPTION.format(title=name, name=name), encoding="utf-8")
    settings = DetectionSettings(
        shipped=False,
        rules=[rules],
        exceptions=paths,
        placeholders={"ours": [ours]},
        overrides={COUNTED: override},
    )
    pack = load(settings)
    assert not pack.problems
    made = forms_of(pack, settings.placeholders)
    return made[PLAIN], made[COUNTED]


def test_a_form_is_what_a_rule_finds(tmp_path: Path) -> None:
    plain, counted = forms(tmp_path / "a")
    assert forms(tmp_path / "b", title="Another title", level="low") == (plain, counted)
    assert forms(tmp_path / "c", threshold=2)[0] == plain
    assert len({counted, forms(tmp_path / "d", threshold=2)[1]}) == 2
    assert forms(tmp_path / "e", threshold=5, timespan="1h")[1] != counted
    # What narrows a rule narrows the correlations that count its events.
    both = {"two": forms(tmp_path / "f", "x", "y"), "one": forms(tmp_path / "g", "x")}
    more = [*both.values(), forms(tmp_path / "h", ours="b.amazonaws.com"), (plain, counted)]
    assert len({each for pair in more for each in pair}) == 2 * len(more)
    # pySigma names the selections of exceptions at random.
    assert forms(tmp_path / "i", "x", "y") == both["two"]
