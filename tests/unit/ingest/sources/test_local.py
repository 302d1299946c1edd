"""Folders, files and globs as sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ingest.objects import WHOLE_BYTES, Selection, Source, TrailObject
from ingest.reading import ReadLimits, TrailReader
from ingest.sources import open_source
from ingest.sources.opening import open_object
from trailhound.errors import (
    NotATrailFileError,
    NotCloudTrailError,
    ObjectAccessDeniedError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    SourceUnreachableError,
    UsageError,
)
from trailhound.settings import Settings

ALL = Selection()
NOBODY = 65534


def source(text: Path | str) -> Source:
    return open_source(str(text), Settings())


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")


def names(found: Iterator[TrailObject], root: Path) -> list[str]:
    return [item.uri.removeprefix(f"{root}/") for item in found]


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """A copied bucket with all that lies about in one."""
    root = tmp_path.resolve()
    put(
        root,
        "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/03/01/a.json.gz",
        "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/03/02/b.json.gz",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2024/03/01/c.json.gz",
        "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2024/03/01/d.json.gz",
        "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/03/01/e.json.gz",
        "AWSLogs/444455556666/CloudTrail/us-east-1/2024/03/04/f.json.gz",
        "AWSLogs/444455556666/Config/us-east-1/2024/3/4/g.json.gz",
        "README.md",
        "labels.json",
        ".hidden.json",
        ".git/h.json",
        "exports/i.jsonl",
    )
    return root


def test_a_folder_gives_its_trail_files_and_counts_the_rest(trail: Path) -> None:
    opened = source(trail)
    found = names(opened.objects(ALL), trail)
    assert sorted(Path(name).name[0] for name in found) == ["R", "a", "b", "c", "d", "f", "i", "l"]
    assert found == names(source(trail).objects(ALL), trail)
    assert opened.ignored == {"digest": 1, "AWS Config history": 1, "hidden file": 1}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(since=date(2024, 3, 2)), "bfi"),
        (Selection(until=date(2024, 3, 1)), "abcdi"),
        (Selection(since=date(2024, 3, 2), until=date(2024, 3, 2)), "bi"),
        (Selection(accounts=frozenset({"444455556666"})), "fi"),
        (Selection(regions=frozenset({"eu-west-1"})), "abi"),
    ],
)
def test_a_folder_is_selected_by_its_layout(
    trail: Path, selection: Selection, expected: str
) -> None:
    found = names(source(trail).objects(selection), trail)
    # What lies outside the layout has no day, and may hold events of any.
    assert "".join(sorted(Path(name).name[0] for name in found)) == f"R{expected}l"


def test_a_folder_deep_in_the_layout_still_knows_where_it_lies(trail: Path) -> None:
    region = trail / "AWSLogs/111122223333/CloudTrail/eu-west-1"
    chosen = Selection(since=date(2024, 3, 2), accounts=frozenset({"111122223333"}))
    assert names(source(region).objects(chosen), region) == ["2024/03/02/b.json.gz"]
    other = Selection(accounts=frozenset({"444455556666"}))
    assert names(source(region).objects(other), region) == []


def test_a_named_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    put(tmp_path, "events.txt")
    (item,) = source(tmp_path / "events.txt").objects(Selection(since=date(2030, 1, 1)))
    assert item.size == 2
    about = (tmp_path / "events.txt").stat()
    assert item.etag == f"{about.st_size}-{about.st_mtime_ns}"
    assert item.uri == str((tmp_path / "events.txt").resolve())


def test_a_relative_path_is_named_by_its_absolute_one(
    trail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trail)
    assert names(source("exports").objects(ALL), trail) == ["exports/i.jsonl"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("exports/*", "i"),
        ("**/eu-west-1/**/*.gz", "ab"),
        ("AWSLogs/*/CloudTrail/us-east-1", "cf"),
        ("**", "abcdfiRl"),
        ("*.json", "l"),
        ("*.md", "R"),
    ],
)
def test_globs(trail: Path, pattern: str, expected: str) -> None:
    found = names(source(trail / pattern).objects(ALL), trail)
    assert "".join(sorted(Path(name).name[0] for name in found)) == "".join(sorted(expected))


def test_a_name_with_brackets_that_is_there_is_no_pattern(tmp_path: Path) -> None:
    put(tmp_path, "[2024]/a.json")
    assert len(list(source(tmp_path / "[2024]").objects(ALL))) == 1


def test_nothing_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachableError, match="no such file or folder"):
        source(tmp_path / "missing")
    with pytest.raises(SourceUnreachableError, match="nothing matches"):
        list(source(tmp_path / "*.json").objects(ALL))


def test_links_may_lead_in_circles_and_nowhere(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    put(root, "a/x.json", "outside/y.json")
    (root / "a/again").symlink_to(root / "a")
    (root / "a/up").symlink_to(root)
    (root / "a/out.json").symlink_to(root / "outside/y.json")
    (root / "a/nowhere.json").symlink_to(root / "none.json")
    opened = source(root / "a")
    found = list(opened.objects(ALL))
    uris = [item.uri.removeprefix(f"{root}/") for item in found]
    assert sorted(uris) == ["a/x.json", "none.json", "outside/y.json", "outside/y.json"]
    gone = next(item for item in found if item.uri.endswith("none.json"))
    with pytest.raises(ObjectNotFoundError):
        opened.open(gone)


def test_pipes_in_a_folder_are_passed_by(tmp_path: Path) -> None:
    put(tmp_path, "a.json")
    os.mkfifo(tmp_path / "b.json")
    opened = source(tmp_path)
    assert len(list(opened.objects(ALL))) == 1
    assert opened.ignored == {"pipe, socket or device": 1}


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.json"
    Path(os.fsdecode(raw)).write_bytes(b"{}")
    opened = source(tmp_path)
    (item,) = opened.objects(ALL)
    assert item.uri.encode().endswith(b"/caf\\xe9.json")
    assert opened.open(item).read() == b"{}"


def test_a_name_leads_out_of_no_folder(tmp_path: Path) -> None:
    """A file's own name may look like the bytes of another path."""
    put(tmp_path, "secret.json", "watched/a/b.json")
    item = TrailObject(f"{tmp_path}/watched/a\\x2f..\\x2f..\\x2fsecret.json", "", 2)
    with pytest.raises(ObjectNotFoundError):
        source(tmp_path / "watched").open(item)


