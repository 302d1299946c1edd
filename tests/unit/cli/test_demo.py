"""The commands that the demo ends with."""

from __future__ import annotations

import re
from pathlib import Path

from trailhound.cli.demo import NAMESPACE, next_commands

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")


def test_a_backfill_of_ones_own_bucket_is_not_into_the_demos_namespace() -> None:
    named = next_commands("trailhound", NAMESPACE, "http://127.0.0.1:9210/demo-cloudtrail")
    own = next(n for n, line in enumerate(named) if " backfill s3://" in line)
    assert any(line.startswith("unset TRAILHOUND_NAMESPACE ") for line in named[:own])
    assert all(
        f"--namespace {NAMESPACE}" in line for line in named[:own] if line.startswith("trailhound")
    )


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
