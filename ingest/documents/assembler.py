"""From records to finished documents: the loop that processes every event.

A record's own bytes are copied once, with our members appended; nothing is parsed
and serialised again. What needs more (a name that collides, invalid UTF-8) takes the slow path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from enrich.enricher import Enricher
from enrich.uuids import HEX_TO_X, UUID_FORM
from enrich.view import RecordView, is_flat, view_of
from ingest.bulk.batch import Batch, make_head
from ingest.bulk.conflicts import LOOKUP
from ingest.bulk.stored_records import StoredRecords, digest_of
from ingest.deadletters.store import DeadLetter
from ingest.documents.day_limit import TOO_MANY_NEW_DAYS, DayLimit
from ingest.documents.document_id import document_id
from ingest.documents.record_form import require_form
from ingest.documents.unsearched import Unsearched
from ingest.object_progress import ObjectProgress
from ingest.objects import is_history
from ingest.reading import Chunk, Fault
from ingest.reading.chunk import FAULT_RAW
from ingest.repair import strict_schema
from ingest.repair.record import repair
from trailhound.errors import RecordError
from trailhound.settings.cluster import UNSEARCHED
from trailhound.state.objects import short_id

Keep = Callable[[RecordView, bytes, str], bool]
"""Whether an event is wanted: its view, its bytes, its UTC day (`YYYY.MM.DD`)."""

_OPEN = b'"}}\n'
_CORRUPT = "corrupt"
"""`trail.integrity` of records whose gzip checksum is wrong: they may have been altered."""
_MANY = 16_384
_NUMBERS = tuple(b"%d" % number for number in range(_MANY))
_PIECE_BYTES = 1024 * 1024
_LETTER_BYTES = 500
"""Of a dead letter in memory, beside its record."""
_NOTHING: Mapping[int, str] = MappingProxyType({})


@dataclass(slots=True)
class Assembled:
    """The result of a chunk: documents, those repaired before sending, dead letters, the filtered,
    and those that are stored already."""

    batch: Batch = field(default_factory=Batch)
    repaired: Batch = field(default_factory=lambda: Batch(repair_level=1, raws=[]))
    dead: list[DeadLetter] = field(default_factory=list)
    filtered: int = 0
    duplicates: int = 0


class Assembler:
    """Makes documents. `index_of(day)` names an existing index; called once for each day.

    With `stored`, batches carry the digests of their records. With `skip_stored`, no document is
    made of a record that is in there.
    """

    def __init__(
        self,
        enricher: Enricher,
        index_of: Callable[[str], str],
        *,
        limit: DayLimit | None = None,
        stored: StoredRecords | None = None,
        skip_stored: bool = False,
        unsearched: Iterable[str] = UNSEARCHED,
        object_names: bool = False,
        mark_flat: bool = False,
    ) -> None:
        """`unsearched`: fields to keep in `trail.original`; `object_names`: whether `trail.object`
        holds whole names. As the settings under `index`. `mark_flat`: whether events get
        `trail.flat`, as the dialect says."""
        self._mark_flat = mark_flat
        self._object_names = object_names
        self._shortened = Unsearched(unsearched).shortened
        self._enrich, self._parts = enricher.fields, enricher.parts
        self._index_of = index_of
        self._limit = limit
        self._headers: dict[str, bytes] = {}
        self._stored = stored
        self._skip_stored = skip_stored

    def assemble(
        self, chunk: Chunk, owner: ObjectProgress, keep: Keep | None = None
    ) -> Iterator[Assembled]:
        """The documents of a chunk of one object, in pieces of about a MiB."""
        enrich, headers, decode = self._parts, self._headers, strict_schema.decode
        shortened = self._shortened
        folder = _folder_account(owner)
        in_own = _opened(self._origin(owner, folder))
        elsewhere = _opened(self._origin(owner, None))
        integrity = _CORRUPT if chunk.doubtful else owner.proof
        after = b',"integrity":"%b"},' % integrity.encode()
        mark_flat, flat_after = self._mark_flat, after[:-2] + b',"flat":true},'
        out = Assembled()
        for fault in chunk.faults:
            self._fault(fault, owner, integrity, out, keep)
        suspects = chunk.suspects
        heads, ends, positions = out.batch.heads, out.batch.ends, out.batch.positions
        # What the history has is compared with what is stored: then a trail's object notes where
        # its events are (`ObjectProgress.events_under`).
        remembered = self._stored is not None and not is_history(owner.item)
        digests = out.batch.digests if remembered else None
        skips = self._skip_stored
        late, late_day = owner.late, owner.late.day if owner.late is not None else ""
        young: list[str | int | float | None] = []
        recent, older = self._known()
        size = letters = 0
        # A record is decoded right before its view is used, and not all of a file in one go:
        # what was just read is still in the processor's cache, which is worth a third of the time.
        for number, (record, position) in enumerate(
            zip(chunk.records, chunk.positions, strict=True)
        ):
            if size >= _PIECE_BYTES:
                yield _closed(out, owner, size - letters)
                out, size, letters = Assembled(), 0, 0
                heads, ends, positions = out.batch.heads, out.batch.ends, out.batch.positions
                digests = out.batch.digests if digests is not None else None
            text = bytes(record)
            known = False
            if digests is not None:
                digest = digest_of(text)
                known = skips and (digest in recent or digest in older)
                if known and keep is None:
                    owner.share(recent.get(digest) or older.get(digest) or "")
                    out.duplicates += 1
                    continue
            try:
                try:
                    view: RecordView | None = decode(record)
                except strict_schema.UNKNOWN:
                    view = strict_schema.view(record)
                if view is None or number in suspects:
                    self._slowly(text, position, owner, integrity, out, keep)
                    continue
                source = view.eventSource
                if not source or ":" in source:  # else it has the form: no call for each event
                    require_form(view)
                fields, day = enrich(view)
                if keep is not None and not keep(view, text, day):
                    out.filtered += 1
                    continue
                if known:
                    owner.share(recent.get(digest) or older.get(digest) or "")
                    out.duplicates += 1
                    continue
                identifier = (view.eventID or "").encode()
                if identifier.translate(HEX_TO_X) != UUID_FORM:
                    identifier = _escaped(document_id(view.eventID, text))
                header = headers.get(day) or self._header(day, owner)
            except RecordError as error:
                out.dead.append(DeadLetter(owner, position, text, error.reason, error.message))
                letters += len(text) + _LETTER_BYTES
                size += len(text) + _LETTER_BYTES
                continue
            short = shortened(view, text)
            end = flat_after if mark_flat and is_flat(view) else after
            if short is None:
                # For some KB faster than a memoryview without copying.
                content, rest = text[:-1], b""
            else:
                content, rest, taken = short
                end = end[:-2] + b',"original":%b},' % taken
                out.batch.shortened[len(heads)] = text
            head = b"".join(
                (
                    header,
                    identifier,
                    _OPEN,
                    content,
                    rest,
                    in_own if view.recipientAccountId == folder else elsewhere,
                    _NUMBERS[position] if position < _MANY else b"%d" % position,
                    end,
                    *fields,
                )
            )
            if late is not None:
                if day <= late_day:
                    late.add(view.eventTime)
                else:
                    young.append(view.eventTime)
            if digests is not None:
                digests.append(digest)
            heads.append(head)
            ends.append(len(header) + len(identifier) + len(_OPEN) + len(content) + len(rest))
            positions.append(position)
            size += len(head)
        if late is not None:
            late.add_young(young)
        yield _closed(out, owner, size - letters)

    def _known(self) -> tuple[Mapping[int, str], Mapping[int, str]]:
        if self._stored is None or not self._skip_stored:
            return _NOTHING, _NOTHING
        return self._stored.known

    def _fault(
        self,
        fault: Fault,
        owner: ObjectProgress,
        integrity: str,
        out: Assembled,
        keep: Keep | None,
    ) -> None:
        """A record that the reader found suspect: a dead letter, unless it is only nested deep.

        The reader's reason is `code: sentence`, and all of it is there if it is short enough.
        """
        code, _, sentence = fault.reason.partition(": ")
        if code == "too_deep" and len(fault.raw) < FAULT_RAW:
            try:
                self._slowly(fault.raw, fault.position, owner, integrity, out, keep)
            except RecordError as error:
                sentence = error.message
                code = error.reason if error.reason == TOO_MANY_NEW_DAYS else code
            else:
                return
        letter = DeadLetter(owner, fault.position, fault.raw, code, sentence or fault.reason)
        out.dead.append(letter)

    def _index(self, day: str, owner: ObjectProgress) -> str:
        """The index of a day. Raises `RecordError` where the object may not make it."""
        if self._limit is not None:
            self._limit.check(owner, day)
        return self._index_of(day)

    def _header(self, day: str, owner: ObjectProgress) -> bytes:
        index = self._index(day, owner)
        header = self._headers[day] = b'{"create":{"_index":"%b","_id":"' % index.encode()
        return header

    def _slowly(
        self,
        raw: bytes,
        position: int,
        owner: ObjectProgress,
        integrity: str,
        out: Assembled,
        keep: Keep | None,
    ) -> None:
        """A record that cannot be spliced as it is: repaired before it is sent."""
        fixed = repair(raw)
        view = view_of(fixed.record)
        require_form(view)
        fields, day = self._enrich(view)
        if keep is not None and not keep(view, raw, day):
            out.filtered += 1
            return
        members: dict[str, Any] = msgspec.json.decode(b"{" + fields + b'"ingested":null}}')
        trail = {"position": position, "integrity": integrity}
        origin = self._origin(owner, view.recipientAccountId)
        members["trail"] = origin | trail | fixed.trail()
        identifier = document_id(view.eventID, raw)
        if owner.late is not None:
            owner.late.add(view.eventTime)
        head, end = make_head(self._index(day, owner), identifier, fixed.record, members)
        out.repaired.append(head, end, owner, position, raw)

    def _origin(self, owner: ObjectProgress, recipient: str | None) -> dict[str, str]:
        """Where a record comes from: its object, and the account whose folder that is in.

        Not the account that the record itself names as its recipient, as nearly all do: queries on
        `trail.account` also read `recipientAccountId`.
        """
        name = owner.item.uri
        origin = {"object": name if self._object_names else short_id(name)}
        folder = _folder_account(owner)
        if folder is not None and folder != recipient:
            origin["account"] = folder
        if is_history(owner.item):
            origin["via"] = LOOKUP
        return origin


def _folder_account(owner: ObjectProgress) -> str | None:
    """The account whose folder the object is in, where its name shows one."""
    return owner.place.account if owner.place is not None else None


def _opened(origin: dict[str, str]) -> bytes:
    """The member `trail` up to the number of the record."""
    return b',"trail":' + msgspec.json.encode(origin)[:-1] + b',"position":'


def _closed(out: Assembled, owner: ObjectProgress, size: int) -> Assembled:
    out.batch.owners = [owner] * len(out.batch.heads)
    out.batch.size = size
    return out


def _escaped(identifier: str) -> bytes:
    """An `_id` that is no UUID, escaped for an action line."""
    return msgspec.json.encode(identifier)[1:-1]
