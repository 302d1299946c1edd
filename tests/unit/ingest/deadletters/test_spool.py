"""The spool file: each record once, whole lines alone, and a sentence where it can't be written."""

from __future__ import annotations

import json
import multiprocessing
import resource
import stat
from pathlib import Path
from typing import Any

import pytest

from ingest.deadletters.spool import SPOOL_FILE, Spool, SpoolCount, count_spooled
from tests.helpers.processes import LONGEST
from trailhound.errors import SpoolError


def line(identifier: str, size: int = 10) -> bytes:
    return json.dumps({"id": identifier, "raw": "x" * size}).encode()


def stored(folder: Path) -> list[str]:
    return [json.loads(each)["id"] for each in (folder / SPOOL_FILE).read_bytes().splitlines()]


def test_a_record_is_written_once_by_whomever(tmp_path: Path) -> None:
    first, second = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    assert first.append("a", line("a"))
    assert not first.append("a", line("a"))
    assert second.append("b", line("b"))
    assert not second.append("a", line("a"))
    assert not first.append("b", line("b"))
    assert stored(tmp_path / "spool") == ["a", "b"]
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "spool" / SPOOL_FILE).stat().st_mode) == 0o600


def test_after_a_retry_has_taken_the_file_a_new_one_begins(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert not spool.rotate(tmp_path / "taken")
    spool.append("a", line("a"))
    assert spool.rotate(tmp_path / "taken")
    assert spool.append("a", line("a"))
    assert stored(tmp_path) == ["a"]


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / SPOOL_FILE).write_bytes(line("a") + b'\n\xff\n{"id": "b", "ra')
    spool = Spool(tmp_path)
    assert not spool.append("a", line("a"))
    assert spool.append("b", line("b"))
    assert (tmp_path / SPOOL_FILE).read_bytes().endswith(b'"ra\n' + line("b") + b"\n")


def test_a_folder_that_cannot_be_had_is_named_and_taken_once_it_can(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    spool = Spool(tmp_path / "spool")
    with pytest.raises(SpoolError, match="Not a directory") as caught:
        spool.append("a", line("a"))
    assert str(tmp_path / "spool") in caught.value.message
    (tmp_path / "spool").unlink()
    assert spool.append("a", line("a"))


def _fill(folder: Path) -> None:
    """In a process of its own: a file may hold 4,000 bytes there."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
    spool = Spool(folder)
    assert spool.append("a", line("a", 1_000))
    for _ in range(2):
        with pytest.raises(SpoolError, match="File too large"):
            spool.append("b", line("b", 5_000))
    assert spool.append("c", line("c", 1_000))


def test_a_write_that_has_no_room_leaves_no_torn_line(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_fill, args=(tmp_path,))
    process.start()
    process.join(LONGEST)
    assert process.exitcode == 0
    assert stored(tmp_path) == ["a", "c"]
    assert Spool(tmp_path).append("b", line("b", 5_000))


def test_a_rewritten_file_keeps_every_line_that_is_not_changed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert count_spooled(tmp_path) == SpoolCount()
    assert spool.rewrite(lambda _: None) == 0
    for identifier in "abc":
        spool.append(identifier, line(identifier))
    with (tmp_path / SPOOL_FILE).open("ab") as torn:
        torn.write(b'{"id": "d", "ra')
    before = (tmp_path / SPOOL_FILE).read_bytes().splitlines(keepends=True)
    marks = {"a": {"by": "ada"}}

    def change(letter: dict[str, Any]) -> dict[str, Any] | None:
        if letter["id"] == "c":
            return None
        return letter | {"dismissed": marks["a"]} if letter["id"] in marks else letter

    assert spool.rewrite(change) == 2
    first, *others = (tmp_path / SPOOL_FILE).read_bytes().splitlines(keepends=True)
    assert json.loads(first) == json.loads(before[0]) | {"dismissed": marks["a"]}
    assert others == [before[1], before[3]]
    assert [each["id"] for each in spool.letters()] == ["a", "b"]
    assert count_spooled(tmp_path) == SpoolCount(waiting=2, dismissed=1)
    assert stat.S_IMODE((tmp_path / SPOOL_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [SPOOL_FILE]
    # The same object and another one know of it.
    assert spool.append("c", line("c"))
    assert not Spool(tmp_path).append("b", line("b"))
