"""What a verification is about: a span of delivery, accounts, regions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from ingest.integrity.digest import Place

HOUR: Final = timedelta(hours=1)
"""What one digest covers."""


@dataclass(frozen=True, slots=True)
class VerificationScope:
    """What to verify: digests and files delivered in a span (UTC), of accounts and regions."""

    since: datetime | None = None
    until: datetime | None = None
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    @property
    def first_day(self) -> date | None:
        """The day from which on folders are listed."""
        return None if self.since is None else self.since.date()

    def of(self, place: Place) -> bool:
        return (not self.accounts or place.account in self.accounts) and (
            not self.regions or place.region in self.regions
        )

    def digest(self, end: datetime) -> bool:
        """Whether a digest's hour, given by its end, overlaps the span."""
        return (self.since is None or end >= self.since) and (
            self.until is None or end <= self.until + HOUR
        )

    def days(self, span: tuple[date, date] | None) -> bool:
        """Whether these days may overlap the span; true where they are not known."""
        return span is None or (
            (self.since is None or span[1] >= self.since.date())
            and (self.until is None or span[0] <= self.until.date())
        )

    def file(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)
