"""What holds raw events is for its owner alone, and nothing else is touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trailhound.private_files import make_private_folder, open_private, tighten


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    """A home as a release made it that kept to the umask."""
    home = tmp_path / "home"
    for folder in ("spool", "engine/node_1/data", "demo-trail-100"):
        (home / folder).mkdir(parents=True)
    for file in ("spool/deadletters.jsonl", "engine/node_1/data/segment", "demo-report.html"):
        (home / file).write_text("{}")
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return home


def test_what_an_earlier_release_made_is_tightened(old_home: Path) -> None:
    (old_home / "spool" / "deadletters.retrying").symlink_to("/etc/hostname")
    tighten(old_home, old_home / "spool")
    for path in (old_home, *old_home.rglob("*")):
        if not path.is_symlink():
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert tighten(old_home, old_home / "spool") == []


def test_a_home_that_is_shared_with_other_things_keeps_its_mode(old_home: Path) -> None:
    (old_home / "notes.txt").write_text("mine")
    (old_home / "notes.txt").chmod(0o644)
    tighten(old_home, old_home / "spool")
    assert mode(old_home) == 0o755
    assert mode(old_home / "notes.txt") == 0o644
    assert mode(old_home / "spool") == mode(old_home / "engine") == 0o700


def test_a_spool_of_its_own_is_tightened_and_a_shared_one_only_in_its_files(
    tmp_path: Path,
) -> None:
    for name, more in (("own", []), ("shared", ["other.log"])):
        folder = tmp_path / name
        folder.mkdir(mode=0o755)
        for file in ("deadletters.jsonl", *more):
            (folder / file).touch(mode=0o644)
        tighten(tmp_path / "no-home", folder)
        assert mode(folder) == (0o755 if more else 0o700)
        assert mode(folder / "deadletters.jsonl") == 0o600
    assert mode(tmp_path / "shared" / "other.log") == 0o644


def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "a" / "b")
        os.close(open_private(tmp_path / "a" / "b" / "file", os.O_WRONLY | os.O_CREAT))
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "file") == 0o600
