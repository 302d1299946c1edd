"""What a reconciliation finds, and what repairs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from ingest.matched import Matched
from ingest.objects import TrailObject
from trailhound.temporary_tables import TemporaryTables


class ReconcileFindingKind(StrEnum):
    """What is wrong with an object."""

    MISSING = "missing"
    """It is in the source, and was never read to its end."""
    CHANGED = "changed"
    """Its content differs from the content that was read."""
    PARTIAL = "partial"
    """It was read, and at least one of its events is in no day's index."""
    LOST = "lost"
    """It is no longer in the source, and some of its events are not in the index."""
    EXTRA = "extra"
    """It was read, and is no longer in the source; its events are in the index, or older than the
    retention."""
    UNREADABLE = "unreadable"
    """The object, or a day of its events, cannot be read: it may lack events or not."""


class Repair(StrEnum):
    """What repairs a finding."""

    READ = "read"
    READ_AGAIN = "read again"
    """Read as by `backfill --force`, since the ledger says that it is done."""
    RETRY = "retry dead letters"
    RETRY_REOPENED = "retry dead letters, days reopened"
    RETRY_NEW_DAYS = "retry dead letters, days made"
    NOTE_GONE = "note as gone"


RETRIES: Final = frozenset({Repair.RETRY, Repair.RETRY_REOPENED, Repair.RETRY_NEW_DAYS})


class ReconcileFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One object. `events` is the number of its events that are in no index; `dead_letters` of them
    wait in the dead letters. `size` is in bytes as stored."""

    kind: ReconcileFindingKind
    object: str
    detail: str = ""
    events: int = 0
    dead_letters: int = 0
    repairs: tuple[Repair, ...] = ()
    etag: str = ""
    size: int = 0
    walked: str = ""


def finding_of(
    item: TrailObject,
    kind: ReconcileFindingKind,
    detail: str,
    *repairs: Repair,
    events: int = 0,
    dead: int = 0,
) -> ReconcileFinding:
    """A finding about an object of a source. Where `detail` begins with the object's name, the name
    is removed: the finding has it."""
    return ReconcileFinding(
        kind=kind,
        object=item.uri,
        detail=detail.removeprefix(f"{item.uri}: "),
        events=events,
        dead_letters=dead,
        repairs=repairs,
        etag=item.etag,
        size=item.size,
        walked=item.walked,
    )


@dataclass(slots=True)
class Summary:
    """A reconciliation in numbers. Every object listed is counted in one of `whole`, `in_progress`,
    `past_retention` and `ignored_kinds`, or is a finding. `extra` and `lost` objects were not
    listed."""

    objects: int = 0
    """Listed objects, without those whose names say that they are something else."""
    whole: int = 0
    in_progress: int = 0
    """Objects that an active worker is reading at the moment."""
    past_retention: int = 0
    """Objects delivered before the first day that the retention keeps."""
    same_content: int = 0
    """Compared objects whose etag differs from the one that was read, and whose content is the
    same."""
    ignored_kinds: Counter[str] = field(default_factory=Counter)
    found: Counter[ReconcileFindingKind] = field(default_factory=Counter)
    without_repair: Counter[ReconcileFindingKind] = field(default_factory=Counter)
    """Those of `found` that no command repairs: their reason has to be fixed first."""
    events: int = 0
    """Events of partial and lost objects that are in no index."""
    dead_letters: int = 0
    read: int = 0
    """Objects whose content was compared with the index, event by event."""
    gone: int = 0
    """Entries of objects that are not in the source and that an earlier run noted as gone."""
    gone_lost: int = 0
    """Those of `gone` that have fewer events in the index than were indexed of them."""
    gone_events: int = 0
    """Events of `gone_lost` that are in no index."""
    dismissed: int = 0
    """Events that are in no index and whose dead letters were dismissed: these are no findings."""
    unusable: int = 0
    """Dead letters of whole objects: no event with a day can be made of these records."""
    seconds: float = 0.0
    matched: Matched = field(default_factory=Matched)
    """Of the objects listed, and of those that the ledger has."""

    @property
    def skipped_objects(self) -> int:
        """Objects that the ledger has and the source has not."""
        return (
            self.gone
            + self.found[ReconcileFindingKind.EXTRA]
            + self.found[ReconcileFindingKind.LOST]
        )

    @property
    def ignored_objects(self) -> int:
        """Objects that are known not to hold CloudTrail records."""
        return self.ignored_kinds.total()

    @property
    def complete(self) -> bool:
        """Whether nothing was found."""
        return not self.found.total()

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; time in seconds."""
        return {
            "objects": self.objects,
            "whole": self.whole,
            **{kind.value: self.found[kind] for kind in ReconcileFindingKind},
            "in_progress": self.in_progress,
            "past_retention": self.past_retention,
            "ignored_objects": self.ignored_objects,
            "ignored_kinds": dict(self.ignored_kinds.most_common()),
            "compared": self.read,
            "same_content": self.same_content,
            "gone": self.gone,
            "gone_lost": self.gone_lost,
            "gone_events": self.gone_events,
            "events": self.events,
            "dead_letters": self.dead_letters,
            "dismissed": self.dismissed,
            "unusable": self.unusable,
            "seconds": round(self.seconds, 3),
        }


class ReconcileFindings:
    """All findings, in a temporary file, in the order of kinds and names."""

    def __init__(self) -> None:
        self._tables = TemporaryTables(
            "CREATE TABLE found (place INTEGER, object TEXT, finding BLOB,"
            " PRIMARY KEY (place, object)) WITHOUT ROWID"
        )

    def add(self, finding: ReconcileFinding) -> None:
        place = list(ReconcileFindingKind).index(finding.kind)
        name = finding.object.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        self._tables.write(
            "INSERT OR REPLACE INTO found VALUES (?, ?, ?)",
            (place, name, msgspec.msgpack.encode(finding)),
        )

    def __iter__(self) -> Iterator[ReconcileFinding]:
        for (text,) in self._tables.rows("SELECT finding FROM found ORDER BY place, object"):
            yield msgspec.msgpack.decode(text, type=ReconcileFinding)

    def needing(self, *repairs: Repair) -> Iterator[ReconcileFinding]:
        """The findings that one of these repairs is for."""
        return (each for each in self if not set(repairs).isdisjoint(each.repairs))

    def close(self) -> None:
        """Delete the file."""
        self._tables.close()