def test_the_depth_of_a_folder_costs_nothing(tmp_path: Path) -> None:
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(sys.getrecursionlimit() + 100):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.json").write_bytes(b"{}")
        os.chdir(here)
        (item,) = source(tmp_path).objects(ALL)
        assert item.size == 2
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # rmtree recurses


def test_open_gives_the_bytes_as_they_are_now(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"first")
    opened = source(path)
    (item,) = opened.objects(ALL)
    for content in (b"first", b"short"[:3], b"much longer than it was"):
        path.write_bytes(content)
        with opened.open(item) as stream:
            assert stream.read() == content


def test_a_large_file_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(WHOLE_BYTES + 1)
    opened = source(path)
    (item,) = opened.objects(ALL)
    with opened.open(item) as stream:
        assert stream.fileno() > 0
    grown = TrailObject(item.uri, item.etag, 5)
    with opened.open(grown) as stream:
        assert stream.fileno() > 0


def test_a_deleted_file_is_gone(tmp_path: Path) -> None:
    put(tmp_path, "a.json")
    opened = source(tmp_path)
    (item,) = opened.objects(ALL)
    (tmp_path / "a.json").unlink()
    with pytest.raises(ObjectNotFoundError, match=r"a\.json: deleted"):
        opened.open(item)


def test_a_folder_in_a_file_s_place_is_unreadable(tmp_path: Path) -> None:
    put(tmp_path, "a.json")
    opened = source(tmp_path)
    (item,) = opened.objects(ALL)
    (tmp_path / "a.json").unlink()
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ObjectUnreadableError):
        opened.open(item)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an account without rights can enter; the test may be run as root."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root reads everything, so root steps down for the test."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    yield
    if root:
        os.seteuid(0)


