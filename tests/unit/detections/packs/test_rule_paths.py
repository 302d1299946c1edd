"""Which files and folders of rules cannot be read, and why."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from detections.packs.loading import load
from detections.packs.rule_paths import unread_paths
from trailhound.settings import DetectionSettings

NOBODY = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter: root reads everything, and steps down for the test."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(0)
        yield Path(made)
        if root:
            os.seteuid(0)


def step_down() -> None:
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def test_each_path_is_named_with_its_setting_and_reason(folder: Path) -> None:
    open_rules, denied = folder / "rules", folder / "denied"
    (open_rules / "inner").mkdir(parents=True)
    (open_rules / "a.yml").write_text("title: A\n", encoding="utf-8")
    (open_rules / "b.yml").symlink_to(folder / "nowhere.yml")
    (open_rules / "inner").chmod(0)
    (open_rules / "a.yml").chmod(0)
    (denied / "below").mkdir(parents=True)
    denied.chmod(0)
    settings = DetectionSettings(
        rules=[open_rules, denied / "below", open_rules / "a.yml" / "under"],
        exceptions=[folder / "gone"],
    )
    step_down()
    assert [each.message for each in unread_paths(settings)] == [
        f"detections.rules: the file cannot be read: {open_rules / 'a.yml'}",
        f"detections.rules: the file cannot be read: {open_rules / 'b.yml'}",
        f"detections.rules: the folder cannot be read: Permission denied: {open_rules / 'inner'}",
        f"detections.rules: it cannot be read: Permission denied: {denied / 'below'}",
        f"detections.rules: no such file or folder: {open_rules / 'a.yml' / 'under'}",
        f"detections.exceptions: no such file or folder: {folder / 'gone'}",
    ]
    shipped = {each.id for each in load(DetectionSettings()).rules}
    assert {each.id for each in load(settings).rules} == shipped


def test_nothing_is_said_of_what_can_be_read(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "rule.yml").write_text("title: [", encoding="utf-8")
    settings = DetectionSettings(rules=[folder], exceptions=[folder / "empty"])
    assert unread_paths(settings) == [], "that it is no YAML is a fault of the rules"
