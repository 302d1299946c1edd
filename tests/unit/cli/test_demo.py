"""The commands that the demo ends with."""

from __future__ import annotations

import re
from pathlib import Path

from trailhound.cli.demo import NAMESPACE, next_commands

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")


INDEX = "http://127.0.0.1:9210/demo-cloudtrail"


def test_a_backfill_of_ones_own_bucket_is_not_into_the_demos_namespace() -> None:
    named = next_commands("trailhound", NAMESPACE, INDEX, "")
    comment = next(n for n, line in enumerate(named) if line.startswith("# your own events"))
    own, others = named[comment + 1 :], named[:comment]
    assert [line.split()[1] for line in own] == ["init", "backfill"]
    assert all(line.endswith("--namespace ''") for line in own), "also if the shell has another"
    assert all(f"--namespace {NAMESPACE}" in it for it in others if it.startswith("trailhound"))


def test_the_most_severe_incident_can_be_read_next() -> None:
    named = next_commands("trailhound", NAMESPACE, INDEX, "afc9dfd73e38aa7da413f272")
    assert f"trailhound incidents show afc9dfd7 --namespace {NAMESPACE}" in named
    assert not any(" show " in line for line in next_commands("trailhound", NAMESPACE, INDEX, ""))


def test_the_readme_leaves_the_demos_namespace_before_the_first_backfill_of_a_bucket() -> None:
    lines = re.findall(
        r"^(export TRAILHOUND_NAMESPACE=demo|unset TRAILHOUND_NAMESPACE|trailhound backfill s3://)",
        README,
        re.MULTILINE,
    )
    assert lines[:3] == [
        "export TRAILHOUND_NAMESPACE=demo",
        "unset TRAILHOUND_NAMESPACE",
        "trailhound backfill s3://",
    ]
