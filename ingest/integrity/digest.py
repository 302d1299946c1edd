"""A digest: what it says of the files of an hour and of the digest before it, and what is signed of
it.

"CloudTrail digest file structure" of the AWS CloudTrail user guide.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from trailhound.errors import TrailFileError

_BASE = r"(?P<base>(?:.*/)?AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?)(?P<account>\d{12})/"
_DIGEST = re.compile(
    _BASE + r"CloudTrail-Digest/(?P<region>[a-z0-9-]+)/\d{4}/\d{2}/\d{2}/"
    r"(?P=account)_CloudTrail-Digest_(?P=region)_(?P<trail>.+)_(?P<home>[a-z0-9-]+)_"
    r"(?P<end>\d{8}T\d{6}Z)(?P<backfill>_backfill)?\.json\.gz",
    re.DOTALL,
)
_FILE = re.compile(
    _BASE + r"CloudTrail/(?P<region>[a-z0-9-]+)/\d{4}/\d{2}/\d{2}/"
    r"(?P=account)_CloudTrail_(?P=region)_(?P<at>\d{8}T\d{4}Z)_[^/]+",
    re.DOTALL,
)
_LAYOUT: Final = "AWSLogs/"
MINUTE: Final = "%Y-%m-%dT%H:%MZ"
"""The format in which a finding shows a time."""
SHA_256: Final = "SHA-256"


class Place(NamedTuple):
    """The account and region whose digests or files lie in a folder."""

    base: str
    """The part of a key before the account's folder: `prefix/AWSLogs/`, with the organisation's id.
    """
    account: str
    region: str


class Chain(NamedTuple):
    """The digests that one trail delivers for one region; each one names the one before it."""

    place: Place
    trail: str
    home: str
    """The region in which the trail was made."""
    backfill: bool
    """Whether they were delivered later than their hours, in a chain of their own."""


class LogFile(msgspec.Struct, frozen=True):
    """A file that a digest lists; the hash is of its uncompressed content."""

    s3Bucket: str  # noqa: N815 - CloudTrail's own names
    s3Object: str  # noqa: N815
    hashValue: str  # noqa: N815
    hashAlgorithm: str  # noqa: N815


class Digest(msgspec.Struct, frozen=True):
    """The members of a digest that matter here; `previous…` are null in a chain's first digest."""

    digestStartTime: str  # noqa: N815 - CloudTrail's own names
    digestEndTime: str  # noqa: N815
    digestS3Bucket: str  # noqa: N815
    digestS3Object: str  # noqa: N815
    digestPublicKeyFingerprint: str  # noqa: N815
    previousDigestSignature: str | None  # noqa: N815
    previousDigestS3Bucket: str | None = None  # noqa: N815
    previousDigestS3Object: str | None = None  # noqa: N815
    previousDigestHashValue: str | None = None  # noqa: N815
    previousDigestHashAlgorithm: str | None = None  # noqa: N815
    logFiles: tuple[LogFile, ...] = ()  # noqa: N815

    @property
    def start(self) -> datetime:
        return _time(self.digestStartTime)

    @property
    def end(self) -> datetime:
        return _time(self.digestEndTime)


def parse(content: bytes) -> Digest:
    """The digest in this uncompressed JSON. Raises `TrailFileError` where it is not one."""
    try:
        digest = msgspec.json.decode(content, type=Digest)
        _ = digest.start, digest.end
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise TrailFileError(
            f"not in the form of a digest: {error}", hint="fetch it from its bucket again"
        ) from None
    return digest


def signed_text(digest: Digest, content: bytes) -> bytes:
    """The text that CloudTrail signs: the end of the hour, the place, the hash of the uncompressed
    digest, and the signature of the digest before it."""
    return "\n".join(
        (
            digest.digestEndTime,
            f"{digest.digestS3Bucket}/{digest.digestS3Object}",
            hashlib.sha256(content).hexdigest(),
            digest.previousDigestSignature or "null",
        )
    ).encode()


def chain_of(key: str) -> tuple[Chain, datetime] | None:
    """The chain of a digest's key and the end of its hour; None where the key is not a digest's.

    >>> key = (
    ...     "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2025/03/01/111122223333_"
    ...     "CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20250301T100000Z.json.gz"
    ... )
    >>> chain, end = chain_of(key)
    >>> chain.trail, chain.home, f"{end:%H:%M}"
    ('my_trail', 'us-east-1', '10:00')
    """
    found = _DIGEST.fullmatch(key)
    if found is None:
        return None
    try:
        end = datetime.strptime(found["end"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    place = Place(found["base"], found["account"], found["region"])
    return Chain(place, found["trail"], found["home"], bool(found["backfill"])), end


def file_of(key: str) -> tuple[Place, datetime] | None:
    """Place and time of delivery of a trail file's key; None for any other key.

    Files of Insights and network activity count as other keys: the guide promises digests of event
    files alone.
    """
    found = _FILE.fullmatch(key)
    if found is None:
        return None
    try:
        at = datetime.strptime(found["at"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Place(found["base"], found["account"], found["region"]), at


def layout_of(key: str) -> str:
    """The part of a key from `AWSLogs/` on, which a copy into a folder keeps.

    >>> layout_of("logs/AWSLogs/111122223333/CloudTrail/x.json.gz")
    'AWSLogs/111122223333/CloudTrail/x.json.gz'
    """
    at = key.rfind(_LAYOUT)
    return key[at:] if at >= 0 else key


def root_of(key: str) -> str:
    """What is before the last `AWSLogs/` of a key: what a copy into a folder may have changed.

    >>> root_of("logs/AWSLogs/111122223333/CloudTrail/x.json.gz")
    'logs/'
    """
    return key.removesuffix(layout_of(key))


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
