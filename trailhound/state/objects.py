"""The objects of all trails, one document each: what was read of it, by which criteria, and how.

An object is `claimed` by a worker, then `done` or `failed`; `released` is a released claim. An
object that holds no CloudTrail events, by its content, is `skipped`, with the reason. One that is
read again keeps the entry of its last reading, with a `claim` beside it, until the new reading is
finished: a worker that releases it, or is killed, leaves that entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal, Self

import msgspec

from trailhound.state.criteria import Criteria
from trailhound.state.document import StateDocument

State = Literal["claimed", "done", "failed", "released", "skipped", "archived"]

_UNREAD: Final[tuple[State, ...]] = ("claimed", "released")
"""States in which no reading was finished."""
_SHORT = 16
"""Hexadecimal digits, 64 bits."""
_STATED: Final = frozenset(
    {"read", "indexed", "duplicates", "dead_lettered", "filtered", "bytes", "counted"}
)
"""Members of what was read that say something where they are zero, or select everything."""
MOST_SHARED: Final = 32
"""Other objects that an entry names as the first ones of its events."""
ObjectVerdict = Literal["verified", "tampered", "corrupt", "missing", "unlisted", "pending"]
BAD: Final[tuple[ObjectVerdict, ...]] = ("tampered", "corrupt", "missing")
"""Verdicts that a critical alert is raised for."""


class Integrity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What CloudTrail's digests say of an object; `docs/integrity.md` says what each verdict is.

    `at` is when it was first found so (ISO 8601, UTC), `etag` that of the content which was judged.
    `expected` and `found` are hashes, or what else was. `unmarked` are the daily indices with
    events of the object whose `trail.integrity` could not be set, with the reason.
    """

    verdict: ObjectVerdict
    at: str
    etag: str = ""
    expected: str = ""
    found: str = ""
    unmarked: tuple[str, ...] = ()


class SharedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Duplicates of an object: `events` of it were indexed before, from another one, whose short id
    is `object`."""

    object: str
    events: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's claim on an object that was read before. `at` is ISO 8601 in UTC, `etag` that of
    the content to be read; `token` names the claim."""

    worker: str
    token: str
    at: str
    etag: str


