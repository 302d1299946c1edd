"""One message about all alerts of a repair, for each channel, instead of one for each alert.

The scheduled rules of an installation could not run for a while; then they run over all of that
time at once. What they find there is in one digest, sent when every rule has caught up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from detections.notify.channel import Channel
from detections.notify.renderer import MessageRenderer
from trailhound.cluster.templates import Names
from trailhound.errors import NotifyError, RequestFailedError
from trailhound.settings import ChannelSettings, Settings
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps

LOG = logging.getLogger("trailhound.notify")

RULES_NAMED = 10


class CatchUpDigest:
    """The digest of a namespace's repair."""

    def __init__(self, client: OpenSearch, settings: Settings, renderer: MessageRenderer) -> None:
        self._client = client
        self._alerts = Names(settings.prefix).alerts
        self._repairs = CatchUps(client, settings)
        self._renderer = renderer

    def due(self) -> CatchUp | None:
        """The repair that is done, whose digest some channel may lack."""
        repair = self._repairs.get(SCHEDULED_RULES)
        return repair if repair is not None and repair.done else None

    def send(
        self,
        repair: CatchUp,
        channel: ChannelSettings,
        opened: Channel,
        wanted: Sequence[Mapping[str, Any]],
        now: datetime,
    ) -> NotifyError | None:
        """Send a channel its digest, once; none where none of its alerts (`wanted`: clauses) came
        of the repair. The error of a channel that did not take it: it is tried again."""
        if channel.name in repair.notified:
            return None
        levels, rules = self._count(repair, wanted)
        if levels:
            message = self._renderer.catch_up(
                f"catch-up-{repair.name}-{channel.name}", levels, rules, repair.describe()
            )
            try:
                opened.send(message)
            except NotifyError as error:
                LOG.warning("the digest of a repair was not delivered: %s", error.message)
                return error
        LOG.info(
            "the digest of a repair is delivered",
            extra={"fields": {"channel": channel.name, "alerts": sum(levels.values())}},
        )
        self._repairs.revise(
            repair,
            lambda it: msgspec.structs.replace(
                it, notified=(*it.notified, channel.name), notified_at=now
            ),
        )
        return None

    def _count(
        self, repair: CatchUp, wanted: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """How many alerts of the repair there are, by level and by the names of rules."""
        body = {
            "size": 0,
            "query": {
                "bool": {
                    "filter": [{"term": {"catch_up": repair.name}}, *wanted],
                    "must_not": [
                        {"term": {"state": "closed"}},
                        {"exists": {"field": "merged_into"}},
                    ],
                }
            },
            "aggs": {
                "levels": {"terms": {"field": "level", "size": 10}},
                "rules": {"terms": {"field": "rule.name", "size": RULES_NAMED}},
            },
        }
        reply = self._client.search(
            index=self._alerts, body=body, params={"allow_partial_search_results": "false"}
        )
        if reply["timed_out"] or reply["_shards"]["failed"]:
            raise RequestFailedError("the alerts of a repair could not be counted whole")
        found = reply["aggregations"]
        return (
            {each["key"]: each["doc_count"] for each in found["levels"]["buckets"]},
            {each["key"]: each["doc_count"] for each in found["rules"]["buckets"]},
        )
