"""Trail files in an S3 bucket, or in an S3-compatible store."""

from __future__ import annotations

import base64
import binascii
import io
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar, cast

from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from ingest.objects import WHOLE_BYTES, Selection, TrailObject
from ingest.sources.aws_codes import FAILURES, NO_ANSWER
from ingest.sources.layout import select
from ingest.sources.s3_errors import object_error
from ingest.sources.s3_listing import AHEAD, Entry, Listing
from ingest.sources.session import s3_client
from trailhound.backoff import Backoff
from trailhound.errors import SettingsError, SourceError, UsageError
from trailhound.settings import AwsSettings, Settings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

T = TypeVar("T")

_SOURCE = re.compile(r"^s3://(arn:[^/]+:accesspoint[/:][^/]+|[^/]+)(?:/(.*))?$", re.DOTALL)
_STREAM_BUFFER: Final = 1024 * 1024
_TRIES: Final = 4
_BACKOFF: Final = Backoff(first=0.4, longest=5.0)
_KEY_BYTES: Final = 32
_BROKEN: Final = (*NO_ANSWER, HTTPError, OSError)


class S3Source:
    """The trail files under `s3://bucket/prefix`; the prefix may end anywhere in a key.

    One instance serves as many threads as `ingest.prefetch_threads`. Versions are left aside: the
    current one is read.
    """

    def __init__(self, text: str, settings: Settings) -> None:
        """Makes no request. Raises `UsageError`, `SettingsError`, `SourceUnreachableError`."""
        found = _SOURCE.match(text)
        if found is None:
            raise UsageError(f"{text} names no bucket", hint="write s3://bucket/prefix")
        self.bucket: str = found[1]
        self.prefix: str = found[2] or ""
        if re.search(r"[*?]", self.prefix):
            raise UsageError(
                f"{text}: wildcards are for files",
                hint="give the prefix before it, and --account, --region, --since, --until",
            )
        connections = settings.ingest.prefetch_threads + AHEAD + 2
        self._client: S3Client = s3_client(settings.aws, connections=connections)
        self.payer: dict[str, Any] = (
            {"RequestPayer": "requester"} if settings.aws.requester_pays else {}
        )
        self._get: dict[str, Any] = self.payer | _customer_key(settings.aws)
        self._root = f"s3://{self.bucket}/"
        self._ignored: Counter[str] = Counter()

    @property
    def client(self) -> S3Client:
        """The client in use."""
        return self._client

    @property
    def uri_prefix(self) -> str:
        """With what the names of all its objects begin."""
        return self._root + self.prefix

    @property
    def ignored(self) -> Mapping[str, int]:
        """Keys listed so far that are no trail files by their name, by what they are."""
        return self._ignored

    def objects(
        self,
        selection: Selection,
        after: Callable[[str], str] = lambda _: "",
        *,
        beside: bool = True,
    ) -> Iterator[TrailObject]:
        """The trail files selected, lazily. Raises `SourceUnreachableError`, and after the last of
        them `FoldersDeniedError` for folders that may not be listed.

        A source that is one key's full name is read, however that name looks. `after` may
        name, for a region's folder, the key behind which its files matter; without `beside`, what
        lies beside the years is then left out where it sorts before that key.
        """
        listing = Listing(
            self._client, self.bucket, self.prefix, self.payer, after=after, beside=beside
        )
        entries = listing.entries(selection)
        return self._selected(entries, selection)

    def folders(self) -> Iterator[tuple[str, bool]]:
        """The names above the days' folders, and whether each is a folder."""
        return Listing(self._client, self.bucket, self.prefix, self.payer).folders()

    def ends(self, folder: str) -> list[str]:
        """A key of the first and one of the last day below a region's folder."""
        return Listing(self._client, self.bucket, self.prefix, self.payer).ends(folder)

    def neighbours(self) -> list[str]:
        """Where no key begins with the prefix: a sentence on what there is; otherwise empty."""
        return Listing(self._client, self.bucket, self.prefix, self.payer).neighbours()

    def _selected(self, entries: Iterator[Entry], selection: Selection) -> Iterator[TrailObject]:
        def others() -> Iterator[Entry]:
            for entry in entries:
                if entry.key == self.prefix and not entry.key.endswith("/"):
                    named.append(self._made(entry))
                else:
                    yield entry

        named: list[TrailObject] = []
        for item in select(
            others(), selection, self._ignored, path=lambda entry: entry.key, made=self._made
        ):
            yield from named
            named.clear()
            yield item
        yield from named

    def _made(self, entry: Entry) -> TrailObject:
        return TrailObject(self._root + entry.key, entry.etag, entry.size)

    def open(self, item: TrailObject) -> BinaryIO:
        """The object's bytes as stored: whole to 16 MiB, above it as a stream that reconnects.

        Raises `ObjectNotFoundError`, `ObjectAccessDeniedError`, `ObjectUnreadableError`, and
        `SourceUnreachableError` for a fault that affects every object. A stream's `read` raises
        the same.
        """

        def whole() -> BinaryIO:
            answer = self._answer(item)
            if answer["ContentLength"] > WHOLE_BYTES:  # it has grown since it was listed
                answer["Body"].close()
                return self._stream(item)
            with answer["Body"] as body:
                return io.BytesIO(body.read())

        return self._stream(item) if item.size > WHOLE_BYTES else _tried(whole, item.uri)

    def head(self, item: TrailObject, size: int) -> bytes:
        """The object's first bytes, by one ranged request. Raises as `open` does."""

        def start() -> bytes:
            try:
                answer = self._answer(item, Range=f"bytes=0-{size - 1}")
            except SourceError as error:
                if _is_empty(error):
                    return b""
                raise
            with answer["Body"] as body:
                return bytes(body.read(size))

        return _tried(start, item.uri)

    def look_up(self, item: TrailObject) -> TrailObject:
        """The object with the etag and the size that the bucket has now.

        Unchanged where the bucket does not report them: opening it gives the reason.
        """
        try:
            about = self._client.head_object(Bucket=self.bucket, Key=self._key(item), **self._get)
        except FAILURES:
            return item
        return TrailObject(item.uri, about["ETag"].strip('"'), about["ContentLength"])

    def about(self, item: TrailObject) -> Mapping[str, Any]:
        """What S3 says of an object without its content. Raises as `open` does."""
        try:
            return self._client.head_object(Bucket=self.bucket, Key=self._key(item), **self._get)
        except FAILURES as error:
            raise object_error(error, item.uri) from error

    def restore(self, item: TrailObject, request: Mapping[str, Any]) -> None:
        """Ask for a restore. Raises botocore's errors."""
        wanted: Any = request
        self._client.restore_object(
            Bucket=self.bucket, Key=self._key(item), RestoreRequest=wanted, **self.payer
        )

    def _answer(self, item: TrailObject, **more: Any) -> GetObjectOutputTypeDef:
        wanted = self._get | more
        try:
            return self._client.get_object(Bucket=self.bucket, Key=self._key(item), **wanted)
        except FAILURES as error:
            raise object_error(error, item.uri) from error

    def _stream(self, item: TrailObject) -> BinaryIO:
        """A reader that resumes where a connection broke, if the content is unchanged."""
        # Imported here: it loads boto3 and every store it knows, and few objects are so large.
        import smart_open.s3

        same = {"IfMatch": f'"{item.etag}"'} if item.etag else {}
        try:
            reader = smart_open.s3.open(
                self.bucket,
                self._key(item),
                "rb",
                buffer_size=_STREAM_BUFFER,
                client=self._client,
                client_kwargs={"S3.Client.get_object": self._get | same},
            )
        except _BROKEN as error:
            raise object_error(_cause(error), item.uri) from error
        return cast(BinaryIO, io.BufferedReader(_Stream(reader, item.uri), _STREAM_BUFFER))

    def _key(self, item: TrailObject) -> str:
        return item.uri.removeprefix(self._root)


