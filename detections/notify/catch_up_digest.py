"""One digest of all alerts of a catch-up for each channel, instead of one message for each alert.

After a time in which the scheduled rules could not run, they run over all of it. Alerts that they
raise then are in one digest, sent when every rule has caught up.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.notify.message import Channel
from detections.notify.renderer import MessageRenderer
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.errors import NotifyError
from trailhound.settings import ChannelSettings, Settings
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps
from trailhound.state.channels import Channels

LOG = logging.getLogger("trailhound.notify")


class CatchUpDigest:
    """The digest of a namespace's catch-up."""

    def __init__(self, client: OpenSearch, settings: Settings, renderer: MessageRenderer) -> None:
        self._client = client
        self._alerts = Names(settings.prefix).alerts
        self._catch_ups = CatchUps(client, settings)
        self._renderer = renderer
        self._channels = Channels(client, settings)

    def due(self) -> CatchUp | None:
        """The finished catch-up, if there is one; its digest may still have to be sent to a
        channel."""
        catch_up = self._catch_ups.get(SCHEDULED_RULES)
        return catch_up if catch_up is not None and catch_up.done else None

    def send(
        self,
        catch_up: CatchUp,
        channel: ChannelSettings,
        opened: Channel,
        clauses: Sequence[Mapping[str, Any]],
        now: datetime,
    ) -> NotifyError | None:
        """Sends a channel its digest once, unless no alert of the catch-up matches `clauses`.
        Returns the error of a channel that did not accept it: it is retried."""
        if channel.name in catch_up.notified:
            return None
        levels, rules = self._count(catch_up, clauses)
        if levels:
            message = self._renderer.catch_up(
                f"catch-up-{catch_up.name}-{channel.name}", levels, rules, catch_up.describe()
            )
            try:
                opened.send(message)
            except NotifyError as error:
                LOG.warning("the catch-up digest was not delivered: %s", error.message)
                return error
            self._channels.revise(channel.name, lambda state: state.delivered(stamp(now)))
            LOG.info(
                "the catch-up digest was delivered",
                extra={"fields": {"channel": channel.name, "alerts": sum(levels.values())}},
            )
        self._catch_ups.revise(
            catch_up,
            lambda it: msgspec.structs.replace(
                it, notified=(*it.notified, channel.name), notified_at=now
            ),
        )
        return None

    def _count(
        self, catch_up: CatchUp, clauses: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """The number of alerts of the catch-up by level, and by rule name."""
        query = {
            "bool": {
                "filter": [{"term": {"catch_up": catch_up.name}}, *clauses],
                "must_not": [{"term": {"state": "closed"}}, {"exists": {"field": "merged_into"}}],
            }
        }
        levels: Counter[str] = Counter()
        rules: Counter[str] = Counter()
        sources = [{name: {"terms": {"field": name}}} for name in ("level", "rule.name")]
        for each in IndexReader(self._client, self._alerts).buckets(query, sources):
            levels[each["key"]["level"]] += each["doc_count"]
            rules[each["key"]["rule.name"]] += each["doc_count"]
        return dict(levels), dict(rules.most_common())
