"""Documents of the ledger index that lack fields of their kind.

Readers leave them out, so without this check a job, rule or channel would be missing silently.
"""

from __future__ import annotations

from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.backfills import BackfillState
from trailhound.state.before_rules import BeforeRules
from trailhound.state.catch_up import CatchUp
from trailhound.state.channels import ChannelState
from trailhound.state.daemons import DaemonState
from trailhound.state.denied_folders import DeniedFolder
from trailhound.state.document import StateDocument, StateDocumentError
from trailhound.state.feed_checkpoints import FeedCheckpoint
from trailhound.state.jobs import JobState
from trailhound.state.known_automation import KnownAutomation
from trailhound.state.late_events import LateEvents
from trailhound.state.leases import LeaseState
from trailhound.state.outages import OutageState
from trailhound.state.removed_days import RemovedDays
from trailhound.state.rule_checkpoints import RuleCheckpoint
from trailhound.state.store import pages

_KINDS: Final[dict[str, type[StateDocument]]] = {
    each.kind: each
    for each in (
        BackfillState,
        BeforeRules,
        CatchUp,
        ChannelState,
        DaemonState,
        DeniedFolder,
        FeedCheckpoint,
        JobState,
        KnownAutomation,
        LateEvents,
        LeaseState,
        OutageState,
        RemovedDays,
        RuleCheckpoint,
    )
}
"""Kinds with few documents. Of the others, an object's entry is replaced when the object is read
again, and a malformed group of alerts raises an error."""


def malformed_documents(client: OpenSearch, settings: Settings) -> dict[str, str]:
    """What is wrong with malformed documents, by `_id`. Documents without a `kind` are left to
    `init`, which upgrades or names them.

    Raises opensearch-py's exceptions and `RequestFailedError`.
    """
    found = {}
    index = Names(settings.prefix).ledger
    for hit in pages(client, index, [{"terms": {"kind": sorted(_KINDS)}}]):
        try:
            _KINDS[hit.source["kind"]].parse(hit.identifier, hit.source)
        except StateDocumentError as error:
            found[hit.identifier] = error.message
    return found
