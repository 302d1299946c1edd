"""The labelled attacks of a sample come out as one path, from the stolen key to the bucket."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from tests.helpers.commands import command
from tests.helpers.trails import backfill, own_settings, prepared
from trailhound.sample import AttackLabel, SampleSpec, write_sample
from trailhound.settings import Settings


def output_of(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, *arguments, "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert isinstance(made, dict)
    return made


def span(attack: AttackLabel) -> tuple[str, str, str, str]:
    return (
        "--since",
        attack.steps[0].event_time,
        "--until",
        attack.steps[-1].event_time.replace("Z", ".999Z"),
    )


def event(settings: Settings, identifier: str) -> dict[str, Any]:
    record: dict[str, Any] = output_of(settings, "event", identifier)["record"]
    return record


def test_a_stolen_key_leads_to_the_bucket_by_the_steps_of_its_label(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    spec = SampleSpec(events=1_500, start=date(2025, 3, 1), days=1, accounts=1)
    made = write_sample(tmp_path / "trail", spec)
    backfill(settings, tmp_path / "trail")
    attacks = {each.name: each for each in made.attacks}
    for name, nodes in (("stolen-key", 4), ("s3-ransomware", 3)):
        attack = attacks[name]
        steps = {each.event_id: each for each in attack.steps}
        reads = [each for each in attack.steps if each.event_name == "GetObject"]
        key = event(settings, attack.steps[0].event_id)["userIdentity"]["accessKeyId"]
        bucket = event(settings, reads[0].event_id)["requestParameters"]["bucketName"]
        asked = ("paths", "--from", f"key:{key}", "--to", f"s3:{bucket}", *span(attack))
        paths = output_of(settings, *asked)["paths"]
        (found,) = [each for each in paths if len(each["path"]) == nodes]
        assert found["path"] == [
            f"key:{key}",
            *(f"user:{arn.rpartition('/')[2]}" for arn in attack.principals),
            f"s3:{bucket}",
        ]
        assert {each["event"] for each in found["steps"]} <= steps.keys()
        # And its time line has every step, the bulk of them on a few lines.
        story = output_of(settings, "timeline", f"key:{key}", *span(attack))
        assert len(story["lines"]) <= story["total"]
        mine = output_of(
            settings, "timeline", attack.principals[-1].rpartition("/")[2], *span(attack)
        )
        assert max(each["count"] for each in mine["lines"]) >= len(reads)