class _Stream(io.RawIOBase):
    """A stream whose faults are Trailhound's."""

    def __init__(self, reader: io.BufferedIOBase, uri: str) -> None:
        self._reader = reader
        self._uri = uri

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return int(self._reader.readinto(buffer))
        except _BROKEN as error:
            raise object_error(_cause(error), self._uri) from error

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


def _tried(read: Callable[[], T], uri: str) -> T:
    """`read()`, again where a body breaks off; the client itself retries requests only."""
    for failures in range(1, _TRIES):
        try:
            return read()
        except _BROKEN:
            time.sleep(_BACKOFF.seconds(failures))
    try:
        return read()
    except _BROKEN as error:
        raise object_error(error, uri) from error


def _cause(error: Exception) -> Exception:
    """What the client raised, where smart-open has wrapped it in an OSError."""
    cause = getattr(error, "backend_error", error)
    return cause if isinstance(cause, Exception) else error


def _is_empty(error: SourceError) -> bool:
    """Whether a range was refused because the object has no bytes at all."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "InvalidRange"


def _customer_key(aws: AwsSettings) -> dict[str, Any]:
    """Parameters of SSE-C: the file holds 32 bytes, as they are or in base64."""
    if aws.sse_customer_key_file is None:
        return {}
    try:
        key = aws.sse_customer_key_file.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"aws.sse_customer_key_file cannot be read ({error.strerror})", hint="check the path"
        ) from None
    if len(key) != _KEY_BYTES:
        try:
            key = base64.b64decode(key.strip(), validate=True)
        except (ValueError, binascii.Error):
            key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(
            "aws.sse_customer_key_file holds no AES-256 key",
            hint="put 32 bytes into it, as they are or in base64",
        )
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
