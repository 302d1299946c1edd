"""Standard input and pipes as sources."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ingest.objects import Selection, TrailObject
from ingest.sources import open_source
from ingest.sources import stream as streams
from ingest.sources.stream import StreamSource
from trailhound.errors import ObjectUnreadableError, SourceUnreachableError, UsageError
from trailhound.settings import Settings

ALL = Selection()


def stream(content: bytes, limit: int = 1_000_000) -> StreamSource:
    return StreamSource("-", lambda: io.BytesIO(content), limit=limit)


def test_the_same_stream_has_the_same_etag() -> None:
    content = b'{"Records":[]}' * 1000
    (item,) = stream(content).objects(ALL)
    assert item == TrailObject("-", hashlib.sha256(content).hexdigest(), len(content))
    assert list(stream(content).objects(ALL)) == [item]
    assert list(stream(content + b" ").objects(ALL)) != [item]


def test_the_bytes_can_be_opened_again_and_at_once() -> None:
    source = stream(b"abcdef")
    (item,) = source.objects(ALL)
    with source.open(item) as one, source.open(item) as two:
        assert one.read(3) == b"abc"
        assert two.read() == b"abcdef"
        assert one.read() == b"def"
    assert list(source.objects(ALL)) == [item]


def test_a_stream_beyond_the_limit_is_refused() -> None:
    assert len(list(stream(b"12345", limit=5).objects(ALL))) == 1
    with pytest.raises(SourceUnreachableError, match="longer than 5 bytes") as caught:
        list(stream(b"123456", limit=5).objects(ALL))
    assert "max_uncompressed_bytes" in caught.value.hint


def test_another_process_s_stream_cannot_be_opened() -> None:
    with pytest.raises(ObjectUnreadableError, match="only once"):
        stream(b"").open(TrailObject("-", "etag", 1))


def test_a_named_pipe_is_a_stream(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"piped",), daemon=True)
    writer.start()
    source = open_source(str(pipe), Settings())
    (item,) = source.objects(ALL)
    writer.join()
    assert item.uri == str(pipe)
    assert source.open(item).read() == b"piped"


def test_what_may_never_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_PIPE_SECONDS", 0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="nothing was written"):
        list(open_source(str(pipe), Settings()).objects(ALL))
    with pytest.raises(UsageError, match="/dev/zero is a device"):
        open_source("/dev/zero", Settings())
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path has 107 bytes at most
        listening.bind("socket")
        with pytest.raises(UsageError, match="is a socket"):
            open_source(str(tmp_path / "socket"), Settings())


def test_what_a_shell_has_opened_is_a_stream() -> None:
    script = (
        "from ingest.objects import Selection\n"
        "from ingest.sources import open_source\n"
        "from trailhound.settings import Settings\n"
        "source = open_source('/dev/stdin', Settings())\n"
        "(item,) = source.objects(Selection())\n"
        "print(source.open(item).read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=b"piped", capture_output=True, check=True
    )
    assert done.stdout == b"b'piped'\n"


def test_standard_input_of_a_process() -> None:
    script = (
        "from ingest.objects import Selection\n"
        "from ingest.sources import open_source\n"
        "from trailhound.settings import Settings\n"
        "source = open_source('-', Settings())\n"
        "(item,) = source.objects(Selection())\n"
        "print(item.uri, item.size, source.open(item).read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=b"piped", capture_output=True, check=True
    )
    assert done.stdout == b"- 5 b'piped'\n"
