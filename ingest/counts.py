"""The identity that must always hold: read = indexed + duplicates + dead-lettered + filtered."""

from __future__ import annotations

from dataclasses import dataclass, fields

from trailhound.errors import AccountingError


@dataclass(slots=True)
class Counts:
    """The outcomes of the records of an object or a run; each is counted where it happens.

    `indexed` and `duplicates` come from the cluster's reply for that very document,
    `dead_lettered` when the dead letter is stored, `filtered` when a filter drops the record.

    >>> total = Counts(read=3, indexed=2, filtered=1)
    >>> total.holds
    True
    """

    read: int = 0
    indexed: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    filtered: int = 0

    @property
    def accounted(self) -> int:
        """Records whose outcome is known."""
        return self.indexed + self.duplicates + self.dead_lettered + self.filtered

    @property
    def holds(self) -> bool:
        return self.read == self.accounted

    def add(self, other: Counts) -> None:
        # Written out: the progress of a run adds up every object under way, four times a second.
        self.read += other.read
        self.indexed += other.indexed
        self.duplicates += other.duplicates
        self.dead_lettered += other.dead_lettered
        self.filtered += other.filtered

    def as_dict(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def check(self, what: str) -> None:
        """Raise `AccountingError` where the identity does not hold for `what`."""
        if not self.holds:
            raise AccountingError(
                f"{what}: {self.read} records read, but {self.accounted} accounted for "
                f"({self.as_dict()})",
                hint="internal error (please report it): run it again with --debug",
            )
