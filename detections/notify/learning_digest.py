"""One digest a day for each channel of alerts that were found with too little history."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import LEARNING, stamp
from detections.notify.bundles import Due
from detections.notify.delivery import with_delivery
from detections.notify.message import Channel
from detections.notify.rate_limiter import RateLimiter
from detections.notify.renderer import MessageRenderer
from trailhound.batching import batched
from trailhound.cluster.versions import revise_many
from trailhound.errors import NotifyError

LOG = logging.getLogger("trailhound.notify")

_AT_ONCE: Final = 50
"""Alerts that are read at once to record a digest; each has up to 1.5 MB."""


class LearningDigest:
    """The digest of a channel whose rate and status `limiter` keeps."""

    def __init__(
        self, client: OpenSearch, alerts: str, renderer: MessageRenderer, limiter: RateLimiter
    ) -> None:
        self._client = client
        self._alerts = alerts
        self._renderer = renderer
        self._limiter = limiter

    def due(self, now: datetime) -> bool:
        """Whether none was sent today. Raises opensearch-py's exceptions."""
        return self._limiter.learning_due(now)

    def send(
        self,
        alerts: Sequence[Due],
        rules: Mapping[str, str],
        channel: str,
        opened: Channel,
        now: datetime,
        *,
        more: bool = False,
    ) -> bool:
        """Sends the day's digest and records it in the alerts; `rules` are the names of their
        rules, by alert. `more`: there are more, which the next digest has. Returns whether the
        channel accepted it. Raises opensearch-py's exceptions."""
        message = self._renderer.learning(
            f"learning-{channel}-{now:%Y-%m-%d}",
            Counter(each.level for each in alerts),
            dict(Counter(rules[each.name] for each in alerts).most_common()),
            more=more,
        )
        try:
            opened.send(message)
        except NotifyError as error:
            LOG.warning("the digest of learning rules was not delivered: %s", error.message)
            self._limiter.note(last_error=error.message, last_error_at=stamp(now))
            return False
        self._limiter.learning_sent(now)

        def change(_: str, document: dict[str, Any]) -> dict[str, Any] | None:
            if not document.get(LEARNING):
                return None
            entry = {"state": LEARNING, "at": stamp(now), "level": document["level"]}
            return with_delivery(document, channel, entry, done=True)

        for some in batched([each.name for each in alerts], _AT_ONCE):
            # Alerts that others keep changing are in the next digest again.
            revise_many(self._client, self._alerts, some, change)
        return True