def test_a_denied_file_and_a_denied_folder_stop_nothing_else(
    open_folder: Path, request: pytest.FixtureRequest
) -> None:
    put(open_folder, "a.json", "b.json", "c/d.json")
    for path in open_folder.rglob("*"):
        path.chmod(0o755)
    (open_folder / "a.json").chmod(0)
    (open_folder / "c").chmod(0)
    request.getfixturevalue("unprivileged")
    opened = source(open_folder)
    found = list(opened.objects(ALL))
    assert [Path(item.uri).name for item in found] == ["a.json", "b.json", "c"]
    for item in (found[0], found[2]):
        with pytest.raises(ObjectAccessDeniedError, match="permission denied"):
            opened.open(item)
    assert opened.open(found[1]).read() == b"{}"


def test_a_denied_root_is_unreachable(open_folder: Path, request: pytest.FixtureRequest) -> None:
    (open_folder / "c").mkdir()
    (open_folder / "c").chmod(0)
    request.getfixturevalue("unprivileged")
    with pytest.raises(SourceUnreachableError, match="cannot be listed"):
        list(source(open_folder / "c").objects(ALL))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("gs://bucket/x", "not a source"),
        ("s3:///key", "names no bucket"),
        ("s3://bucket/AWSLogs/*/CloudTrail", "wildcards are for files"),
    ],
)
def test_what_names_no_source(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        source(text)
    assert caught.value.hint


def test_a_selection_that_selects_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is after"):
        open_source(
            str(tmp_path), Settings(), Selection(since=date(2024, 2, 1), until=date(2024, 1, 1))
        )
    with pytest.raises(UsageError, match="is not an account id"):
        open_source(str(tmp_path), Settings(), Selection(accounts=frozenset({"prod"})))


def test_what_cannot_be_looked_at_is_a_fault_and_no_empty_file(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").touch()
    folder = source(tmp_path)
    found = {Path(item.uri).name: item for item in folder.objects(ALL)}
    with pytest.raises(ObjectNotFoundError) as lost:
        open_object(folder, found["nowhere"])
    said = f"there is no such file, and {tmp_path / 'dangling'} is a symbolic link to it"
    assert said in lost.value.message
    with pytest.raises(ObjectUnreadableError, match="loop"):
        open_object(folder, found["loop"])
    with pytest.raises(NotCloudTrailError, match="empty file"):
        open_object(folder, found["empty"])


def test_a_compressed_file_is_no_other_thing_where_trail_files_are(tmp_path: Path) -> None:
    """`zstd -r AWSLogs` makes files that hold events, and that nobody may take for read."""
    day = "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/03/01"
    for name in (f"{day}/a.json.zst", "backup/a.tar.zst"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"\x28\xb5\x2f\xfd" + bytes(30))
    folder = source(tmp_path)
    found = {Path(item.uri).name: item for item in folder.objects(ALL)}
    with (
        open_object(folder, found["a.json.zst"]) as stream,
        pytest.raises(NotATrailFileError, match="compressed with zstandard"),
    ):
        list(TrailReader(stream, ReadLimits(), name="a.json.zst").chunks())
    with pytest.raises(NotCloudTrailError, match="zstandard"):
        open_object(folder, found["a.tar.zst"])


def test_a_pipe_that_a_pattern_matches_is_counted_and_never_opened(tmp_path: Path) -> None:
    put(tmp_path, "a.json")
    os.mkfifo(tmp_path / "a.pipe")
    matched = source(tmp_path / "a.*")
    assert [Path(item.uri).name for item in matched.objects(ALL)] == ["a.json"]
    assert matched.ignored == {"pipe, socket or device": 1}
