"""Whether the daily indices that a daemon writes to now are Trailhound's, and those it began with.

A day that somebody deletes takes its events with it, and the ledger has their objects as read. If
the index template is gone too, the cluster makes the day anew with a mapping of its own.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from trailhound.app.health.readiness import Reason
from trailhound.cluster import templates
from trailhound.cluster.request_params import CLOSED_TOO
from trailhound.cluster.templates import Names
from trailhound.plural import plural
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.app.service")


class SameDays:
    """Today and yesterday, as one daemon saw them, by the UUIDs of their indices."""

    def __init__(self) -> None:
        self._began_with: dict[str, str] = {}
        self._lost: dict[str, str] = {}
        """Indices that were deleted or replaced, and the UUID after that; empty for none."""

    def reason(self, client: OpenSearch, settings: Settings) -> Reason | None:
        """Why events of these days are missing, or not found by rules. That a day was deleted is
        said as long as the daemon runs: nothing brings its events back. Raises opensearch-py's
        exceptions."""
        names, today = Names(settings.prefix), datetime.now(UTC).date()
        days = [today - timedelta(days=ago) for ago in range(2)]
        kept = settings.retention.days
        if kept is not None:
            days = [day for day in days if (today - day).days < kept - 1]
        indices = [names.day(f"{day:%Y.%m.%d}") for day in days]
        if not indices:
            return None
        found = client.indices.get_settings(
            index=",".join(indices), name="index.uuid", params=CLOSED_TOO
        )
        now = {index: str(it["settings"]["index"]["uuid"]) for index, it in found.items()}
        self._compare(indices, now)
        marks = templates.index_marks(client, ",".join(indices)) if now else {}
        foreign = [index for index in now if not marks.get(index)]
        if foreign:
            message = (
                f"the index {foreign[0]} was not made by Trailhound, and its mapping is another "
                "one: rules and dashboards do not find what is in it"
            )
            return Reason("day", foreign[0], message)
        if self._lost:
            more = len(self._lost) - 1
            first = min(self._lost)
            others = f" and {plural(more, 'more day')}" if more else ""
            message = (
                f"the index {first}{others} was deleted since this daemon started: the events that "
                "were in it are gone, and their objects count as read"
            )
            return Reason("day", first, message)
        return None

    def _compare(self, indices: list[str], now: dict[str, str]) -> None:
        for index in indices:
            began, uuid = self._began_with.get(index, ""), now.get(index, "")
            if not began:
                if uuid:
                    self._began_with[index] = uuid
            elif uuid != began and self._lost.get(index, began) != uuid:
                if index not in self._lost:
                    LOG.error("the index %s was deleted, and the events in it are gone", index)
                self._lost[index] = uuid
