"""The result of a run, for people, for programs, and summed over workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ingest.counts import Counts
from ingest.matched import Matched, SelectedRecords
from trailhound.errors import FoldersDeniedError

FAILURES_KEPT = 1_000


@dataclass(slots=True)
class RunReport:
    """What a run did. `failures` names the first thousand objects that were not read to the end."""

    objects: int = 0
    skipped_objects: int = 0
    failed_objects: int = 0
    archived_objects: int = 0
    """Objects in an archive tier of S3, which cannot be read until they are restored."""
    ignored_kinds: Counter[str] = field(default_factory=Counter)
    """Objects that hold something other than CloudTrail records, by kind."""
    counts: Counts = field(default_factory=Counts)
    bytes: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    repaired: int = 0
    conflicts: int = 0
    retries: int = 0
    spooled: int = 0
    objects_read_again: int = 0
    """Those of `objects` that an earlier run had read with another selection or filter."""
    lost_claims: int = 0
    """Objects that another worker took over before they were finished here."""
    matched: Matched = field(default_factory=Matched)
    selected: SelectedRecords = field(default_factory=SelectedRecords)
    failures: list[tuple[str, str]] = field(default_factory=list)
    dead_letter_codes: dict[str, int] = field(default_factory=dict)
    indices: set[str] = field(default_factory=set)
    """The daily indices that events were sent to."""
    denied: dict[str, str] = field(default_factory=dict)
    """Folders that may not be listed, with the reason."""
    listed: set[str] = field(default_factory=set)
    """Prefixes of buckets that were listed to their end, apart from these folders."""

    @property
    def complete(self) -> bool:
        """Whether everything that was found is indexed."""
        left = self.failed_objects or self.archived_objects
        return not (left or self.counts.dead_lettered or self.interrupted)

    @property
    def ignored_objects(self) -> int:
        """How many objects hold something other than CloudTrail records."""
        return self.ignored_kinds.total()

    def add(self, other: RunReport) -> None:
        """Add another worker's report on other objects of the run; `seconds` stays as it is."""
        self.counts.add(other.counts)
        self.ignored_kinds.update(other.ignored_kinds)
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.matched.merge(other.matched)
        self.selected.merge(other.selected)
        self.interrupted = self.interrupted or other.interrupted
        self.indices |= other.indices
        self.denied |= other.denied
        self.listed |= other.listed
        self.failures = (self.failures + other.failures)[:FAILURES_KEPT]
        for code, number in other.dead_letter_codes.items():
            self.dead_letter_codes[code] = self.dead_letter_codes.get(code, 0) + number

    def add_unlisted(self, error: FoldersDeniedError) -> None:
        """Count folders that may not be listed, each as an object that failed."""
        self.failed_objects += len(error.folders)
        found = {uri: each.message for uri, each in error.folders.items()}
        self.denied |= found
        self.failures = (self.failures + list(found.items()))[:FAILURES_KEPT]

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints; sizes in bytes, time in seconds."""
        return {
            "objects": self.objects,
            "skipped_objects": self.skipped_objects,
            "failed_objects": self.failed_objects,
            "archived_objects": self.archived_objects,
            "ignored_objects": self.ignored_objects,
            "ignored_kinds": dict(self.ignored_kinds.most_common()),
            **self.counts.as_dict(),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
            "repaired": self.repaired,
            "conflicts": self.conflicts,
            "retries": self.retries,
            "spooled": self.spooled,
            "objects_read_again": self.objects_read_again,
            "lost_claims": self.lost_claims,
            "selected_by_folder": self.selected.by_folder,
            "past_retention": self.selected.past,
            "dead_letter_codes": self.dead_letter_codes,
            "failures": [{"object": uri, "reason": reason} for uri, reason in self.failures],
        }


_SUMMED = (
    "objects",
    "skipped_objects",
    "failed_objects",
    "archived_objects",
    "bytes",
    "repaired",
    "conflicts",
    "retries",
    "spooled",
    "objects_read_again",
    "lost_claims",
)
