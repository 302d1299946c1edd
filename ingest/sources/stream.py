"""Trail files from standard input or a pipe: a stream that can be read only once."""

from __future__ import annotations

import hashlib
import io
import os
import select
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from ingest.objects import Selection, TrailObject
from trailhound.errors import ObjectUnreadableError, SourceUnreachableError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN: Final = "-"
_CHUNK: Final = 1024 * 1024
_PIPE_SECONDS: Final = 10


class StreamSource:
    """One stream as one object, named `-` (or as the pipe is).

    The stream is put into a temporary file first (in `TMPDIR`, unlinked, at most `limit` bytes):
    only then is its etag known, the SHA-256 of its bytes, by which the same stream, given again,
    is recognised as done. Days, accounts and regions select nothing here: they are in the events.
    """

    ignored: Mapping[str, int] = MappingProxyType({})

    def __init__(self, name: str, opened: Callable[[], BinaryIO], *, limit: int) -> None:
        """`opened` gives the stream; `limit` is in bytes, as they come."""
        self._name = name
        self._opened = opened
        self._limit = limit
        self._spool: BinaryIO | None = None
        self._etag = ""

    def objects(self, selection: Selection) -> Iterator[TrailObject]:  # noqa: ARG002
        """The one object, once the stream has ended. Raises `SourceUnreachableError`."""
        if self._spool is None:
            self._spool = self._spooled()
        yield TrailObject(self._name, self._etag, os.fstat(self._spool.fileno()).st_size)

    def head(self, item: TrailObject, size: int) -> bytes:
        """The stream's first bytes. Raises as `open` does."""
        with self.open(item) as stream:
            return stream.read(size)

    def open(self, item: TrailObject) -> BinaryIO:
        """The stream's bytes, from the start. Raises `ObjectUnreadableError` before `objects`
        is run.
        """
        if self._spool is None or item.etag != self._etag:
            raise ObjectUnreadableError(
                f"{item.uri}: a stream can be read only once",
                hint="send it again, or write it to a file",
            )
        return cast(BinaryIO, io.BufferedReader(_View(self._spool), _CHUNK))

    def _spooled(self) -> BinaryIO:
        digest = hashlib.sha256()
        spool = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - open as long as the source
        size = 0
        try:
            with self._opened() as stream:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if size > self._limit:
                        raise SourceUnreachableError(
                            f"{self._name}: the stream is longer than {self._limit:,} bytes",
                            hint="write it to files, or raise ingest.max_uncompressed_bytes",
                        )
                    digest.update(chunk)
                    spool.write(chunk)
            spool.flush()
        except OSError as error:
            spool.close()
            raise SourceUnreachableError(
                f"{self._name}: the stream cannot be read ({error.strerror})",
                hint=f"check the pipe, and the free disk of {tempfile.gettempdir()}",
            ) from error
        except SourceUnreachableError:
            spool.close()
            raise
        self._etag = digest.hexdigest()
        return spool


class _View(io.RawIOBase):
    """The spool from its start, apart from any other view of it."""

    def __init__(self, spool: BinaryIO) -> None:
        self._descriptor = os.dup(spool.fileno())
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        read = os.preadv(self._descriptor, [buffer], self._at)
        self._at += read
        return read

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def standard_input(limit: int) -> StreamSource:
    """Standard input as a source. Raises `UsageError` where nothing is piped into it."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError(
            "standard input is not piped", hint="zcat file.json.gz | trailhound backfill -"
        )
    return StreamSource(STDIN, lambda: open(sys.stdin.fileno(), "rb", closefd=False), limit=limit)


def opened_pipe(path: str) -> BinaryIO:
    """What the shell has opened (`<(command)`). Raises `OSError`."""
    return open(path, "rb")  # noqa: PTH123 - closed where it is read


def written_pipe(path: str) -> BinaryIO:
    """A named pipe that something writes to.

    Raises `UsageError` where nothing has come within `_PIPE_SECONDS`: opening it as a file would
    wait for a writer for ever. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN | select.POLLHUP)
    if not waiting.poll(_PIPE_SECONDS * 1000):
        os.close(descriptor)
        raise UsageError(
            f"{path} is a named pipe, and nothing was written to it for {_PIPE_SECONDS} seconds",
            hint="start what writes to it first, or pipe it in: … | trailhound backfill -",
        )
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")
