"""Documents of the ledger index that do not have the fields of their kind.

Every reader leaves them out, so a job, a rule or a channel would be missing without a reason.
"""

from __future__ import annotations

from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.catch_up import CatchUp
from trailhound.state.channels import ChannelState
from trailhound.state.daemons import DaemonState
from trailhound.state.document import StateDocument, StateDocumentError
from trailhound.state.feed_checkpoints import FeedCheckpoint
from trailhound.state.jobs import JobState
from trailhound.state.known_automation import KnownAutomation
from trailhound.state.leases import LeaseState
from trailhound.state.rule_checkpoints import RuleCheckpoint
from trailhound.state.store import pages

_KINDS: Final[dict[str, type[StateDocument]]] = {
    each.kind: each
    for each in (
        CatchUp,
        ChannelState,
        DaemonState,
        FeedCheckpoint,
        JobState,
        KnownAutomation,
        LeaseState,
        RuleCheckpoint,
    )
}
"""Kinds of which there are few. The next run that reads an object replaces its entry, and a
malformed group of alerts raises an error."""


def malformed_documents(client: OpenSearch, settings: Settings) -> dict[str, str]:
    """By `_id`, what is wrong with each. Documents without a `kind` are named by `init`, which
    upgrades them.

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
