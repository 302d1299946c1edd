"""Records that could not be indexed: stored raw, with the reason, where they can be inspected.

They are stored in the dead-letter index, or, if it rejects one, in a file of the spool folder. The
`_id` of a dead letter is derived from object, position and bytes, so a second run adds none.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from ingest.bulk import replies
from ingest.deadletters.spool import Spool
from ingest.object_progress import ObjectProgress
from trailhound.cluster.blocks import why_refused
from trailhound.cluster.refusals import refused_item
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import SpoolError

_REQUEST_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be indexed. `code` is a word for tables, `reason` a sentence."""

    owner: ObjectProgress
    position: int
    raw: bytes
    code: str
    reason: str
    day: str = ""
    """The UTC day (`YYYY.MM.DD`) of the record, if known."""

    @property
    def id(self) -> str:
        digest = hashlib.sha256(f"{self.owner.item.uri}\0{self.position}\0".encode())
        digest.update(self.raw)
        return digest.hexdigest()

    def document(self, now: datetime) -> dict[str, Any]:
        """As it is stored. `encoding` says how to get the bytes back from `raw`."""
        try:
            raw, encoding = self.raw.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            raw, encoding = base64.b64encode(self.raw).decode(), "base64"
        return {
            "object": self.owner.item.uri,
            "etag": self.owner.item.etag,
            "position": self.position,
            "code": self.code,
            "reason": self.reason,
            "at": now.isoformat(),
            "encoding": encoding,
            "raw": raw,
        } | ({"day": self.day} if self.day else {})


def raw_of(document: dict[str, Any]) -> bytes:
    """The bytes of a stored dead letter."""
    raw: str = document["raw"]
    return base64.b64decode(raw) if document["encoding"] == "base64" else raw.encode()


class DeadLetters:
    """Stores dead letters, and records their outcome once they are stored."""

    def __init__(
        self, client: OpenSearch, index: str, spool: Path, retry_policy: RetryPolicy
    ) -> None:
        self._client = client
        self._index = index
        self._retry_policy = retry_policy
        self._lock = threading.Lock()
        self._busy = ""
        """The cluster's last reason why a letter has to wait."""
        self.spool = Spool(spool)
        self.spooled = 0
        self.codes: dict[str, int] = {}

    def put(self, letters: Iterable[DeadLetter]) -> None:
        """Store letters, then count them. Waits for the cluster like any write."""
        group: list[DeadLetter] = []
        size = 0
        for letter in letters:
            if group and size + len(letter.raw) > _REQUEST_BYTES:
                self._store(group)
                group, size = [], 0
            group.append(letter)
            size += len(letter.raw)
        if group:
            self._store(group)

    def _store(self, letters: list[DeadLetter]) -> None:
        now = datetime.now(UTC)
        pending, attempt, since = self._send(letters, now), 0, time.monotonic()
        while pending:
            why = why_refused(self._client, self._index, self._busy)
            self._retry_policy.wait(attempt, since, why)
            pending, attempt = self._send(pending, now), attempt + 1
        with self._lock:
            for letter in letters:
                if letter.owner.aborted:
                    continue
                self.codes[letter.code] = self.codes.get(letter.code, 0) + 1
        for letter in letters:
            letter.owner.dead_letter(letter.code, letter.reason)

    def _send(self, letters: list[DeadLetter], now: datetime) -> list[DeadLetter]:
        """Send one request. Returns the letters for which the cluster was too busy."""
        lines = []
        for letter in letters:
            action = {"create": {"_index": self._index, "_id": letter.id}}
            lines += [orjson.dumps(action), msgspec.json.encode(letter.document(now))]
        body = b"\n".join(lines) + b"\n"
        try:
            reply = self._retry_policy.run(lambda: self._request(body))
        except _Refused as refused:
            if len(letters) == 1:
                self._spool(letters[0], now, str(refused))
                return []
            middle = len(letters) // 2
            return self._send(letters[:middle], now) + self._send(letters[middle:], now)
        again = []
        for letter, result in zip(letters, replies.read(reply, len(letters)), strict=True):
            if result.disposition in (replies.Disposition.RETRY, replies.Disposition.MISSING_INDEX):
                again.append(letter)
                self._busy = result.reason
            elif result.disposition is replies.Disposition.TOO_LARGE and len(letters) > 1:
                again += self._send([letter], now)
            elif result.disposition in (
                replies.Disposition.BLOCKED,
                replies.Disposition.DAY_BLOCKED,
            ):
                raise refused_item(self._index, result.status, result.kind, result.reason)
            elif result.disposition in (
                replies.Disposition.REJECTED,
                replies.Disposition.TOO_LARGE,
            ):
                self._spool(letter, now, result.reason)
        return again

    def _request(self, body: bytes) -> dict[str, Any]:
        try:
            return replies.post_bulk(self._client, body)
        except TransportError as error:
            if error.status_code in (400, 413) or replies.too_large(str(error.args)):
                raise _Refused(str(error.error)) from error
            raise

    def _spool(self, letter: DeadLetter, now: datetime, why: str) -> None:
        """Write a letter to the spool file, once. If that fails, the letter's object is aborted and
        read again later, so that no record is counted without being stored."""
        entry = letter.document(now) | {"id": letter.id, "refused": why}
        try:
            new = self.spool.append(letter.id, msgspec.json.encode(entry))
        except SpoolError as error:
            letter.owner.abort(f"{error.message}; {error.hint}", retry=True)
            return
        with self._lock:
            self.spooled += new


class _Refused(Exception):
    """The whole request was refused for its content or size."""
