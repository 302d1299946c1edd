"""Whether the ledger is still the index that a daemon began with.

The cluster makes an index that was deleted anew with the daemon's next write, by Trailhound's own
template: all looks as before, and what was known is gone.
"""

from __future__ import annotations

import logging

from opensearchpy import OpenSearch

from trailhound.app.health.readiness import Reason
from trailhound.cluster.namespaces import ledger_uuid
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.app.service")


class SameLedger:
    """The ledger of one daemon, by the index's UUID."""

    def __init__(self) -> None:
        self._began_with = ""
        self._now = ""

    def reason(self, client: OpenSearch, settings: Settings) -> Reason | None:
        """Why it is another one, once it is: as long as the daemon runs, since nothing brings back
        what was known. That there is none is a reason of its own. Raises opensearch-py's
        exceptions."""
        uuid = ledger_uuid(client, settings.prefix)
        self._began_with = self._began_with or uuid
        ledger = Names(settings.prefix).ledger
        message = (
            f"the index {ledger} was deleted or replaced since this daemon started: which objects "
            "were read, how far rules ran, known automation and the state of channels are those "
            "of the new index; what the old one had of them is gone"
        )
        if uuid and uuid not in (self._began_with, self._now):
            LOG.error("%s", message)
        self._now = uuid or self._now
        return Reason("ledger", ledger, message) if self._now != self._began_with else None
