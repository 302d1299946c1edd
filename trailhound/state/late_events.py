"""Events that were ingested too late for the scheduled rules, until `detect` looked at them.

Scheduled rules cover events that were ingested up to `detections.late_hours` after they happened,
while a daemon runs them. Backfills ingest older ones, and daemons do after an outage, or where old
files are put into a source.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from msgspec.structs import replace
from opensearchpy import OpenSearch

from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

DAEMONS: Final = "daemons"
"""The name of the only document: all daemons and backfills of a namespace add to it."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_DAY: Final = timedelta(days=1)


class LateEvents(StateDocument, frozen=True, kw_only=True):
    """How many `events` there are; when the `first` and the `last` of them happened, and when some
    were last `added`."""

    kind: ClassVar[str] = "late_events"
    id_prefix: ClassVar[str] = "late-events-"

    name: str = DAEMONS
    events: int = 0
    first: datetime = _EPOCH
    last: datetime = _EPOCH
    added: datetime = _EPOCH

    @property
    def key(self) -> str:
        return self.name

    @property
    def days(self) -> tuple[str, str]:
        """The first and last UTC day, for `--since` and `--until` of `trailhound detect`."""
        return f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"

    def sentence(self) -> str:
        """What is left to do about them."""
        since, until = self.days
        events = plural(self.events, "event")
        return (
            f"no rule has looked at {events} of {since} to {until}, which the schedule does not "
            f"cover: run `trailhound detect --since {since} --until {until}`"
        )

    def as_dict(self) -> dict[str, Any]:
        """As `status` prints it."""
        since, until = self.days
        return {"events": self.events, "since": since, "until": until}

    def plus(self, other: LateEvents) -> LateEvents:
        """Both together."""
        if not self.events:
            return other
        return replace(
            self,
            events=self.events + other.events,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            added=max(self.added, other.added),
        )


def merged(one: LateEvents | None, other: LateEvents | None) -> LateEvents | None:
    """Both together; None for none."""
    return one.plus(other) if one is not None and other is not None else one or other


class LateEventsStore:
    """The late events of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, LateEvents)

    def get(self) -> LateEvents | None:
        """Those that no rule has looked at; None for none."""
        found = self._store.get([DAEMONS]).get(DAEMONS)
        return found if found is not None and found.events else None

    def add(self, late: LateEvents) -> bool:
        """Add events. Returns whether they are the first, so that there were none before."""
        return self._store.revise(LateEvents(), lambda stored: stored.plus(late)) == late

    def mark_searched(self, since: datetime, until: datetime, began: datetime) -> None:
        """All rules ran over the events that happened in a span; the run `began` then. Events that
        were added later, or reach beyond the span, stay."""

        def change(stored: LateEvents) -> LateEvents:
            first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in stored.days)
            within = since <= first and last + _DAY <= until and stored.added < began
            return LateEvents() if within else stored

        self._store.change(DAEMONS, change)
