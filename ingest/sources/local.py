"""Trail files on this machine: a folder, a file, a glob."""

from __future__ import annotations

import glob
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ingest.objects import UNSEEN, WHOLE_BYTES, Selection, TrailObject
from ingest.sources.layout import select
from ingest.sources.walk import Walk
from trailhound.errors import (
    ObjectAccessDeniedError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
)


class LocalSource:
    """The trail files of a folder (with all beneath it), a file, or a glob with `**`.

    Files whose names say nothing are read if their first bytes show CloudTrail records. Days,
    accounts and regions select by the layout's folders or by CloudTrail's file names where a path
    has them; all else is read. Order is that of the names.
    """

    def __init__(self, text: str) -> None:
        """Raises `SourceNotFoundError` where nothing of that name is there."""
        self._text = str(Path(text).expanduser())
        self._ignored: Counter[str] = Counter()
        exists = os.path.lexists(self._text)
        if not exists and not glob.has_magic(self._text):
            raise SourceNotFoundError(
                f"{text}: no such file or folder{_in_another_case(self._text)}",
                hint="check the path; S3 is s3://bucket/prefix",
            )
        self._glob = not exists

    @property
    def uri_prefix(self) -> str | None:
        """With what the names of a folder's files begin, but for those that links lead to; None of
        a file and of a glob."""
        if self._glob or not Path(self._text).is_dir():
            return None
        return _uri(os.path.realpath(self._text)).rstrip("/") + "/"

    @property
    def ignored(self) -> Mapping[str, int]:
        """Files seen so far that are no trail files by their name, by what they are."""
        return self._ignored

    def objects(self, selection: Selection) -> Iterator[TrailObject]:
        """The trail files selected, lazily. Raises `SourceUnreachableError`.

        A folder that may not be listed is listed as an object, so that opening it fails and the
        rest is read.
        """
        if self._glob:
            yield from self._globbed(selection)
        elif Path(self._text).is_dir():
            yield from self._folders([os.path.realpath(self._text)], selection)
        else:
            yield _made(os.path.realpath(self._text))

    def open(self, item: TrailObject) -> BinaryIO:
        """The file, in memory up to 16 MiB.

        Raises `ObjectNotFoundError`, `ObjectAccessDeniedError`, `ObjectUnreadableError`.
        Bare system calls: for a small file they cost a third of what a file object does.
        """
        path = path_of(item.uri)
        try:
            if item.size <= WHOLE_BYTES and (data := _whole(path, item.size)) is not None:
                return io.BytesIO(data)
            return open(path, "rb")  # noqa: PTH123 - a path may be bytes
        except (OSError, ValueError) as error:
            raise _dangling(error, item) or file_error(error, item.uri) from error

    def head(self, item: TrailObject, size: int) -> bytes:
        """The file's first bytes. Raises as `open` does."""
        with self.open(item) as stream:
            return stream.read(size)

    def _globbed(self, selection: Selection) -> Iterator[TrailObject]:
        """What a pattern matches. Folders are walked too, unless `**` has been there already."""
        matches = sorted(glob.iglob(self._text, recursive=True))  # noqa: PTH207
        if not matches:
            raise SourceNotFoundError(f"{self._text}: nothing matches", hint="check the pattern")
        folders = [] if "**" in self._text else [each for each in matches if Path(each).is_dir()]
        files = [each for each in matches if not Path(each).is_dir()]
        if special := [each for each in files if Path(each).exists() and not Path(each).is_file()]:
            self._ignored["pipe, socket or device"] += len(special)
            files = [each for each in files if each not in special]
        yield from self._folders([os.path.realpath(each) for each in folders], selection)
        yield from self._classified(
            # a link's own path is classified, not its target
            ((os.path.abspath(each), os.path.realpath(each)) for each in files),  # noqa: PTH100
            selection,
        )

    def _folders(self, roots: list[str], selection: Selection) -> Iterator[TrailObject]:
        walk = Walk(roots)
        for root in roots:
            try:
                os.scandir(root).close()
            except OSError as error:
                raise SourceUnreachableError(
                    f"{root}: cannot be listed ({error.strerror})", hint="check its permissions"
                ) from error
        yield from self._classified(walk.files(), selection)
        if walk.special:
            self._ignored["pipe, socket or device"] += walk.special
        for folder in walk.unlisted:
            yield TrailObject(_uri(folder), UNSEEN, 0)

    def _classified(
        self, found: Iterator[tuple[str, str]], selection: Selection
    ) -> Iterator[TrailObject]:
        """Classified by the path walked, named by the real one behind any symbolic link."""
        return select(
            found,
            selection,
            self._ignored,
            path=lambda paths: paths[0],
            made=lambda paths: _made(paths[1], walked=paths[0]),
        )


