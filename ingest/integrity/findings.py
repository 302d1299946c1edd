"""What a verification counts and finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from trailhound.state.objects import ObjectVerdict


class IntegrityFindingKind(StrEnum):
    """What is wrong with an object, or what could not be found out about it."""

    INVALID = "invalid"
    """Not what CloudTrail wrote: its hash, its signature, its place or its form differs."""
    MISSING = "missing"
    """Named by a digest, or expected by the layout, and not there."""
    UNREADABLE = "unreadable"
    """There, but it could not be read, so it could not be verified."""
    UNLISTED = "unlisted"
    """There, and no digest lists it, although there is a digest of its hour."""
    GAP = "gap"
    """Hours without a digest between two digests: logging was off, or the digests were deleted."""
    STALE = "stale"
    """The newest digest is too old: logging stopped, or later ones were deleted."""
    UNSIGNED = "unsigned"
    """The newest digest of a folder: its signature was metadata in S3 and is lost, and no later
    digest repeats it."""
    EARLIER = "earlier"
    """Files delivered before the first digest: validation was switched on after them."""

    @property
    def fails(self) -> bool:
        """Whether it makes a verification fail. The other kinds are no sign of tampering."""
        return self not in (IntegrityFindingKind.UNSIGNED, IntegrityFindingKind.EARLIER)


@dataclass(frozen=True, slots=True)
class IntegrityFinding:
    """One object, by its address, and what was expected and found. `expected` and `found` are set
    only for files and digests that differ from what CloudTrail delivered."""

    kind: IntegrityFindingKind
    object: str
    detail: str
    expected: str = ""
    found: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"kind": self.kind.value, "object": self.object, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What was found of one file. `object` is its address, `etag` that of the content that was
    judged; `expected` and `found` are hashes, or `found` says what else was there."""

    object: str
    verdict: ObjectVerdict
    expected: str = ""
    found: str = ""
    etag: str = ""


AFTER: Final = "data after the end of the compressed stream"
DAMAGED: Final = "not gzip, or damaged"
"""What `found` says where a file is damaged, so that it has no hash."""


def described(found: str, expected: str) -> str:
    """What is wrong with a file, in a sentence. `found` is its hash, or already such a sentence.

    >>> described("more than 9 bytes uncompressed", "ab" * 32)
    'more than 9 bytes uncompressed'
    """
    if len(found) != len(expected) or " " in found:
        return found
    return f"its hash is {found}, its digest says {expected}"


@dataclass(slots=True)
class Tally:
    """Counts of digests or of files."""

    valid: int = 0
    invalid: int = 0
    missing: int = 0
    unreadable: int = 0
    unlisted: int = 0
    """For digests: those that no chain leads to."""
    unsigned: int = 0

    def add(self, other: Tally) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class VerificationResult:
    """The result for one account and region, or for all together. `first` and `last` are the first
    and the last hour of valid digests."""

    digests: Tally = field(default_factory=Tally)
    files: Tally = field(default_factory=Tally)
    empty_hours: int = 0
    """Digests that list no file: nothing was called, or nothing was logged."""
    pending: int = 0
    """Files delivered after the newest digest: the next one lists them."""
    unverified: int = 0
    """Files of accounts and regions that have no digest at all."""
    findings: list[IntegrityFinding] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None

    @property
    def fails(self) -> bool:
        return any(each.kind.fails for each in self.findings)

    def covers(self, start: datetime, end: datetime) -> None:
        """Note that a valid digest covers these hours."""
        self.first = start if self.first is None else min(self.first, start)
        self.last = end if self.last is None else max(self.last, end)

    def join(self, other: VerificationResult) -> None:
        self.digests.add(other.digests)
        self.files.add(other.files)
        self.empty_hours += other.empty_hours
        self.pending += other.pending
        self.unverified += other.unverified
        self.findings += other.findings
        if other.first is not None and other.last is not None:
            self.covers(other.first, other.last)

    def as_dict(self) -> dict[str, Any]:
        """The form that docs/integrity.md describes."""
        digests, files = self.digests, self.files
        return {
            "digests": {
                "valid": digests.valid,
                "invalid": digests.invalid,
                "missing": digests.missing,
                "unreadable": digests.unreadable,
                "unlisted": digests.unlisted,
                "unsigned": digests.unsigned,
                "empty": self.empty_hours,
            },
            "files": {
                "valid": files.valid,
                "invalid": files.invalid,
                "missing": files.missing,
                "unreadable": files.unreadable,
                "unlisted": files.unlisted,
                "pending": self.pending,
                "unverified": self.unverified,
            },
            "findings": [each.as_dict() for each in self.findings],
            "from": _written(self.first),
            "to": _written(self.last),
        }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
