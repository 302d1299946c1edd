"""Checks of the files that a valid digest lists: hashed now, or noted for who reads them anyway."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ingest.integrity.digest import SHA_256, LogFile
from ingest.integrity.findings import (
    AFTER,
    FileVerdict,
    IntegrityFinding,
    IntegrityFindingKind,
    described,
)
from ingest.integrity.store import Name, Store, hashed
from trailhound.errors import CorruptFileError, ObjectNotFoundError, SourceError, TrailFileError
from trailhound.state.objects import ObjectState, ObjectVerdict


class Record(Protocol):
    """What is known of files since they were read, and where the verdicts on them are kept."""

    def known(self, addresses: Sequence[str], /) -> Mapping[str, ObjectState]:
        """Of these files those that were read, by address."""

    def keep(self, found: FileVerdict, /) -> None:
        """Keep the verdict on a file. Called for each, in one thread."""


class NullRecord:
    """A `Record` without memory: every file is read, and its verdict is only counted."""

    def known(self, addresses: Sequence[str]) -> Mapping[str, ObjectState]:  # noqa: ARG002
        return {}

    def keep(self, found: FileVerdict) -> None:
        """Does nothing."""


class FileChecks(Protocol):
    """How the files of a place are checked."""

    def enter(self, listed: Collection[int], /) -> None:
        """Called before the files of a place, with the hashes of the keys that are listed there."""

    def check(self, base: str, files: Sequence[LogFile], /) -> Iterable[IntegrityFinding | None]:
        """Yields, for each file of a digest below a base, what is wrong with it, or None."""


class HashedFiles:
    """Hashes each file, except those that `record` knows by the etag that they have today.

    Several at once, by the threads of `pool`. `on_progress(1)` is called after each file.
    """

    def __init__(
        self,
        store: Store,
        record: Record,
        pool: ThreadPoolExecutor,
        *,
        limit: int,
        on_progress: Callable[[int], None],
    ) -> None:
        self._store = store
        self._record = record
        self._pool = pool
        self._limit = limit
        self._on_progress = on_progress

    def enter(self, listed: Collection[int]) -> None:
        """Nothing to prepare."""

    def check(self, base: str, files: Sequence[LogFile]) -> Iterable[IntegrityFinding | None]:
        names = [_name(self._store, base, each) for each in files]
        addresses = [self._store.address(name) for name in names]
        known = self._record.known(addresses)
        entries = [known.get(address) for address in addresses]
        for address, file, found in zip(
            addresses, files, self._pool.map(self._check, names, files, entries), strict=True
        ):
            self._on_progress(1)
            yield _finding(self._record, address, file, found)

    def _check(
        self, name: Name, file: LogFile, entry: ObjectState | None
    ) -> FileVerdict | SourceError | str:
        """The verdict on a file, or why there is none."""
        address = self._store.address(name)
        if file.hashAlgorithm != SHA_256:
            return _unknown_hash(file)
        expected, etag = file.hashValue, ""
        verdict: ObjectVerdict = "tampered"
        try:
            if entry is not None:
                etag = self._store.etag(name)
            if entry is not None and entry.sha256 and entry.etag == etag:
                found = entry.sha256
            else:
                found = hashed(self._store.file(name), address, self._limit)
        except ObjectNotFoundError:
            return _missing(address, file)
        except SourceError as error:
            return error
        except CorruptFileError as error:
            found = error.message
            verdict = "tampered" if found == AFTER else "corrupt"
        except TrailFileError as error:
            found = error.message
        if found == expected:
            verdict = "verified"
        return FileVerdict(address, verdict, expected, found, etag)


class ExpectedFiles:
    """Reads no file: passes the address and the hash of each to `expects`, for who reads it. S3 is
    asked only for files that the listing did not show."""

    def __init__(
        self,
        store: Store,
        record: Record,
        expects: Callable[[str, str], None],
        on_progress: Callable[[int], None],
    ) -> None:
        self._store = store
        self._record = record
        self._expects = expects
        self._on_progress = on_progress
        self._listed: frozenset[int] = frozenset()

    def enter(self, listed: Collection[int]) -> None:
        self._listed = frozenset(listed)

    def check(self, base: str, files: Sequence[LogFile]) -> Iterable[IntegrityFinding | None]:
        for file in files:
            self._on_progress(1)
            name = _name(self._store, base, file)
            address = self._store.address(name)
            if (found := self._check(name, address, file)) is None:
                yield None
            else:
                yield _finding(self._record, address, file, found)

    def _check(
        self, name: Name, address: str, file: LogFile
    ) -> FileVerdict | SourceError | str | None:
        """What is wrong with a file as far as that is known without reading it."""
        if file.hashAlgorithm != SHA_256:
            return _unknown_hash(file)
        self._expects(address, file.hashValue)
        if hash(name.key) in self._listed:
            return None
        try:
            self._store.etag(name)
        except ObjectNotFoundError:
            return _missing(address, file)
        except SourceError as error:
            return error
        return None


def _name(store: Store, base: str, file: LogFile) -> Name:
    there = Name(file.s3Bucket, file.s3Object)
    return Name(there.bucket, store.own(base, there) or there.key)


def _missing(address: str, file: LogFile) -> FileVerdict:
    return FileVerdict(address, "missing", file.hashValue, "nothing")


def _unknown_hash(file: LogFile) -> str:
    return f"its hash is {file.hashAlgorithm!r}"


def _finding(
    record: Record, address: str, file: LogFile, found: FileVerdict | SourceError | str
) -> IntegrityFinding | None:
    """What is wrong with a file that a digest lists; None if it is as it was delivered."""
    if not isinstance(found, FileVerdict):
        detail = found if isinstance(found, str) else found.message
        return IntegrityFinding(IntegrityFindingKind.UNREADABLE, address, detail)
    record.keep(found)
    if found.verdict == "verified":
        return None
    if found.verdict == "missing":
        kind, detail = IntegrityFindingKind.MISSING, "a file that a digest lists"
    else:
        kind, detail = IntegrityFindingKind.INVALID, described(found.found, file.hashValue)
    return IntegrityFinding(kind, address, detail, found.expected, found.found)
