"""What a stored file or digest may hold: one gzip stream, within a limit, however it inflates."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from ingest.integrity.store import FolderStore, Name, hashed, unpacked
from trailhound.errors import CorruptFileError, FileTooLargeError, ObjectUnreadableError

MIB = 1024 * 1024


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize("read", [hashed, unpacked])
def test_a_bomb_is_not_inflated_to_its_end(read: object) -> None:
    bomb = Counted(gzip.compress(bytes(200 * MIB), 9))
    whole = len(bomb.getvalue())
    with pytest.raises(FileTooLargeError, match="1,048,576 bytes"):
        read(bomb, "a-digest", MIB)  # type: ignore[operator]
    assert bomb.taken < whole / 8, "it inflates to 16 MiB at the most"


@pytest.mark.parametrize("read", [hashed, unpacked])
@pytest.mark.parametrize("more", [gzip.compress(b"{}"), b"\0", b"{}"], ids=["gzip", "zero", "text"])
def test_nothing_may_follow_the_stream(read: object, more: bytes) -> None:
    with pytest.raises(CorruptFileError, match="after the end"):
        read(io.BytesIO(gzip.compress(b"{}") + more), "a-file", MIB)  # type: ignore[operator]


def test_a_bomb_within_a_bomb_is_what_it_holds() -> None:
    """A digest's hash is of one layer; nobody inflates further."""
    inner = gzip.compress(bytes(8 * MIB), 9)
    assert unpacked(io.BytesIO(gzip.compress(inner)), "x", MIB) == inner


@pytest.mark.parametrize("key", ["AWSLogs/../../outside", "{outside}"])
def test_what_is_outside_of_a_folder_is_not_looked_at(key: str, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "trail"
    outside.write_bytes(b"{}")
    (folder / "AWSLogs").mkdir(parents=True)
    store, name = FolderStore(str(folder)), Name("", key.format(outside=outside))
    for look in (store.etag, store.file, store.digest):
        with pytest.raises(ObjectUnreadableError, match="leads out of the folder") as refused:
            look(name)
        assert refused.value.hint
