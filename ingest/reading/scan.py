"""Follows a trail file's structure value by value, in a window, past damage.

Three ways to take a value, the cheapest first:

- a *group*: the text between here and a later `,{"eventVersion"` (the separator and first key as
  this file writes them) is decoded as one list. If `[` + text + `]` is valid JSON, the grammar
  leaves no other reading of the text, so nothing can be cut in the wrong place.
- a *single* value, whose end msgspec finds.
- a *broken* value: if its brackets balance it alone is lost (or sanitized); if not, sync is lost:
  the next object that is certainly a record is searched for, and what precedes it is one fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ingest.reading.brackets import Brackets, LostSync
from ingest.reading.chunk import FAULT_RAW, Chunk, ReadLimits
from ingest.reading.chunk_builder import ChunkBuilder
from ingest.reading.encoded import payloads
from ingest.reading.groups import Groups, ListGroup
from ingest.reading.items import CONTROL_MESSAGE, Items, is_control_message
from ingest.reading.resync import Resync
from ingest.reading.shapes import (
    CONTAINERS,
    RECORD_KEYS,
    are_certainly_a_record,
    leads_to_records,
    probe,
)
from ingest.reading.stamps import skip_prefixes
from ingest.reading.values import (
    BLANK,
    SPACE,
    Broken,
    Cut,
    Follower,
    balanced_end,
    end_of_value,
    key_at,
    skip_space,
)
from ingest.reading.window import SlidingWindow

_OPEN, _CLOSE, _LIST, _LIST_END, _COMMA = b"{}[],"
_END = -1
_HINT = re.compile(rb'[ \t\r\n]*+,[ \t\r\n]*+\{[ \t\r\n]*+"[^"\\]{1,100}+"')
_HELD_BACK = 8 * 1024 * 1024  # bytes of nothing recognisable, before a file counts as no trail
_SEPARATORS = b" \t\r\n\0,[]{}"


class _BreaksOff(Exception):
    """The content ends within a value."""


class Scan:
    """One pass over a window's content, into a builder.

    Afterwards `breaks_off` says that the content ended early, and `damage` where structure was
    lost on the way.
    `already_damaged` is asked at the end: whether the content's own end is explained otherwise.
    `packed`: content in base64 is looked into, and not within such a one again.
    """

    def __init__(
        self,
        window: SlidingWindow,
        builder: ChunkBuilder,
        limits: ReadLimits,
        already_damaged: Callable[[], bool] = lambda: False,
        *,
        packed: bool = True,
    ) -> None:
        self.breaks_off = False
        self.damage = ""
        self._window = window
        self._builder = builder
        self._items = Items(builder, self._unpack)
        self._to_unpack = limits.max_uncompressed if packed else 0
        """Bytes of content in base64 that are read."""
        self._groups = Groups(window, limits.window)
        self._limits = limits
        self._already_damaged = already_damaged
        self._hint = b""
        self._brackets = Brackets(window)
        self._no_line = -1
        """The end of content in which no line ends any more."""
        self._lines = False
        self._stamped = False

    def chunks(self) -> Iterator[Chunk]:
        """Everything that can be read. Raises nothing of its own."""
        while True:
            try:
                yield from self._documents()
                break
            except _BreaksOff:
                self.breaks_off = True
                break
            except LostSync as lost:
                self._items.strict = True
                if not self._resync(str(lost)):
                    break
        if self._builder.kind:
            yield from self._builder.flush()

    def _resync(self, reason: str) -> bool:
        """Continue at the next certain record; what was skipped is one fault."""
        builder = self._builder
        self.damage = self.damage or f"{reason}, near byte {self._window.offset:,} of the content"
        resync = Resync(self._window, self._limits)
        found = resync.to_record(
            None if builder.kind else _HELD_BACK, hopeless=self._brackets.gave_up
        )
        if resync.passed.strip(_SEPARATORS) and (found or not self._already_damaged()):
            raw = resync.passed.rstrip(BLANK + b",")
            builder.fault(raw, reason, size=resync.size if resync.size > FAULT_RAW else 0)
        return found

    def _documents(self) -> Iterator[Chunk]:
        """The values at the top, one after another, with or without line breaks between."""
        window = self._window
        while (byte := self._next_document()) != _END:
            yield from self._builder.ready()
            if self._builder.held_back > _HELD_BACK:
                return
            if byte == _LIST:
                window.at += 1
                yield from self._elements("array")
            elif byte != _OPEN:
                self._single("objects")
            elif self._lines and (lines := self._groups.of_lines(stamped=self._stamped)):
                for text, found in lines:
                    self._items.take("objects", text, found)
            else:
                yield from self._object("objects")

    def _next_document(self) -> int:
        window = self._window
        byte = window.peek()
        # After damage the lists and objects around a record are closed somewhere, and
        # their other members follow.
        while self._items.strict and byte != _END:
            key, at = key_at(window.buffer, window.at)
            if key is not None and window.buffer[at : at + 1] not in (b"{", b"["):
                window.at = at
                self._single("")
            elif byte in b",]}":
                window.at += 1
            else:
                break
            byte = window.peek()
        if self._items.strict:
            return byte
        byte, stamped = skip_prefixes(window, byte)
        self._stamped = self._stamped or stamped
        return byte

    def _object(self, form: str) -> Iterator[Chunk]:
        """An object at the top or in a bare list: a container to follow into, or an item."""
        window = self._window
        while True:
            try:
                end = end_of_value(window.buffer, window.at)
            except Cut:
                if leads_to_records(window.buffer, window.at, cut=True):
                    yield from self._container()
                    return
                if window.left <= self._limits.max_record and window.more():
                    continue
                self._single(form)
                return
            except Broken as error:
                if leads_to_records(window.buffer, window.at):
                    yield from self._container()
                else:
                    self._broken(form, error)
                return
            text = window.buffer[window.at : end]
            found = probe(text)
            if not found.is_certainly_a_record and leads_to_records(window.buffer, window.at):
                if is_control_message(found):
                    self._builder.recognise("cloudwatch_logs")
                    window.at = end
                else:
                    yield from self._container(probed=True)
            else:
                window.at = end
                self._items.take(form, text, found)
            rest = SPACE.match(window.buffer, window.at)
            self._lines = rest is not None and b"\n" in rest[0]
            return

    def _container(self, *, probed: bool = False) -> Iterator[Chunk]:
        """The members of the object at the cursor; all lists under a container's key are read.

        One that was not `probed` whole may turn out to be a record: its start is kept for a fault.
        """
        window = self._window
        window.at += 1
        probing = False
        keys = set()
        start = b"" if probed else window.buffer[window.at - 1 : window.at - 1 + FAULT_RAW]
        begin = window.offset
        while (byte := window.peek()) != _CLOSE:
            if byte == _END:
                raise _BreaksOff
            if byte == _COMMA:
                window.at += 1
            key, at = key_at(window.buffer, window.at)
            while window.left < self._limits.window and (
                key is None or len(window.buffer) - at < len(CONTROL_MESSAGE)
            ):
                if not window.more():
                    break
                key, at = key_at(window.buffer, window.at)
            if key is None:
                if window.ended and window.left < self._limits.window:
                    raise _BreaksOff
                raise LostSync("broken_json: a key was expected")
            window.at = at
            if key in RECORD_KEYS:
                keys.add(key)
            form = CONTAINERS.get(key, "")
            if key == "messageType":
                probing = probing or window.buffer.startswith(CONTROL_MESSAGE, at)
            if form and not probing and window.peek() == _LIST:
                if form != "filtered_log_events":  # recognised by what is in the list
                    self._builder.recognise(form)
                window.at += 1
                yield from self._elements(form)
            else:
                self._single("")
        window.at += 1
        if are_certainly_a_record(keys):
            # Found too late: its lists were read as those of an envelope.
            self._builder.fault(
                start,
                "not_a_record: a record with records of its own, larger than what is read at once",
                size=window.offset - begin,
            )

    def _elements(self, form: str) -> Iterator[Chunk]:
        """The rest of a list, from after its bracket or one of its commas."""
        window = self._window
        first = True
        while (byte := window.peek()) != _LIST_END:
            yield from self._builder.ready()
            if byte == _END:
                raise _BreaksOff
            if not first:
                if byte != _COMMA:
                    raise LostSync("broken_json: a comma was expected between records")
                window.at += 1
                if window.peek() == _END:
                    raise _BreaksOff
            first = False
            if self._hint and (group := self._groups.of_list(self._hint)):
                yield from self._take_group(form, group)
                continue
            if form == "array" and window.peek() == _OPEN:
                yield from self._object(form)
            else:
                self._single(form)
            hint = _HINT.match(window.buffer, window.at)
            self._hint = hint[0] if hint else self._hint
        window.at += 1

    def _take_group(self, form: str, group: ListGroup) -> Iterator[Chunk]:
        if form == "records" and not self._items.strict:
            yield from self._builder.group(group.raws, group.source)
            return
        for raw, found in zip(group.raws, group.probes(), strict=True):
            text = bytes(raw)
            if form == "array" and found and found.is_container and not found.is_certainly_a_record:
                scan = Scan(SlidingWindow(text), self._builder, self._limits, packed=False)
                yield from scan.chunks()
            else:
                self._items.take(form, text, found)
            yield from self._builder.ready()

    def _single(self, form: str) -> None:
        """The value at the cursor. Without a form it is skipped."""
        window = self._window
        if window.peek() == _END:
            raise _BreaksOff
        while True:
            try:
                end = end_of_value(window.buffer, window.at)
            except Cut:
                if window.left > self._limits.max_record and not window.ended:
                    self._skip_too_large(form)
                    return
                if window.more():
                    continue
                if not balanced_end(window.buffer, window.at):
                    raise _BreaksOff from None
                error = Broken("broken_json", "half of a surrogate pair")
                self._broken(form, error)
                return
            except Broken as error:
                self._broken(form, error)
                return
            # A number at the end of the window may continue.
            if end == len(window.buffer) and window.more():
                continue
            text = window.buffer[window.at : end]
            window.at = end
            if form:
                self._items.take(form, text)
            return

    def _broken(self, form: str, error: Broken) -> None:
        """The value at the cursor isn't JSON: sanitized or a fault if its end is clear."""
        window = self._window
        while (end := self._brackets.end()) == 0:
            if window.left > self._limits.max_record or not window.more():
                break
        if end and self._may_follow(form, end):
            text = window.buffer[window.at : end]
        elif form == "objects" and (end := self._end_of_bad_line()):
            text = window.buffer[window.at : end].rstrip()
        else:
            raise LostSync(str(error)) from None
        window.at = end
        if form:
            self._items.take(form, text, broken=str(error))

    def _unpack(self, text: bytes) -> bool:
        """Take the records that an object carries in base64; False where there are none."""
        found, left_out = False, []
        for payload in payloads(text, min(self._to_unpack, self._limits.max_record)):
            self._to_unpack -= len(payload.content)
            inner = ChunkBuilder()
            scan = Scan(SlidingWindow(payload.content), inner, self._limits, packed=False)
            chunks = list(scan.chunks())
            if inner.kind is not None:
                found = True
                self._builder.recognise(inner.kind)
                for chunk in chunks:
                    self._builder.again(chunk)
            if payload.damage or scan.breaks_off:
                left_out.append(payload.damage or "broken_json: it ends early")
            elif inner.kind is None:
                left_out.append(inner.refusal or "not_a_record: it is empty")
        for why in left_out if found else ():
            code, _, sentence = why.rpartition(": ")
            self._builder.fault(text, f"{code or 'broken_json'}: in the base64 of it: {sentence}")
        return found

    def _may_follow(self, form: str, end: int) -> bool:
        """Whether what comes after a value is what should."""
        buffer = self._window.buffer
        at = skip_space(buffer, end)
        if at == len(buffer):
            return not self._window.ended or form == "objects"
        due = {"objects": b"{[", "": b",}"}.get(form, b",]")
        return buffer[at] in (b"{[,]}" if self._items.strict else due)

    def _end_of_bad_line(self) -> int:
        """In JSON Lines a broken line ends where it ends, if the next begins an object."""
        window = self._window
        if window.end == self._no_line:
            return 0
        while (end := window.buffer.find(b"\n", window.at)) < 0:
            if window.left > self._limits.max_record or not window.more():
                self._no_line = window.end
                return 0
        at = skip_space(window.buffer, end)
        if window.buffer[at : at + 1] != b"{":
            return 0
        try:
            text = window.buffer[at : end_of_value(window.buffer, at)]
        except Cut:
            return 0 if window.ended else end
        except Broken:
            return 0
        found = probe(text)
        return end if found.is_certainly_a_record or found.is_envelope or found.is_container else 0

    def _skip_too_large(self, form: str) -> None:
        window = self._window
        kept = window.buffer[window.at : window.at + FAULT_RAW]
        start = window.offset
        follower = Follower()
        while (end := follower.feed(window.buffer, window.at)) < 0:
            window.at = len(window.buffer)
            if not window.more():
                raise _BreaksOff
        window.at = end
        if form:
            self._builder.fault(
                kept,
                f"record_too_large: longer than {self._limits.max_record:,} bytes",
                size=window.offset - start,
            )
