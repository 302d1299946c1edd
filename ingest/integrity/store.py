"""The places where digests and files lie: a bucket, which has the digests' signatures as metadata,
or a copy of it in a folder, which has lost them."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Protocol

from urllib3.exceptions import HTTPError

from ingest.integrity.digest import Digest, layout_of, root_of
from ingest.integrity.findings import AFTER, DAMAGED
from ingest.objects import Selection
from ingest.sources.aws_codes import FAILURES
from ingest.sources.layout import DIGESTS, INGESTED
from ingest.sources.local import etag_of, file_error
from ingest.sources.s3 import S3Source
from ingest.sources.s3_errors import listing_error, object_error
from ingest.sources.s3_listing import Listing
from ingest.sources.walk import Walk
from trailhound.errors import (
    CorruptFileError,
    FileTooLargeError,
    ObjectUnreadableError,
    SourceNotFoundError,
)
from trailhound.regular_files import irregular
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PIECE: Final = 16 * 1024
"""Bytes of compressed data that are inflated at once; they can become a thousand times as many."""
_GZIP: Final = 31
"""zlib's `wbits` for a stream with gzip's header and checksum."""
_BROKEN: tuple[type[Exception], ...] = (*FAILURES, HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class Signed:
    """A digest as it is stored, with its signature, which is None where it is lost."""

    stream: BinaryIO
    signature: str | None = None


class Name(NamedTuple):
    """The name that a digest has for an object. Without a bucket it is in the store's own."""

    bucket: str
    key: str


class Store(Protocol):
    """A place that is verified."""

    signed: bool
    """Whether it has signatures at all."""

    def listed(self, since: date | None = None, /) -> Iterator[str]:
        """Every key of it, once; with `since` perhaps only those that may lie in that day's folder
        or a later one's. Raises `SourceUnreachableError`."""

    def address(self, name: Name, /) -> str:
        """The name for people: an `s3://` address or a path."""

    def digest(self, name: Name, /) -> Signed:
        """A digest. Raises `ObjectNotFoundError`, `ObjectAccessDeniedError`,
        `ObjectUnreadableError`."""

    def file(self, name: Name, /) -> BinaryIO:
        """A file's bytes as stored. Raises the same."""

    def etag(self, name: Name, /) -> str:
        """What the ledger calls the content of a file, by one request that does not read it.
        Raises the same."""

    def is_at(self, digest: Digest, name: Name, /) -> bool:
        """Whether a digest was found at the place that it names itself."""

    def own(self, base: str, name: Name, /) -> str | None:
        """The key here of what a digest of a chain below `base` calls so; None where that is in
        another bucket."""


class BucketStore:
    """`s3://bucket/prefix`. Digests and files of other buckets are fetched from these."""

    signed = True

    def __init__(self, text: str, settings: Settings) -> None:
        """Makes no request. Raises as `S3Source` does."""
        source = S3Source(text, settings)
        self.bucket, self._prefix = source.bucket, source.prefix
        self._client: S3Client = source.client
        self._more: dict[str, Any] = (
            {"RequestPayer": "requester"} if settings.aws.requester_pays else {}
        )

    def listed(self, since: date | None = None) -> Iterator[str]:
        if since is not None:
            kinds = INGESTED | {DIGESTS}
            listing = Listing(self._client, self.bucket, self._prefix, self._more, kinds=kinds)
            for found in listing.entries(Selection(since=since)):
                yield found.key
            return
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self._prefix, **self._more
        )
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"]
        except FAILURES as error:
            raise listing_error(error, f"s3://{self.bucket}/{self._prefix}") from error

    def address(self, name: Name) -> str:
        return f"s3://{name.bucket or self.bucket}/{name.key}"

    def digest(self, name: Name) -> Signed:
        answer = self._get(name)
        return Signed(answer["Body"], answer["Metadata"].get("signature"))

    def file(self, name: Name) -> BinaryIO:
        body: BinaryIO = self._get(name)["Body"]
        return body

    def etag(self, name: Name) -> str:
        bucket = name.bucket or self.bucket
        try:
            about = self._client.head_object(Bucket=bucket, Key=name.key, **self._more)
        except FAILURES as error:
            raise object_error(error, self.address(name)) from error
        return about["ETag"].strip('"')

    def is_at(self, digest: Digest, name: Name) -> bool:
        place = (name.bucket or self.bucket, name.key)
        return (digest.digestS3Bucket, digest.digestS3Object) == place

    def own(self, _base: str, name: Name) -> str | None:
        return name.key if name.bucket == self.bucket else None

    def _get(self, name: Name) -> Any:
        bucket = name.bucket or self.bucket
        try:
            return self._client.get_object(Bucket=bucket, Key=name.key, **self._more)
        except FAILURES as error:
            raise object_error(error, self.address(name)) from error


