"""Follows one chain of digests backwards from its newest.

A digest is valid where it lies at the place that it names, where its signature is CloudTrail's, and
where its hash and signature are those that the digest after it names. What a digest says of its
files and of the digest before it counts only if the digest is valid; after any other, the walk
continues with the next older digest that is there, as `aws cloudtrail validate-logs` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ingest.integrity.digest import (
    MINUTE,
    SHA_256,
    Chain,
    Digest,
    LogFile,
    chain_of,
    parse,
    signed_text,
)
from ingest.integrity.findings import IntegrityFinding, IntegrityFindingKind, VerificationResult
from ingest.integrity.keys import PublicKeys
from ingest.integrity.store import Name, Signed, Store, unpacked
from trailhound.errors import ObjectNotFoundError, SourceError, TrailFileError

SLACK: Final = timedelta(minutes=1)
"""Two digests follow each other where the time between them is at most this."""

Listed = tuple[str, datetime]
"""A digest's key, and the end of its hour as its name has it."""
CheckFiles = Callable[[str, Sequence[LogFile]], Iterable[IntegrityFinding | None]]
"""Yields, for each file of a chain below a base, what is wrong with it, or None."""
AskKeys = Callable[[Chain, Digest], None]
"""Fetch the keys that were in force in a digest's hours."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the digest after it says of a digest."""

    key: str
    bucket: str
    digest: str | None
    signature: str | None
    by: datetime
    """The start of the hour of the digest that says it."""


class _Refused(Exception):
    """A digest is not valid; the message says why."""


