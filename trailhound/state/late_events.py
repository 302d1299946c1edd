"""Events that were ingested too late for the scheduled rules, until `detect` looked at them.

Scheduled rules cover events that were ingested up to `detections.late_hours` after they happened,
while a daemon runs them. Backfills ingest older ones, and daemons do after an outage, or where old
files are put into a source. What was ingested before the first rules of a namespace began is no
longer in time for them either (`before_rules.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from msgspec.structs import replace
from opensearchpy import OpenSearch

from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.before_rules import BeforeRules, IngestedPart
from trailhound.state.document import StateDocument
from trailhound.state.rule_checkpoints import RuleCheckpoints
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
        if not self.events or not other.events:
            return self if self.events else other
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
        self._before_rules = StateStore(client, settings, BeforeRules)
        self._rules = RuleCheckpoints(client, settings)

    def get(self) -> LateEvents | None:
        """Those that no rule has looked at; None for none."""
        found = self._store.one(DAEMONS)
        late = found if found is not None and found.events else None
        return merged(late, self._ingested_before_rules())

    def _ingested_before_rules(self) -> LateEvents | None:
        stored = self._before_rules.one(BeforeRules().key)
        if stored is None or not stored.parts:
            return None
        begun = self._rules.first_begun()
        total = LateEvents()
        for part in stored.parts:
            if begun is None or part.opened < begun:
                total = total.plus(
                    LateEvents(
                        events=part.events, first=part.first, last=part.last, added=part.added
                    )
                )
        return total if total.events else None

    def add(self, late: LateEvents) -> bool:
        """Add events. Returns whether they are the first, so that there were none before."""
        return self._store.revise(LateEvents(), lambda stored: stored.plus(late)) == late

    def add_before_rules(self, ingested: LateEvents) -> bool:
        """Add events that were ingested in time, but while no rule of the namespace had begun; once
        one has, the rules cover such events. Returns whether none had."""
        if self._rules.first_begun() is not None:
            return False
        part = IngestedPart(
            events=ingested.events,
            first=ingested.first,
            last=ingested.last,
            opened=ingested.added,
            added=ingested.added,
        )
        self._before_rules.revise(BeforeRules(), lambda stored: stored.plus(part))
        return True

    def mark_searched(self, since: datetime, until: datetime, began: datetime) -> None:
        """All rules ran over the events that happened in a span; the run `began` then. Events that
        were added later, or reach beyond the span, stay."""

        def within(stored: LateEvents | IngestedPart) -> bool:
            first = stored.first.replace(hour=0, minute=0, second=0, microsecond=0)
            last = stored.last.replace(hour=0, minute=0, second=0, microsecond=0)
            return since <= first and last + _DAY <= until and stored.added < began

        self._store.change(DAEMONS, lambda stored: LateEvents() if within(stored) else stored)
        self._before_rules.change(
            BeforeRules().key,
            lambda stored: stored.of(part for part in stored.parts if not within(part)),
        )
