"""Verifies all of a bucket or folder: every chain, every file that a digest lists, and the files
that no digest lists."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from ingest.integrity.chain import ChainWalk
from ingest.integrity.checks import ExpectedFiles, FileChecks, HashedFiles, NullRecord, Record
from ingest.integrity.digest import MINUTE, Chain, Digest, Place
from ingest.integrity.findings import (
    FileVerdict,
    IntegrityFinding,
    IntegrityFindingKind,
    VerificationResult,
)
from ingest.integrity.keys import KeysApi, PublicKeys
from ingest.integrity.listed import ListedObjects
from ingest.integrity.scope import HOUR, VerificationScope
from ingest.integrity.store import Name, Store
from trailhound.plural import plural
from trailhound.state.objects import ObjectVerdict

STALE: Final = timedelta(hours=3)
"""A newest digest older than this is reported. A digest comes each hour, mostly within the next
one."""
LATE: Final = timedelta(minutes=15)
"""Files delivered this shortly before the end of a digest's hour may be listed by the next one."""
_KEYS: Final = 1_000
"""Listed keys between two signs of progress."""


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
        self._store = store
        self._keys = keys
        self._wanted = wanted
        self._api_of = api_of
        self._limit = limit
        self._threads = threads
        self._now = now
        self._on_progress = on_progress
        self._record: Record = record or NullRecord()
        self._expects = expects
        self._listed = ListedObjects(wanted, now)

    def run(self) -> list[tuple[Place, VerificationResult]]:
        """The verdict on each account and region, in their order.

        Raises `SourceUnreachableError`: where nothing can be listed, or no key can be fetched.
        """
        for number, key in enumerate(self._store.listed(self._wanted.first_day)):
            if number % _KEYS == 0:
                self._on_progress(0)
            self._listed.add(key)
        with ThreadPoolExecutor(self._threads, "hash") as pool:
            checks = self._checks(pool)
            return [(place, self._place(place, checks)) for place in self._listed.places()]

    def _checks(self, pool: ThreadPoolExecutor) -> FileChecks:
        if self._expects is not None:
            return ExpectedFiles(self._store, self._record, self._expects, self._on_progress)
        return HashedFiles(
            self._store, self._record, pool, limit=self._limit, on_progress=self._on_progress
        )

    def _place(self, place: Place, checks: FileChecks) -> VerificationResult:
        """Verify all chains of an account and region: several trails may have delivered there, one
        after the other or at once."""
        whole = VerificationResult()
        files = self._listed.files[place]
        checks.enter(files.hashes)
        listed: set[int] = set()
        spans: list[tuple[datetime, datetime]] = []
        for chain in self._listed.chains(place):
            digests = self._listed.digests(chain)
            walk = ChainWalk(
                self._store,
                chain,
                self._keys,
                ask=self._ask,
                files=checks.check,
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
        whole.unverified += files.uncovered
        whole.files.unlisted += len(files.misnamed)
        for key in files.misnamed:
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
        if not self._listed.chains(place):
            number = len(self._listed.files[place].hashes)
            whole.unverified += number
            if number:
                whole.digests.missing += 1
                detail = f"no digest, but {plural(number, 'file')}: switch log file validation on"
                self._find(whole, IntegrityFindingKind.MISSING, folder, detail)
            return
        newest: datetime | None = None
        for first, last in sorted(spans):
            if newest is not None and first - newest > HOUR:
                detail = f"no trail has a digest from {newest:{MINUTE}} to {first:{MINUTE}}"
                self._find(whole, IntegrityFindingKind.GAP, folder, detail)
            newest = last if newest is None else max(newest, last)
        # The newest digest of a folder is not known to be genuine.
        old = STALE if self._store.signed else STALE + HOUR
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
        for number, at in self._listed.files[place].unlisted(listed):
            if at < first - timedelta(minutes=1):
                earlier += 1
            elif last - LATE < at < self._now + HOUR:
                whole.pending += 1
                if (key := self._listed.recent.get(number)) is not None:
                    self._judge(key, "pending")
            else:
                named.add(number)
        if earlier:
            folder = f"{place.base}{place.account}/CloudTrail/{place.region}/"
            detail = f"{plural(earlier, 'file')} from before the first digest ({first:{MINUTE}})"
            self._find(whole, IntegrityFindingKind.EARLIER, folder, detail)
        if named:
            whole.files.unlisted += len(named)
            for key in self._store.listed(self._wanted.first_day):
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
        self._record.keep(FileVerdict(self._store.address(Name("", key)), verdict))