class ChainWalk:
    """Verifies one chain. Digests whose hour ended before `since` are not looked at."""

    def __init__(
        self,
        store: Store,
        chain: Chain,
        keys: PublicKeys,
        *,
        ask: AskKeys,
        files: CheckFiles,
        since: datetime | None,
        limit: int,
    ) -> None:
        self._store = store
        self._chain = chain
        self._keys = keys
        self._ask = ask
        self._files = files
        self._since = since
        self._limit = limit
        self.verdict = VerificationResult()
        self.listed: set[int] = set()
        """Hashes of the keys here of the files that valid digests list."""
        self._met: set[str] = set()
        self._begins: datetime | None = None
        """Start of the digest that was just verified, where it names none before it."""

    def walk(self, digests: Sequence[Listed]) -> VerificationResult:
        """Verify from the newest to the oldest of these digests, which are given in ascending
        order."""
        left = list(digests)
        at: Listed | None = left.pop() if left else None
        expected: _Expected | None = None
        while at is not None:
            key, end = at
            newest = not self._met
            self._met.add(key)
            expected = self._step(key, expected, newest=newest)
            if expected is None:
                at = self._older(left, key, end)
            elif self._is_before(expected.by) or expected.key in self._met:
                at = None  # outside of what was asked; or led back by one that nothing signs
            else:
                at = expected.key, expected.by
        self._beside(digests)
        return self.verdict

    def _is_before(self, moment: datetime) -> bool:
        return self._since is not None and moment < self._since

    def _step(self, key: str, expected: _Expected | None, *, newest: bool) -> _Expected | None:
        """Verify one digest. Returns what it says of the digest before it; None where it names
        none, or where what it says does not count."""
        self._begins = None
        name = Name(expected.bucket if expected is not None else "", key)
        address = self._store.address(name)
        tally = self.verdict.digests
        try:
            stored = self._store.digest(name)
            content = unpacked(stored.stream, address, self._limit)
            digest = parse(content)
            signed = self._require(name, digest, content, stored, expected, newest=newest)
        except ObjectNotFoundError:
            tally.missing += 1
            what = "a digest that the one after it names"
            self.verdict.findings.append(
                IntegrityFinding(IntegrityFindingKind.MISSING, address, what, what, "nothing")
            )
            return None
        except SourceError as error:
            tally.unreadable += 1
            self._find(IntegrityFindingKind.UNREADABLE, address, error.message)
            return None
        except (TrailFileError, _Refused) as error:
            tally.invalid += 1
            wrong = error.message if isinstance(error, TrailFileError) else str(error)
            self.verdict.findings.append(
                IntegrityFinding(
                    IntegrityFindingKind.INVALID,
                    address,
                    wrong,
                    "a digest that CloudTrail signed",
                    wrong,
                )
            )
            return None
        if signed:
            tally.valid += 1
            self._accept(digest)
        else:  # nothing that it says of files is believed
            tally.unsigned += 1
            self._find(
                IntegrityFindingKind.UNSIGNED,
                address,
                "its signature was metadata in S3, which a folder has lost, and no later digest "
                "has it",
            )
        if expected is not None and expected.by - digest.end > SLACK:
            self._find_gap(address, digest.end, expected.by)
        return self._before(digest)

    def _require(
        self,
        name: Name,
        digest: Digest,
        content: bytes,
        stored: Signed,
        expected: _Expected | None,
        *,
        newest: bool,
    ) -> bool:
        """Whether a digest's signature holds; False for the newest one where no signature is known.
        Raises `_Refused`."""
        if not self._store.is_at(digest, name):
            raise _Refused(
                f"moved: it names s3://{digest.digestS3Bucket}/{digest.digestS3Object} as its place"
            )
        named = chain_of(name.key)
        if named is not None and named[1] != digest.end:
            raise _Refused(f"its name is of another hour than its end, {digest.digestEndTime}")
        if expected is not None:
            found = hashlib.sha256(content).hexdigest()
            if expected.digest is not None and expected.digest != found:
                raise _Refused(f"its hash is {found}, the digest after it says {expected.digest}")
            known = expected.signature
            if stored.signature is not None and known is not None and stored.signature != known:
                raise _Refused("its signature is another one than the digest after it says")
        signature = stored.signature
        if signature is None and not self._store.signed and expected is not None:
            signature = expected.signature
        if signature is None:
            if self._store.signed or expected is not None:
                raise _Refused("it has no signature")
            if not newest:
                raise _Refused("its signature is lost, and no later digest has it")
            return False
        fingerprint = digest.digestPublicKeyFingerprint
        if fingerprint not in self._keys:
            self._ask(self._chain, digest)
        if fingerprint not in self._keys:
            raise _Refused(f"no public key is known with its fingerprint {fingerprint}")
        if not self._keys.signs(fingerprint, signature or "", signed_text(digest, content)):
            raise _Refused("its signature is not CloudTrail's")
        return True

    def _accept(self, digest: Digest) -> None:
        """Count what a valid digest lists."""
        verdict, files = self.verdict, self.verdict.files
        verdict.covers(digest.start, digest.end)
        if not digest.logFiles:
            verdict.empty_hours += 1
        base = self._chain.place.base
        for listed in digest.logFiles:
            own = self._store.own(base, Name(listed.s3Bucket, listed.s3Object))
            if own is not None:
                self.listed.add(hash(own))
        for wrong in self._files(base, digest.logFiles):
            if wrong is None:
                files.valid += 1
                continue
            verdict.findings.append(wrong)
            name = wrong.kind.value
            setattr(files, name, getattr(files, name) + 1)

    def _before(self, digest: Digest) -> _Expected | None:
        key, bucket = digest.previousDigestS3Object, digest.previousDigestS3Bucket
        if key is None or bucket is None:
            self._begins = digest.start
            return None
        hashes = digest.previousDigestHashAlgorithm in (None, SHA_256)
        return _Expected(
            self._store.own(self._chain.place.base, Name(bucket, key)) or key,
            bucket,
            digest.previousDigestHashValue if hashes else None,
            digest.previousDigestSignature,
            digest.start,
        )

    def _older(self, left: list[Listed], key: str, end: datetime) -> Listed | None:
        """The next older digest that is there. If the digest just looked at is the first of its
        chain, the hours between the two are a gap."""
        while left:
            found = left.pop()
            if found[0] in self._met or found[1] >= end:
                continue
            if self._is_before(found[1]):
                return None
            if self._begins is not None and self._begins - found[1] > SLACK:
                self._find_gap(self._store.address(Name("", key)), found[1], self._begins)
            return found
        return None

    def _beside(self, digests: Sequence[Listed]) -> None:
        """Digests within this chain's hours that the chain does not lead to."""
        first = self.verdict.first
        for key, end in digests:
            if key in self._met or self._is_before(end):
                continue
            if first is None or end <= first:
                continue
            self.verdict.digests.unlisted += 1
            self._find(
                IntegrityFindingKind.UNLISTED,
                self._store.address(Name("", key)),
                "in no chain of digests",
            )

    def _find_gap(self, address: str, end: datetime, start: datetime) -> None:
        self._find(
            IntegrityFindingKind.GAP,
            address,
            f"no digest from {end:{MINUTE}} to {start:{MINUTE}}: logging was off, or they are gone",
        )

    def _find(self, kind: IntegrityFindingKind, address: str, detail: str) -> None:
        self.verdict.findings.append(IntegrityFinding(kind, address, detail))
