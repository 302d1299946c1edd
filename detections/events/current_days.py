"""The daily indices for who searches them again and again: looked up before each run."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.events.daily_indices import DAY, DailyIndices, daily_indices, day_name
from detections.events.query_times import earliest
from trailhound.cluster.snapshot import Query
from trailhound.cluster.templates import Names
from trailhound.errors import NoEventsIndexError, TrailhoundError
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.detections")


class CurrentDays:
    """The daily indices as they were at the last `look`: all of them, those too that can't be
    searched, so that a search of such a day fails and says so."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._names = Names(settings.prefix)
        self._known = DailyIndices(self._names.days)
        self._refused = ""

    @property
    def expression(self) -> str:
        """All of them, also those that are made after the last look."""
        return self._names.days

    def look(self) -> None:
        """Look which indices there are. Where that is refused, searches ask all of them."""
        try:
            found = daily_indices(self._client, self._settings)
        except NoEventsIndexError:
            self._known = DailyIndices(self.expression)
            return
        except (TrailhoundError, OpenSearchException) as error:
            self._known = DailyIndices(self.expression)
            if str(error) != self._refused:
                self._refused = str(error)
                LOG.info("searches of the rules ask the indices of all days: %s", error)
            return
        by_day = defaultdict(tuple[str, ...], found.by_day)
        for each in found.skipped:
            by_day[each.day or ""] += (each.index,)
        self._known = DailyIndices(self.expression, (), by_day, self._names)

    def on(self, days: Collection[str]) -> str:
        """As `DailyIndices.on`."""
        return self._known.on(days)

    def holding(self, query: Query | None) -> str:
        """As `DailyIndices.holding`; also for a query that says only how old an event may be, as
        those of a schedule do: then of each day from then to tomorrow, and of what is later."""
        known = self._known.holding(query)
        since = earliest(query)
        if known != self.expression or since is None:
            return known
        first, last = since.astimezone(UTC).date(), datetime.now(UTC).date() + DAY
        later = [day for day in self._known.by_day if day > day_name(last)]
        return self._known.of_days(first, last, also=later)
