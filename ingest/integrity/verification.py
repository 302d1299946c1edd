"""Verifies all of a bucket or folder: every chain, every file that a digest lists, and the files
that no digest lists."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from ingest.integrity.chain import ChainWalk, Listed
from ingest.integrity.digest import (
    MINUTE,
    SHA_256,
    Chain,
    Digest,
    LogFile,
    Place,
    chain_of,
    file_of,
    root_of,
)
from ingest.integrity.findings import (
    AFTER,
    FileVerdict,
    IntegrityFinding,
    IntegrityFindingKind,
    VerificationResult,
    described,
)
from ingest.integrity.keys import KeysApi, PublicKeys
from ingest.integrity.store import Name, Store, hashed
from ingest.sources.layout import INGESTED, NameClass, classify, place_of
from trailhound.errors import CorruptFileError, ObjectNotFoundError, SourceError, TrailFileError
from trailhound.plural import plural
from trailhound.state.objects import ObjectState, ObjectVerdict

STALE: Final = timedelta(hours=3)
"""A newest digest older than this is reported. A digest comes each hour, mostly within the next
one."""
LATE: Final = timedelta(minutes=15)
"""Files delivered this shortly before the end of a digest's hour may be listed by the next one."""
PENDING: Final = timedelta(hours=6)
"""How long a file may wait for the digest that lists it."""
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class VerificationScope:
    """What to verify: digests and files delivered in a span (UTC), of accounts and regions."""

    since: datetime | None = None
    until: datetime | None = None
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def of(self, place: Place) -> bool:
        return (not self.accounts or place.account in self.accounts) and (
            not self.regions or place.region in self.regions
        )

    def digest(self, end: datetime) -> bool:
        """Whether a digest's hour, given by its end, overlaps the span."""
        return (self.since is None or end >= self.since) and (
            self.until is None or end <= self.until + _HOUR
        )

    def days(self, span: tuple[date, date] | None) -> bool:
        """Whether these days may overlap the span; true where they are not known."""
        return span is None or (
            (self.since is None or span[1] >= self.since.date())
            and (self.until is None or span[0] <= self.until.date())
        )

    def file(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)


class Record(Protocol):
    """What is known of files since they were read, and where the verdicts on them are kept."""

    def known(self, addresses: Sequence[str], /) -> Mapping[str, ObjectState]:
        """Of these files those that were read, by address."""

    def judge(self, found: FileVerdict, /) -> None:
        """Called for each file, in one thread."""


class NullRecord:
    """A `Record` without memory: every file is read, and its verdict is only counted."""

    def known(self, addresses: Sequence[str]) -> Mapping[str, ObjectState]:  # noqa: ARG002
        return {}

    def judge(self, found: FileVerdict) -> None:
        """Does nothing."""


