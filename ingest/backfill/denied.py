"""Notes in the ledger which folders a run was not allowed to list, and which it listed again."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace
from opensearchpy import OpenSearch

from ingest.ledger.worker import Worker
from ingest.objects import Selection
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.settings import Settings
from trailhound.state.criteria import Criteria
from trailhound.state.denied_folders import DeniedFolder, DeniedFolders

_ACCOUNT = re.compile(r"/AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?(\d{12})/")
_REGION = re.compile(r"/\d{12}/CloudTrail(?:-[A-Za-z]+)?/([^/]+)/")


def note_listing(
    client: OpenSearch,
    settings: Settings,
    selection: Selection,
    *,
    denied: Mapping[str, str],
    listed: Collection[str],
) -> None:
    """Note the folders that were `denied`, with the reason, and remove the notes of others below
    the prefixes that were `listed` to their end. Raises `ClusterError`."""
    if not denied and not listed:
        return
    wanted = Criteria(
        since=selection.since.isoformat() if selection.since else "",
        until=selection.until.isoformat() if selection.until else "",
        accounts=tuple(sorted(selection.accounts)),
        regions=tuple(sorted(selection.regions)),
    )
    now, host = datetime.now(UTC).isoformat(), Worker.this().host
    notes = [
        DeniedFolder(uri=uri, reason=why, finished_at=now, host=host, wanted=(_of(uri, wanted),))
        for uri, why in denied.items()
    ]
    folders = DeniedFolders(client, settings)

    def write() -> None:
        folders.listed(listed, wanted, denied)
        folders.add(notes)

    RetryPolicy(settings.ingest.give_up_after).run(write)


def _of(uri: str, wanted: Criteria) -> Criteria:
    """What is wanted of one folder: of an account's or a region's, nothing of others, so that a
    later run for that one alone has listed all of it.

    >>> found = _of("s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/", Criteria())
    >>> found.accounts, found.regions
    (('111122223333',), ('eu-west-1',))
    """
    if found := _ACCOUNT.search(uri):
        wanted = replace(wanted, accounts=(found[1],))
    if found := _REGION.search(uri):
        wanted = replace(wanted, regions=(found[1],))
    return wanted
