"""What a run did, for people, for programs, and summed over workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ingest.counts import Counts
from ingest.documents.record_filter import MOST_NAMED, Choice, Dimension

FAILURES_KEPT = 1_000


@dataclass(slots=True)
class Selected:
    """What a selection did with records. `by_folder` were selected by their object's folder alone;
    `named` says why, `left_out` names accounts and regions of records that were not selected."""

    by_folder: int = 0
    named: Counter[tuple[Dimension, str]] = field(default_factory=Counter)
    left_out: set[tuple[Dimension, str]] = field(default_factory=set)

    def add(self, choice: Choice) -> None:
        """One object's records more."""
        self.merge(Selected(choice.by_folder, choice.named, choice.left_out))

    def merge(self, other: Selected) -> None:
        """Those of another worker."""
        self.by_folder += other.by_folder
        for name, number in other.named.items():
            if name in self.named or len(self.named) < MOST_NAMED:
                self.named[name] += number
        room = MOST_NAMED - len(self.left_out)
        self.left_out |= set(sorted(other.left_out - self.left_out)[:room])

    def why(self, most: int = 5) -> str:
        """The reasons, the commonest first: `day 2025-03-01 (12), account 111122223333 (3)`."""
        shown = [f"{kind} {value or 'none'} ({n:,})" for (kind, value), n in
                 self.named.most_common(most)]  # fmt: skip
        more = len(self.named) - len(shown)
        return ", ".join([*shown, *([f"and {more:,} more"] if more else [])])


@dataclass(slots=True)
class Report:
    """What a run did. `failures` names the first thousand objects that were not read to the end."""

    objects: int = 0
    skipped_objects: int = 0
    failed_objects: int = 0
    ignored_objects: int = 0
    counts: Counts = field(default_factory=Counts)
    bytes: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    repaired: int = 0
    conflicts: int = 0
    retries: int = 0
    spooled: int = 0
    objects_read_again: int = 0
    """Of `objects`, those that an earlier run had read by another selection or filter."""
    lost_claims: int = 0
    """Objects that another worker had taken over before they were finished here."""
    selected: Selected = field(default_factory=Selected)
    failures: list[tuple[str, str]] = field(default_factory=list)
    dead_letter_codes: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Everything that was found is in."""
        return not (self.failed_objects or self.counts.dead_lettered or self.interrupted)

    def add(self, other: Report) -> None:
        """Another worker's report on other objects of the same run; `seconds` is left alone."""
        self.counts.add(other.counts)
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.selected.merge(other.selected)
        self.interrupted = self.interrupted or other.interrupted
        self.failures = (self.failures + other.failures)[:FAILURES_KEPT]
        for code, number in other.dead_letter_codes.items():
            self.dead_letter_codes[code] = self.dead_letter_codes.get(code, 0) + number

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints; sizes in bytes, time in seconds."""
        return {
            "objects": self.objects,
            "skipped_objects": self.skipped_objects,
            "failed_objects": self.failed_objects,
            "ignored_objects": self.ignored_objects,
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
            "dead_letter_codes": self.dead_letter_codes,
            "failures": [{"object": uri, "reason": reason} for uri, reason in self.failures],
        }


_SUMMED = (
    "objects",
    "skipped_objects",
    "failed_objects",
    "ignored_objects",
    "bytes",
    "repaired",
    "conflicts",
    "retries",
    "spooled",
    "objects_read_again",
    "lost_claims",
)