class FolderStore:
    """A folder with a bucket's layout beneath it, with anything before `AWSLogs/`."""

    signed = False

    def __init__(self, text: str) -> None:
        """Raises `SourceNotFoundError`."""
        root = Path(text).expanduser()
        if not root.is_dir():
            raise SourceNotFoundError(f"{text}: no such folder", hint="S3 is s3://bucket/prefix")
        self._root = root.resolve()
        # The folder given may lie inside of the layout.
        inside = f"{self._root}/"
        at = inside.rfind("/AWSLogs/")
        self._before = Path(inside[:at] or "/") if at >= 0 else self._root

    def listed(self, since: date | None = None) -> Iterator[str]:  # noqa: ARG002
        for shown, _ in Walk([str(self._root)]).files():
            yield os.path.relpath(shown, self._before)

    def address(self, name: Name) -> str:
        return str(self._before / name.key)

    def digest(self, name: Name) -> Signed:
        return Signed(self.file(name))

    def file(self, name: Name) -> BinaryIO:
        path = self._path(name)
        if kind := irregular(path):
            raise ObjectUnreadableError(f"{path} is {kind}", hint="put the file in its place")
        try:
            return path.open("rb")
        except (OSError, ValueError) as error:
            raise file_error(error, str(path)) from error

    def etag(self, name: Name) -> str:
        path = self._path(name)
        try:
            return etag_of(path.stat())
        except (OSError, ValueError) as error:
            raise file_error(error, str(path)) from error

    def is_at(self, digest: Digest, name: Name) -> bool:
        return layout_of(digest.digestS3Object) == layout_of(name.key)

    def own(self, base: str, name: Name) -> str | None:
        return root_of(base) + layout_of(name.key)

    def _path(self, name: Name) -> Path:
        """Where a key is. Raises `ObjectUnreadableError`: a digest, which anybody may have written
        here, can name what is outside of the folder."""
        path = self._before / name.key
        if ".." in path.parts or not path.is_relative_to(self._before):
            raise ObjectUnreadableError(
                f"{name.key}: leads out of the folder",
                hint="a digest names it: compare that with the one in the trail's bucket",
            )
        return path


def unpacked(stream: BinaryIO, name: str, limit: int) -> bytes:
    """The content of one whole gzip stream. Raises as `hashed` does, and `CorruptFileError` where
    the stream has no end."""
    pieces: list[bytes] = []
    if not _unpack(stream, name, limit, pieces.append):
        raise CorruptFileError("the compressed stream has no end")
    return b"".join(pieces)


def hashed(stream: BinaryIO, name: str, limit: int) -> str:
    """The SHA-256, in hexadecimal, of what one gzip stream holds; of one that has no end, of what
    can be read, since CloudTrail signs the content and not its compression.

    Raises `CorruptFileError` where it is not gzip, or something follows the stream, which a reader
    of further streams would take for more records; `FileTooLargeError` past `limit` bytes; and
    what the store raises where reading breaks off.
    """
    digest = hashlib.sha256()
    _unpack(stream, name, limit, digest.update)
    return digest.hexdigest()


def _unpack(stream: BinaryIO, name: str, limit: int, take: Callable[[bytes], object]) -> bool:
    """Whether the stream has an end. Inflated by zlib, since how much can be read of a stream that
    breaks off must not depend on the library."""
    inflate = zlib.decompressobj(_GZIP)
    size = 0
    with stream:
        while piece := _read(stream, name):
            if inflate.eof:
                raise CorruptFileError(AFTER)
            try:
                made = inflate.decompress(piece)
            except zlib.error:
                raise CorruptFileError(DAMAGED) from None
            take(made)
            size += len(made)
            if inflate.unused_data:
                raise CorruptFileError(AFTER)
            if size > limit:
                raise FileTooLargeError(
                    f"more than {limit:,} bytes uncompressed",
                    hint="raise ingest.max_uncompressed_bytes",
                )
    take(inflate.flush())
    return inflate.eof


def _read(stream: BinaryIO, name: str) -> bytes:
    try:
        return stream.read(_PIECE)
    except _BROKEN as error:
        raise ObjectUnreadableError(
            f"{name}: reading broke off ({type(error).__name__})", hint="run it again"
        ) from error
