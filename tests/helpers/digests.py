"""A trail with its digests, made as CloudTrail makes them, with a key of the test's own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.helpers.local_servers import LocalServer, answering

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCOUNT, REGION, TRAIL = "111122223333", "eu-west-1", "my_trail"
BEGIN = datetime(2025, 3, 1, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


@cache
def signing_key(number: int) -> rsa.RSAPrivateKey:
    """The private key of a number: made once, since that takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_der(number: int = 0, *, wrapped: bool = False) -> bytes:
    """PKCS#1, as CloudTrail gives its keys today, or `wrapped` in SubjectPublicKeyInfo."""
    form = (
        serialization.PublicFormat.SubjectPublicKeyInfo
        if wrapped
        else serialization.PublicFormat.PKCS1
    )
    public = signing_key(number).public_key()
    return public.public_bytes(serialization.Encoding.DER, form)


def fingerprint(der: bytes) -> str:
    return hashlib.md5(der, usedforsecurity=False).hexdigest()


def listed_keys(*ders: bytes) -> dict[str, Any]:
    """What `aws cloudtrail list-public-keys` writes."""
    return {
        "PublicKeyList": [
            {
                "Value": base64.b64encode(der).decode(),
                "ValidityStartTime": 1_740_000_000.0,
                "ValidityEndTime": 1_750_000_000.0,
                "Fingerprint": fingerprint(der),
            }
            for der in ders
        ]
    }


@dataclass
class Made:
    """An object before it is stored: its bytes, and what S3 keeps beside it."""

    body: bytes
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class DigestedTrail:
    """The objects of one account and region by key, hour after hour.

    `files` holds the keys of each hour's files, `digests` those of the digests, in order.
    """

    bucket: str = "trail-bucket"
    prefix: str = ""
    account: str = ACCOUNT
    region: str = REGION
    trail: str = TRAIL
    key: int = 0
    wrapped: bool = False
    at: datetime = BEGIN
    objects: dict[str, Made] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    _previous: tuple[str, str, str] | None = None

    @property
    def root(self) -> str:
        return f"{self.prefix}AWSLogs/{self.account}/"

    def file(self, moment: datetime, number: int, records: int = 1) -> str:
        """Add a trail file that no digest lists yet; its key."""
        name = f"{self.account}_CloudTrail_{self.region}_{moment:%Y%m%dT%H%MZ}_{number:016d}"
        key = f"{self.root}CloudTrail/{self.region}/{moment:%Y/%m/%d}/{name}.json.gz"
        held = [
            {
                "eventVersion": "1.11",
                "eventID": f"{int(moment.timestamp()) + item:08x}-0000-4000-8000-{number:012d}",
                "eventTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                "eventSource": "sts.amazonaws.com",
                "eventName": "GetCallerIdentity",
                "awsRegion": self.region,
                "recipientAccountId": self.account,
            }
            for item in range(records)
        ]
        self.objects[key] = Made(gzip.compress(json.dumps({"Records": held}).encode(), mtime=0))
        return key

    def hour(self, files: int = 2, *, restart: bool = False) -> str:
        """One hour's files and its digest; its key. `restart`: a chain begins."""
        keys = [self.file(self.at + timedelta(minutes=10 + 5 * n), n) for n in range(files)]
        return self.digest(keys, restart=restart)

    def digest(self, keys: list[str], *, restart: bool = False, late: bool = False) -> str:
        """The digest of the hour that begins at `at`, which moves on. `late`: CloudTrail delivers
        it afterwards, in a chain of its own."""
        start, end = self.at, self.at + HOUR
        self.at = end
        name = f"{self.account}_CloudTrail-Digest_{self.region}_{self.trail}_{self.region}"
        key = (
            f"{self.root}CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/"
            f"{name}_{end:%Y%m%dT%H%M%SZ}{'_backfill' if late else ''}.json.gz"
        )
        before = None if restart or late else self._previous
        der = public_der(self.key, wrapped=self.wrapped)
        body = {
            "awsAccountId": self.account,
            "digestStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": fingerprint(der),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": self.bucket if before else None,
            "previousDigestS3Object": before[0] if before else None,
            "previousDigestHashValue": before[1] if before else None,
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": before[2] if before else None,
            "logFiles": [
                {
                    "s3Bucket": self.bucket,
                    "s3Object": each,
                    "hashValue": hashlib.sha256(
                        gzip.decompress(self.objects[each].body)
                    ).hexdigest(),
                    "hashAlgorithm": "SHA-256",
                    "newestEventTime": None,
                    "oldestEventTime": None,
                }
                for each in keys
            ],
        }
        content = json.dumps(body).encode()
        hashed = hashlib.sha256(content).hexdigest()
        signed_before = before[2] if before else "null"
        text = f"{body['digestEndTime']}\n{self.bucket}/{key}\n{hashed}\n{signed_before}"
        signature = signing_key(self.key).sign(text.encode(), padding.PKCS1v15(), SHA256()).hex()
        self.objects[key] = Made(
            gzip.compress(content, mtime=0),
            {"signature": signature, "signature-algorithm": "SHA256withRSA"},
        )
        if not late:
            self._previous = key, hashed, signature
        self.digests.append(key)
        self.files.append(keys)
        return key

    def stored(self, s3: S3Client) -> str:
        """Put all of it into the bucket, which is there; its address."""
        for key, made in self.objects.items():
            s3.put_object(Bucket=self.bucket, Key=key, Body=made.body, Metadata=made.metadata)
        return f"s3://{self.bucket}/{self.prefix}"

    def copied(self, folder: Path) -> Path:
        """The same in a folder, without what S3 keeps beside objects."""
        for key, made in self.objects.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made.body)
        return folder


@contextmanager
def cloudtrail_api(keys: dict[str, Any]) -> Iterator[str]:
    """The address of a server that answers ListPublicKeys as CloudTrail does, for any region."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            known = self.headers["X-Amz-Target"].endswith(".ListPublicKeys")
            body = json.dumps(keys if known else {"__type": "UnknownOperationException"}).encode()
            self.send_response(200 if known else 400)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing: it would be between the tests' own lines."""

    with answering(LocalServer(Answer)) as server:
        yield server.url