class ObjectState(StateDocument, frozen=True, kw_only=True):
    """One object. Times are ISO 8601 in UTC; sizes in bytes, `size` as stored, `bytes` as read.

    `covered` holds the criteria by which this very content (`etag`) was read to its end; a new
    content begins without any. The counts are of the last reading, which selected by `counted`:
    None where that is all of `covered`, and in entries of earlier releases. `token` names the claim
    that the entry was written under.
    """

    kind: ClassVar[str] = "object"

    uri: str
    etag: str = ""
    size: int = 0
    state: State
    worker: str = ""
    token: str = ""
    claimed_at: str | None = None
    finished_at: str | None = None
    reason: str = ""
    """Why it `failed` or was `skipped`."""
    failed_since: str = ""
    """When this content could not be read for the first time, of one that was tried again."""
    covered: tuple[Criteria, ...] = ()
    counted: Criteria | None = None
    read: int = 0
    indexed: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    filtered: int = 0
    by_folder: int = 0
    """Records that were selected by their object's folder alone."""
    bytes: int = 0
    sha256: str = ""
    """Of what the gzip stream holds, in hexadecimal, as CloudTrail's digests have it. Empty where
    the object was not read to its end, or is not one whole gzip stream and nothing else."""
    events_under: tuple[str, ...] = ()
    """Windows of the event history (`object` of their entries) under whose names events of it are
    in the index: they were read there before the trail delivered them."""
    gone_at: str | None = None
    """When it was noted that the object is no longer in its source. Reading it again clears it."""
    gone_by: str = ""
    gone_note: str = ""
    """Who noted that, and why."""
    shared: tuple[SharedEvents, ...] = ()
    """Of which objects its duplicates are, most first: their events came by this one too. At most
    `MOST_SHARED`; duplicates of an earlier reading of itself are in none."""
    integrity: Integrity | None = None
    """None until a verification has recorded something."""
    claim: Claim | None = None
    """Of the worker that reads it again; all other fields are of the last reading. The first
    reading has its claim in `state`, `worker`, `token` and `claimed_at`, where the last release
    looks for it."""

    @property
    def holder(self) -> str:
        """The worker that has claimed it; empty if none has. The worker may have ended."""
        if self.claim is not None:
            return self.claim.worker
        return self.worker if self.state == "claimed" else ""

    @property
    def claim_token(self) -> str:
        """The name of the present claim; empty if there is none."""
        if self.claim is not None:
            return self.claim.token
        return self.token if self.state == "claimed" else ""

    @property
    def is_genuine(self) -> bool:
        """Whether what was read is what its digest lists, even if the object has changed since."""
        judged = self.integrity
        return judged is not None and bool(self.sha256) and self.sha256 == judged.expected

    @property
    def key(self) -> str:
        return object_id(self.uri)

    def document(self) -> dict[str, Any]:
        """With `object`, by which the events of the object name it, and without what is empty:
        where files are tiny, the ledger has an entry for every few events. What was read is
        counted, none as well.
        """
        stays = () if self.is_unread else _STATED
        made: dict[str, Any] = {"kind": self.kind, "object": short_id(self.uri)}
        return made | {
            name: value
            for name, value in msgspec.to_builtins(self).items()
            if value or (name in stays and value is not None)
        }

    @classmethod
    def upgraded(cls, source: Mapping[str, Any]) -> Mapping[str, Any]:
        """An entry of the last release does not name its filter: one with filtered records counts
        as read by no criteria, one without as read whole."""
        if "kind" in source:
            return source
        known = {name: value for name, value in source.items() if value is not None}
        whole = source.get("state") == "done" and not source.get("filtered")
        return known | {"covered": [{}] if whole else []}

    @classmethod
    def legacy_query(cls) -> dict[str, Any] | None:
        return {"terms": {"state": ["claimed", "done", "failed", "released"]}}

    def is_done_for(self, etag: str, wanted: Criteria) -> bool:
        """Whether all that `wanted` selects was read from an object with this content."""
        return self.etag == etag and (
            self.state == "skipped" or any(each.covers(wanted) for each in self.covered)
        )

    def is_skipped(self, etag: str) -> bool:
        """Whether this content holds no CloudTrail records; `reason` says what it is."""
        return self.etag == etag and self.state == "skipped"

    @property
    def is_unread(self) -> bool:
        """Whether no reading of it was finished."""
        return self.state in _UNREAD

    def was_read(self, etag: str) -> bool:
        """Whether this content was read to its end by any criteria."""
        return self.etag == etag and (bool(self.covered) or self.state == "done")

    def claimed(self, claim: Claim, size: int) -> Self:
        """Claimed for another reading, or for the first one where none was finished."""
        if not self.is_unread:
            return msgspec.structs.replace(self, claim=claim)
        return msgspec.structs.replace(
            self,
            etag=claim.etag,
            size=size,
            state="claimed",
            worker=claim.worker,
            token=claim.token,
            claimed_at=claim.at,
            covered=self.covered if self.etag == claim.etag else (),
        )

    def without_claim(self) -> Self:
        """Without its claim: the entry of the last reading, or `released` where none was
        finished."""
        if self.state != "claimed":
            return msgspec.structs.replace(self, claim=None)
        return msgspec.structs.replace(self, state="released", worker="", token="")

    def finished(self, **fields: Any) -> Self:
        """With these fields, and no longer claimed."""
        return msgspec.structs.replace(self, worker="", **fields)

    def gone(self, now: datetime, by: str = "", note: str = "") -> Self:
        """Noted as no longer in its source; what is known of it stays, also since when."""
        again = self.gone_at is not None and not note
        return msgspec.structs.replace(
            self,
            gone_at=self.gone_at or now.isoformat(),
            gone_by=self.gone_by if again else by,
            gone_note=note or self.gone_note,
        )

    def retried(
        self, etag: str, *, indexed: int, duplicates: int, left: int, filtered: int = 0
    ) -> Self:
        """With a number of its dead letters indexed meanwhile, or found to be duplicates or past
        retention; `left` others of this content are stored. Letters of a reading that was not
        finished, of another content or of an earlier reading are in none of its counts, so they
        move nothing."""
        if etag and etag != self.etag:
            return self
        moved = max(0, self.dead_lettered - left)
        indexed = min(indexed, moved)
        duplicates = min(duplicates, moved - indexed)
        filtered = min(filtered, moved - indexed - duplicates)
        return msgspec.structs.replace(
            self,
            indexed=self.indexed + indexed,
            duplicates=self.duplicates + duplicates,
            filtered=self.filtered + filtered,
            dead_lettered=self.dead_lettered - indexed - duplicates - filtered,
        )


@lru_cache(maxsize=4_096)  # needed at each step of an object: listed, claimed, done
def object_id(uri: str) -> str:
    """`_id` of an object's document: keys are longer than an `_id` may be."""
    return hashlib.sha256(uri.encode()).hexdigest()


def short_id(uri: str) -> str:
    """What `trail.object` holds: the start of the ledger's `_id`; a shorter name as it is.

    Of a billion objects two have the same with a probability of 3 %; their events are still
    distinguished by their own ids.

    >>> short_id("s3://a-bucket/AWSLogs/file.json.gz"), short_id("-")
    ('358fa8d4c258db6d', '-')
    """
    return object_id(uri)[:_SHORT] if len(uri) > _SHORT else uri


def names_in_events(uri: str) -> tuple[str, str]:
    """What `trail.object` of an object's events may hold: its short id, or its whole name, as in
    the last release and with `index.object_names`."""
    return short_id(uri), uri
