"""A batch of documents for one bulk request, each with its object and position.

A document is kept without its tail. The tail holds `event.ingested`, which is set on every send;
it is the same for the whole request, so one join puts it between the documents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from ingest.object_progress import ObjectProgress

_HEADER = re.compile(rb'\{"create":\{"_index":"([^"]+)","_id":("(?:[^"\\]|\\.)*")\}\}\n')


def stamp(now: datetime) -> str:
    """The text of `event.ingested`: UTC at fixed width, so that its order is that of time."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def make_head(
    index: str, identifier: str, record: bytes, members: dict[str, Any]
) -> tuple[bytes, int]:
    """Make a head from parts, for the few documents that aren't spliced: the head, and where the
    record ends.

    `members` are ours, `event` among them; the `event` object is left open for the tail.
    """
    target = {"_index": index, "_id": identifier}
    event = members.pop("event", {})
    event.pop("ingested", None)
    ours = msgspec.json.encode(members)[1:-1]
    opened = b'"event":' + msgspec.json.encode(event)[:-1] + (b"," if event else b"")
    start = msgspec.json.encode({"create": target}) + b"\n" + record[:-1]
    comma = b"," if len(record) > 2 else b""
    return start + comma + ours + (b"," if ours else b"") + opened, len(start)


def tail(sent: str) -> bytes:
    """The end of a document, with the time at which it is sent."""
    return b'"ingested":"' + sent.encode() + b'"}}\n'


@dataclass(slots=True)
class Batch:
    """Documents of one bulk request. The lists run in parallel, one entry a document.

    `heads`: action line and document up to the open `event` object. `ends`: where the record's
    own bytes end in a head (its closing brace left out). `owners` and `positions`: provenance.
    """

    heads: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    owners: list[ObjectProgress] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    size: int = 0
    first_sent: str = ""
    """`event.ingested` of the first send; an older document of the same record is another run's."""
    lost_reply: bool = False
    """An earlier request with these documents got no reply: some may be in the index already."""
    repair_level: int = 0
    """0 as read, 1 repaired, 2 thoroughly repaired; a rejection raises it by one."""
    raws: list[bytes] | None = None
    """The records as they were read, where the heads hold repaired ones."""
    digests: list[int] = field(default_factory=list)
    """Of the records (`stored_records.digest_of`); empty where none are remembered."""
    shortened: dict[int, bytes] = field(default_factory=dict)
    """The records as they were read of those documents that hold them without some fields."""
    copies: Batch | None = None
    """Documents of records that are also among these, byte for byte: not sent with them, since all
    but those whose first document is not stored are duplicates."""
    _seen: set[int] = field(default_factory=set)
    """The digests, to find copies by."""

    def __len__(self) -> int:
        return len(self.heads)

    def body(self, sent: str) -> bytes:
        """The body of the request, with `sent` as `event.ingested`."""
        # Empty text last: the join writes the last tail too. To append it would copy all of it.
        return tail(sent).join([*self.heads, b""])

    def target(self, item: int) -> tuple[str, str]:
        """Index and `_id` of a document."""
        match = _HEADER.match(self.heads[item])
        assert match is not None  # noqa: S101 - every head is written by `make_head` or the assembler
        return match[1].decode(), msgspec.json.decode(match[2], type=str)

    def spliced(self, item: int) -> bytes:
        """The bytes of the record as they are in the document."""
        head = self.heads[item]
        return head[head.index(b"\n") + 1 : self.ends[item]] + b"}"

    def record(self, item: int) -> bytes:
        """The bytes of the record as they were read."""
        if self.raws is not None:
            return self.raws[item]
        return self.shortened.get(item) or self.spliced(item)

    def after(self, item: int) -> bytes:
        """The part of a head after the bytes of the record: our members."""
        return self.heads[item][self.ends[item] :]

    def members(self, item: int) -> dict[str, Any]:
        """Our members of a document, decoded."""
        text = b"{" + self.after(item).lstrip(b",") + b'"ingested":null}}'
        decoded: dict[str, Any] = msgspec.json.decode(text)
        return decoded

    def document(self, item: int) -> bytes:
        """A document as it would be indexed, without `event.ingested`: it is not sent."""
        head = self.heads[item]
        return head[head.index(b"\n") + 1 :].removesuffix(b",") + b"}}"

    def pick(self, items: list[int]) -> Batch:
        """A batch of some of these documents."""
        heads = [self.heads[item] for item in items]
        return Batch(
            heads,
            [self.ends[item] for item in items],
            [self.owners[item] for item in items],
            [self.positions[item] for item in items],
            sum(map(len, heads)),
            self.first_sent,
            self.lost_reply,
            self.repair_level,
            [self.raws[item] for item in items] if self.raws is not None else None,
            [self.digests[item] for item in items] if self.digests else [],
            {
                number: self.shortened[item]
                for number, item in enumerate(items)
                if item in self.shortened
            },
        )

    def join(self, part: Batch) -> None:
        """Append the documents of another batch; both must be unrepaired. The copies of records
        that are here already go to `copies`; `size` counts these too.
        """
        self.size += part.size
        digests = part.digests
        if len(digests) < len(part) or (self.heads and not self.digests):
            self.digests = []  # those of some documents alone would be taken for those of others
            self.take(part, range(len(part)))
            return
        fresh = set(digests)
        if len(fresh) == len(part) and self._seen.isdisjoint(fresh):
            self._seen |= fresh
            self.digests += digests
            self.take(part, range(len(part)))
            return
        first: list[int] = []
        again: list[int] = []
        for item, digest in enumerate(digests):
            (again if digest in self._seen else first).append(item)
            self._seen.add(digest)
        self.copies = self.copies or Batch()
        for batch, items in ((self, first), (self.copies, again)):
            batch.digests += [digests[item] for item in items]
            batch.take(part, items)

    def take(self, part: Batch, items: Sequence[int]) -> None:
        """Append documents of another batch; not their digests, nor their size."""
        if part.shortened:
            at = enumerate(items, len(self.heads))
            self.shortened |= {
                number: part.shortened[item] for number, item in at if item in part.shortened
            }
        if len(items) == len(part):
            self.heads += part.heads
            self.ends += part.ends
            self.owners += part.owners
            self.positions += part.positions
        else:
            self.heads += [part.heads[item] for item in items]
            self.ends += [part.ends[item] for item in items]
            self.owners += [part.owners[item] for item in items]
            self.positions += [part.positions[item] for item in items]

    def sibling(self, repair_level: int | None = None) -> Batch:
        """An empty batch with the same history of sending, for documents made from these."""
        made = Batch(first_sent=self.first_sent, lost_reply=self.lost_reply, raws=[])
        made.repair_level = self.repair_level if repair_level is None else repair_level
        return made

    def append(
        self, head: bytes, end: int, owner: ObjectProgress, position: int, raw: bytes | None = None
    ) -> None:
        """Append a document; `raw` is its record as read, if the head holds a repaired one."""
        if self.raws is not None:
            self.raws.append(raw or b"")
        self.heads.append(head)
        self.ends.append(end)
        self.owners.append(owner)
        self.positions.append(position)
        self.size += len(head)

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self) // 2
        return self.pick(list(range(middle))), self.pick(list(range(middle, len(self))))