@dataclass(slots=True)
class _Files:
    """The files of a place: a hash of each key, and the minute of its delivery."""

    hashes: array[int] = field(default_factory=lambda: array("q"))
    minutes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, key: str, at: datetime) -> None:
        self.hashes.append(hash(key))
        self.minutes.append(int(at.timestamp()) // 60)

    def unlisted(self, listed: set[int]) -> Iterator[tuple[int, datetime]]:
        for number, minute in zip(self.hashes, self.minutes, strict=True):
            if number not in listed:
                yield number, datetime.fromtimestamp(minute * 60, UTC)


class Verification:
    """One verification. `api_of(region)` gives CloudTrail's API in a region; without it only the
    keys that are known are used. `threads` files are hashed at once. `on_progress` is called after
    each file and after each 1,000 listed keys (with 0), and may raise to end the run. A file that
    `record` knows by the etag that it has today is not read. With `expects` no file is read:
    `expects` is called with the address and the hash of each file that a valid digest lists, and S3
    is asked only for the files that the listing did not show."""

    def __init__(
        self,
        store: Store,
        keys: PublicKeys,
        wanted: VerificationScope,
        *,
        api_of: Callable[[str], KeysApi] | None,
        limit: int,
        threads: int,
        now: datetime,
        on_progress: Callable[[int], None] = lambda _: None,
        record: Record | None = None,
        expects: Callable[[str, str], None] | None = None,
    ) -> None:
        self._expects = expects
        self._here: set[int] = set()
        """Where files are not read: the hashes of the keys of the place that is verified."""
        self._record: Record = record or NullRecord()
        self._named = record is not None
        self._recent: dict[int, str] = {}
        """Keys of files that were delivered lately, by hash: the next digest lists them."""
        self._store = store
        self._keys = keys
        self._wanted = wanted
        self._api_of = api_of
        self._limit = limit
        self._threads = threads
        self._now = now
        self._on_progress = on_progress
        self._chains: dict[Chain, list[Listed]] = defaultdict(list)
        self._files: dict[Place, _Files] = defaultdict(_Files)
        self._after: dict[Chain, Listed] = {}
        """The first digest after the span: it names the last one in it."""
        self._odd: dict[Place, list[str]] = defaultdict(list)
        """Keys in a folder of trail files that have no trail file's name."""
        self._uncovered: dict[Place, int] = defaultdict(int)
        """Files of Insights and network activity."""

    def run(self) -> list[tuple[Place, VerificationResult]]:
        """The verdict on each account and region, in their order.

        Raises `SourceUnreachableError`: where nothing can be listed, or no key can be fetched.
        """
        since = self._wanted.since
        for number, key in enumerate(self._store.listed(None if since is None else since.date())):
            if number % 1_000 == 0:
                self._on_progress(0)
            self._list(key)
        places = sorted(
            {*self._files, *self._odd, *self._uncovered, *(chain.place for chain in self._chains)}
        )
        with ThreadPoolExecutor(self._threads, "hash") as self._pool:
            return [(place, self._place(place)) for place in places]

    def _list(self, key: str) -> None:
        if (digest := chain_of(key)) is not None:
            self._list_digest(*digest, key)
        elif (file := file_of(key)) is not None:
            place, at = file
            if self._wanted.of(place) and self._wanted.file(at):
                self._files[place].add(key, at)
                if self._named and self._now - at < PENDING:
                    self._recent[hash(key)] = key
        elif (lies := place_of(key)) is not None and lies.kind in INGESTED:
            if classify(key)[0] is NameClass.OTHER:
                return
            account, region = lies.account or "", lies.region or ""
            place = Place(f"{root_of(key)}AWSLogs/", account, region)
            if not self._wanted.of(place) or not self._wanted.days(lies.span):
                return
            if lies.kind == "CloudTrail":
                self._odd[place].append(key)
            else:
                self._uncovered[place] += 1

    def _list_digest(self, chain: Chain, end: datetime, key: str) -> None:
        if not self._wanted.of(chain.place):
            return
        if self._wanted.digest(end):
            self._chains[chain].append((key, end))
        elif self._wanted.since is None or end >= self._wanted.since:  # it is after the span
            first = self._after.get(chain)
            if first is None or end < first[1]:
                self._after[chain] = key, end

    def _place(self, place: Place) -> VerificationResult:
        """Verify all chains of an account and region: several trails may have delivered there, one
        after the other or at once."""
        whole = VerificationResult()
        if self._expects is not None:
            self._here = set(self._files[place].hashes)
        listed: set[int] = set()
        spans: list[tuple[datetime, datetime]] = []
        for chain in sorted(each for each in self._chains if each.place == place):
            digests = sorted(self._chains[chain], key=lambda each: (each[1], each[0]))
            if chain in self._after:
                digests.append(self._after[chain])
            walk = ChainWalk(
                self._store,
                chain,
                self._keys,
                ask=self._ask,
                files=self._checked,
                since=self._wanted.since,
                limit=self._limit,
            )
            found = walk.walk(digests)
            whole.join(found)
            listed |= walk.listed
            if found.first is None or found.last is None:
                self._find(
                    whole,
                    IntegrityFindingKind.MISSING,
                    digests[-1][0],
                    "no digest of this chain is valid",
                )
            elif not chain.backfill:
                spans.append((found.first, found.last))
        self._require_newest(place, spans, whole)
        self._unlisted(place, listed, whole)
        whole.unverified += self._uncovered[place]
        whole.files.unlisted += len(self._odd[place])
        for key in self._odd[place]:
            self._find(
                whole, IntegrityFindingKind.UNLISTED, key, "not named as CloudTrail names its files"
            )
        return whole

    def _find(
        self, whole: VerificationResult, kind: IntegrityFindingKind, key: str, detail: str
    ) -> None:
        whole.findings.append(IntegrityFinding(kind, self._store.address(Name("", key)), detail))

    def _require_newest(
        self, place: Place, spans: list[tuple[datetime, datetime]], whole: VerificationResult
    ) -> None:
        """Report files without any digest, hours between the trails' digests, and a newest digest
        that is too old. `spans` are the hours of each chain's valid digests."""
        folder = f"{place.base}{place.account}/CloudTrail-Digest/{place.region}/"
        if not any(chain.place == place for chain in self._chains):
            number = len(self._files[place].hashes)
            whole.unverified += number
            if number:
                whole.digests.missing += 1
                detail = f"no digest, but {plural(number, 'file')}: switch log file validation on"
                self._find(whole, IntegrityFindingKind.MISSING, folder, detail)
            return
        newest: datetime | None = None
        for first, last in sorted(spans):
            if newest is not None and first - newest > _HOUR:
                detail = f"no trail has a digest from {newest:{MINUTE}} to {first:{MINUTE}}"
                self._find(whole, IntegrityFindingKind.GAP, folder, detail)
            newest = last if newest is None else max(newest, last)
        # The newest digest of a folder is not known to be genuine.
        old = STALE if self._store.signed else STALE + _HOUR
        if newest is not None and self._wanted.until is None and self._now - newest > old:
            detail = (
                f"the newest digest ends at {newest:{MINUTE}}: logging was stopped, or later "
                "ones are gone"
            )
            self._find(whole, IntegrityFindingKind.STALE, folder, detail)

    def _unlisted(self, place: Place, listed: set[int], whole: VerificationResult) -> None:
        """Report files that no digest lists; if there are any, a second listing names them."""
        first, last = whole.first, whole.last
        if first is None or last is None:
            return
        named: set[int] = set()
        earlier = 0
        for number, at in self._files[place].unlisted(listed):
            if at < first - timedelta(minutes=1):
                earlier += 1
            elif last - LATE < at < self._now + _HOUR:
                whole.pending += 1
                if (key := self._recent.get(number)) is not None:
                    self._judge(key, "pending")
            else:
                named.add(number)
        if earlier:
            folder = f"{place.base}{place.account}/CloudTrail/{place.region}/"
            detail = f"{plural(earlier, 'file')} from before the first digest ({first:{MINUTE}})"
            self._find(whole, IntegrityFindingKind.EARLIER, folder, detail)
        if named:
            whole.files.unlisted += len(named)
            since = self._wanted.since
            for key in self._store.listed(None if since is None else since.date()):
                if hash(key) in named:
                    self._find(
                        whole, IntegrityFindingKind.UNLISTED, key, "no digest lists this file"
                    )
                    self._judge(key, "unlisted")

    def _ask(self, chain: Chain, digest: Digest) -> None:
        """Fetch the keys for a digest. It is signed with a key of its own region; the guide names
        the trail's region as well."""
        if self._api_of is None:
            return
        for region in dict.fromkeys((chain.place.region, chain.home)):
            self._keys.ask(self._api_of(region), digest.start, digest.end)
            if digest.digestPublicKeyFingerprint in self._keys:
                return

    def _judge(self, key: str, verdict: ObjectVerdict) -> None:
        self._record.judge(FileVerdict(self._store.address(Name("", key)), verdict))

    def _checked(self, base: str, files: Sequence[LogFile]) -> Iterable[IntegrityFinding | None]:
        names = [self._name(base, each) for each in files]
        addresses = [self._store.address(name) for name in names]
        if self._expects is not None:
            for name, address, file in zip(names, addresses, files, strict=True):
                self._on_progress(1)
                yield self._expected(name, address, file)
            return
        known = self._record.known(addresses)
        entries = [known.get(address) for address in addresses]
        for address, file, found in zip(
            addresses, files, self._pool.map(self._check, names, files, entries), strict=True
        ):
            self._on_progress(1)
            yield self._found(address, file, found)

    def _expected(self, name: Name, address: str, file: LogFile) -> IntegrityFinding | None:
        """Pass a file's hash on. Returns what is wrong with it as far as that is known without
        reading it."""
        assert self._expects is not None  # noqa: S101 - the caller asked
        if file.hashAlgorithm != SHA_256:
            return IntegrityFinding(
                IntegrityFindingKind.UNREADABLE, address, f"its hash is {file.hashAlgorithm!r}"
            )
        self._expects(address, file.hashValue)
        if hash(name.key) in self._here:
            return None
        try:
            self._store.etag(name)
        except ObjectNotFoundError:
            gone = FileVerdict(address, "missing", file.hashValue, "nothing")
            return self._found(address, file, gone)
        except SourceError as error:
            return IntegrityFinding(IntegrityFindingKind.UNREADABLE, address, error.message)
        return None

    def _name(self, base: str, file: LogFile) -> Name:
        there = Name(file.s3Bucket, file.s3Object)
        return Name(there.bucket, self._store.own(base, there) or there.key)

    def _found(
        self, address: str, file: LogFile, found: FileVerdict | SourceError | str
    ) -> IntegrityFinding | None:
        """What is wrong with a file that a digest lists; None if it is as it was delivered."""
        if isinstance(found, str):
            return IntegrityFinding(IntegrityFindingKind.UNREADABLE, address, found)
        if isinstance(found, SourceError):
            return IntegrityFinding(IntegrityFindingKind.UNREADABLE, address, found.message)
        self._record.judge(found)
        if found.verdict == "verified":
            return None
        if found.verdict == "missing":
            detail = "a file that a digest lists"
            return IntegrityFinding(
                IntegrityFindingKind.MISSING, address, detail, found.expected, found.found
            )
        detail = described(found.found, file.hashValue)
        return IntegrityFinding(
            IntegrityFindingKind.INVALID, address, detail, found.expected, found.found
        )

    def _check(
        self, name: Name, file: LogFile, entry: ObjectState | None
    ) -> FileVerdict | SourceError | str:
        """The verdict on a file that a digest lists, or why there is none."""
        address = self._store.address(name)
        if file.hashAlgorithm != SHA_256:
            return f"its hash is {file.hashAlgorithm!r}"
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
            return FileVerdict(address, "missing", expected, "nothing")
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
