"""Which events of a readable object are wanted: what the user selected, retention, noise.

What is not wanted is counted as filtered, so that the identity still tells of every record.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from enrich.view import RecordView
from ingest.documents.decode import decode_record
from ingest.documents.noise_filter import NoiseFilter
from ingest.objects import Selection
from trailhound.settings import Settings


class RecordFilter:
    """Decides by an event's own fields.

    The selection is applied to events and not only to objects, since a file holds late events of
    the day before, and a folder of exports has no days, accounts or regions in its names.
    """

    def __init__(
        self, settings: Settings, selection: Selection, *, today: date | None = None
    ) -> None:
        self._selection = selection
        self._first = _day(selection.since)
        self._last = _day(selection.until)
        if settings.retention.days is not None:
            oldest = (today or datetime.now(UTC).date()) - timedelta(days=settings.retention.days)
            self._first = max(self._first or "", _day(oldest) or "")
        self._noise = NoiseFilter(settings.filter) if settings.filter else None

    @property
    def is_active(self) -> bool:
        """Whether there is anything to decide at all."""
        selection = self._selection
        return bool(
            self._first or self._last or selection.accounts or selection.regions or self._noise
        )

    def wants(self, view: RecordView, record: bytes, day: str) -> bool:
        """Whether an event of a UTC day (`YYYY.MM.DD`) is to be indexed."""
        if (self._first and day < self._first) or (self._last and day > self._last):
            return False
        selection = self._selection
        if selection.accounts and view.recipientAccountId not in selection.accounts:
            return False
        if selection.regions and view.awsRegion not in selection.regions:
            return False
        if self._noise is None:
            return True
        return self._noise.drops(decode_record(record)) is None


def _day(day: date | None) -> str | None:
    return day.strftime("%Y.%m.%d") if day else None
