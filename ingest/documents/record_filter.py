"""Which records of a readable object are wanted: what the user selected, retention, noise.

What is not wanted is counted as filtered, so that the identity still accounts for every record.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from enrich.view import RecordView
from ingest.documents.decode import decode_record
from ingest.objects import Selection, TrailObject
from ingest.sources.layout import Place, place_of
from trailhound.settings import Settings
from trailhound.state.criteria import Criteria

if TYPE_CHECKING:
    from ingest.documents.noise_filter import NoiseFilter

Dimension = Literal["day", "account", "region"]
MOST_NAMED: Final = 200
"""Values kept of each kind for the summary: a forged file must not exhaust memory."""
_LAST: Final = "9999.99.99"


def criteria(settings: Settings, selection: Selection, *, today: date | None = None) -> Criteria:
    """By what a run with these settings and this selection chooses records."""
    oldest = oldest_day(settings, today)
    return Criteria(
        since=selection.since.isoformat() if selection.since else "",
        until=selection.until.isoformat() if selection.until else "",
        accounts=tuple(sorted(selection.accounts)),
        regions=tuple(sorted(selection.regions)),
        filter=_digest(settings.filter) if settings.filter else "",
        oldest=oldest.isoformat() if oldest else "",
    )


def oldest_day(settings: Settings, today: date | None) -> date | None:
    """The first day that the retention keeps."""
    if settings.retention.days is None:
        return None
    try:
        return (today or datetime.now(UTC).date()) - timedelta(days=settings.retention.days)
    except OverflowError:  # longer than the calendar: everything is kept
        return None


def _digest(blocks: list[dict[str, Any]]) -> str:
    """Changes with what a filter says: its values as they were written, quoted or not."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(name): plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return f"{type(value).__name__}:{value}"

    text = json.dumps(plain(blocks), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _noise_filter(blocks: list[dict[str, Any]]) -> NoiseFilter:
    # Imported here: the Sigma matcher takes longer to load than the rest of a backfill.
    from ingest.documents.noise_filter import NoiseFilter

    return NoiseFilter(blocks)


class RecordFilter:
    """Selects the records of all objects of a run. `criteria` is its form in the ledger.

    A record is selected when its own day, account and region are in the selection, or those of its
    object's folder: one that was delivered late, or to another account's folder, is then in every
    part that its object is in. Where the folder says nothing, the record's own fields decide alone;
    where neither says, it is selected. A month's folder counts, for a record of another month, as
    that of the month's nearest day. The retention uses a record's own day only.
    """

    def __init__(
        self, settings: Settings, selection: Selection, *, today: date | None = None
    ) -> None:
        self.criteria: Final = criteria(settings, selection, today=today)
        self.selection: Final = selection
        self.oldest: Final = _day(oldest_day(settings, today))
        self.noise: Final = _noise_filter(settings.filter) if settings.filter else None

    @property
    def is_active(self) -> bool:
        """Whether any record can be filtered."""
        return not self.criteria.everything

    def of(self, item: TrailObject) -> Choice | None:
        """What decides on the records of one object; None where all are wanted."""
        return Choice(self, place_of(item.path)) if self.is_active else None


class Choice:
    """Decides on the records of one object, and counts those that its folder alone brought in."""

    __slots__ = (
        "_account_in", "_accounts", "_first", "_folder", "_last", "_noise", "_place",
        "_region_in", "_regions", "by_folder", "left_out", "matched", "named", "oldest", "past",
    )  # fmt: skip

    def __init__(self, wanted: RecordFilter, place: Place | None) -> None:
        selection = wanted.selection
        self.oldest: Final = wanted.oldest
        """The first day that the retention keeps; empty where it keeps all."""
        self._first = _day(selection.since)
        self._last = _day(selection.until) or _LAST
        self._accounts = selection.accounts
        self._regions = selection.regions
        self._noise = wanted.noise
        self._place = place or Place("")
        span = self._place.span
        self._folder = None if span is None else (_day(span[0]), _day(span[1]))
        self._account_in = self._place.account in selection.accounts
        self._region_in = self._place.region in selection.regions
        self.by_folder = 0
        """Records selected that would not be without their folder."""
        self.past = 0
        """Records of days before the first one that the retention keeps."""
        self.named: Counter[tuple[Dimension, str]] = Counter()
        """Why: each such record's own day, account or region (empty where it has none)."""
        self.matched: set[tuple[Dimension, str]] = set()
        """Selected accounts and regions that records have as their own."""
        self.left_out: set[tuple[Dimension, str]] = set()
        """Accounts and regions of records that were not selected."""

    def accepts(self, view: RecordView, record: bytes, day: str) -> bool:
        """Whether a record of a UTC day (`YYYY.MM.DD`) is to be indexed."""
        if day < self.oldest:
            self.past += 1
            return False
        outside: list[tuple[Dimension, str]] = []
        if not self._first <= day <= self._last:
            if not self._day_in(day):
                return False
            outside.append(("day", day.replace(".", "-")))
        if self._accounts:
            own = view.recipientAccountId or ""
            if own in self._accounts:
                self.matched.add(("account", own))
            elif not (self._account_in or (not own and self._place.account is None)):
                return self._leave_out("account", own or self._place.account or "")
            else:
                outside.append(("account", own))
        if self._regions:
            own = view.awsRegion or ""
            if own in self._regions:
                self.matched.add(("region", own))
            elif not (self._region_in or (not own and self._place.region is None)):
                return self._leave_out("region", own or self._place.region or "")
            else:
                outside.append(("region", own))
        if self._noise is not None and self._noise.drops(decode_record(record)) is not None:
            return False
        if outside:
            self.by_folder += 1
            for name in outside:
                if name in self.named or len(self.named) < MOST_NAMED:
                    self.named[name] += 1
        return True

    def _day_in(self, day: str) -> bool:
        """Whether the folder's day nearest to a record's is selected: of any partition, the part
        that has it reads the folder."""
        if self._folder is None:
            return False
        first, last = self._folder
        return self._first <= min(max(day, first), last) <= self._last

    def _leave_out(self, dimension: Dimension, value: str) -> bool:
        if len(self.left_out) < MOST_NAMED:
            self.left_out.add((dimension, value[:64]))
        return False


def _day(day: date | None) -> str:
    return day.isoformat().replace("-", ".") if day else ""
