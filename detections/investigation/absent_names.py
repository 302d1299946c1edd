"""Checks the names that a search for alerts was given, when it found nothing."""

from __future__ import annotations

from opensearchpy import OpenSearch

from detections.alerts.known_rules import check_rule
from detections.alerts.store import AlertQuery, AlertStore
from trailhound.settings import Settings


def check_names(client: OpenSearch, settings: Settings, query: AlertQuery) -> None:
    """Raises `UsageError` with the nearest names if there is no such rule or tactic, or if no
    alert, in whichever state, and no event has the principal or the account of the query. Raises
    `ClusterError`, opensearch-py's exceptions, and `NoEventsIndexError` before there are events."""
    check_rule(client, settings, query.rule)
    store = AlertStore(client, settings)
    tactics = [it for it in [query.tactic] if it and not store.find(AlertQuery(tactic=it), 1)]
    if tactics:
        # Imported here, as below: most searches find something.
        from detections.packs.loading import load
        from detections.tactics import unknown_tactics

        pack = load(settings.detections)
        for error in unknown_tactics(tactics, [*pack.rules, *pack.disabled]):
            raise error
    principals = [it for it in [query.principal] if it and not store.find(_of(principal=it), 1)]
    accounts = [it for it in [query.account] if it and not store.find(_of(account=it), 1)]
    if not principals and not accounts:
        return
    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.absent import check_values

    days = daily_indices(client, settings)
    if days.skipped:
        return
    index = EventIndex(client, days)
    index.refresh()
    check_values(index, principals=principals, accounts=accounts)


def _of(*, principal: str | None = None, account: str | None = None) -> AlertQuery:
    """All alerts of a principal or an account."""
    return AlertQuery(principal=principal, account=account)