def _in_another_case(path: str) -> str:
    """`; there is …` where names that differ in upper and lower case alone lead somewhere."""
    found = Path(Path(path).absolute().anchor)
    for part in Path(path).absolute().parts[1:]:
        try:
            names = {each.name for each in found.iterdir()} if part != ".." else {part}
        except OSError:
            return ""
        same = {name for name in names if name.casefold() == part.casefold()}
        if not same:
            return ""
        found /= part if part in same else min(same)
    return f"; there is {found}"


def _whole(path: str | bytes, size: int) -> bytes | None:
    """A file's bytes, `size` or so; None where they are more than 16 MiB."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, size + 1)
        if len(data) == size:
            return data
        parts = [data]
        total = len(data)
        while parts[-1] and total <= WHOLE_BYTES:
            parts.append(os.read(descriptor, WHOLE_BYTES - total + 1))
            total += len(parts[-1])
        return b"".join(parts) if total <= WHOLE_BYTES else None
    finally:
        os.close(descriptor)


def _dangling(error: Exception, item: TrailObject) -> SourceError | None:
    """Why a file could not be read that a symbolic link names, where the link leads nowhere: the
    person knows the link, not where it leads. None for anything else."""
    # `_made` could not look at it either: a file that was deleted since is told apart by that.
    if item.etag != UNSEEN or not (item.walked and Path(item.walked).is_symlink()):
        return None
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return None
    return ObjectNotFoundError(
        f"{item.uri}: there is no such file, and {_uri(item.walked)} is a symbolic link to it",
        hint="remove the link, or put the file in place",
    )


def file_error(error: Exception, uri: str) -> SourceError:
    """Why a file could not be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ObjectNotFoundError(
            f"{uri}: deleted since it was listed", hint="it cannot be read any more"
        )
    if isinstance(error, PermissionError):
        return ObjectAccessDeniedError(f"{uri}: permission denied", hint="check its permissions")
    reason = error.strerror if isinstance(error, OSError) else type(error).__name__
    return ObjectUnreadableError(f"{uri}: cannot be read ({reason})", hint="check the disk")


def _made(path: str, walked: str = "") -> TrailObject:
    """A file as an object; where it cannot be looked at, opening it will say why."""
    try:
        about = os.stat(path)  # noqa: PTH116 - Path costs more than the call
    except OSError:
        return TrailObject(_uri(path), UNSEEN, 0, walked)
    etag = etag_of(about)
    return TrailObject(_uri(path), etag, about.st_size, walked if walked != path else "")


def etag_of(about: os.stat_result) -> str:
    """Changes when a file does: its size and the time of its change in nanoseconds."""
    return f"{about.st_size}-{about.st_mtime_ns}"


def _uri(path: str) -> str:
    """The path as text that any store takes: bytes that are no UTF-8 are written `\\xff`."""
    if path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def path_of(uri: str) -> str | bytes:
    """The path that an object's name stands for: only bytes that are no UTF-8, from 0x80 on."""
    if "\\x" not in uri or os.path.lexists(uri):
        return uri
    return re.sub(
        rb"\\x([89a-f][0-9a-f])", lambda found: bytes([int(found[1], 16)]), os.fsencode(uri)
    )
