"""Checks the name of a rule by which no alert was found."""

from __future__ import annotations

from opensearchpy import OpenSearch

from detections.alerts.store import AlertQuery, AlertStore
from trailhound.errors import UsageError
from trailhound.settings import Settings


def check_rule(client: OpenSearch, settings: Settings, rule: str | None) -> None:
    """Raises `UsageError` with the nearest title if no rule, active or not, and no stored alert has
    this id or title. To be called when a search by rule found nothing. Raises `ClusterError` and
    opensearch-py's exceptions."""
    if rule is None:
        return
    # Imported here: nearly every list of alerts is without a rule, or finds some.
    from detections.alerts.trail_files import RULE, UNCOVERED
    from detections.packs.loading import load
    from detections.suggestions import did_you_mean

    pack = load(settings.detections)
    known = [*pack.rules, *pack.disabled, RULE, UNCOVERED]
    names = {name.lower() for each in known for name in (each.id, each.title)}
    if rule.lower() in names or AlertStore(client, settings).find(AlertQuery(rule=rule), 1):
        return
    named = [each.title for each in (*pack.rules, *pack.disabled) if each.name == rule]
    raise UsageError(
        f"no rule and no alert's rule has the id or title {rule!r}",
        hint=f"it is the `name` of the rule {named[0]!r}: give its title"
        if named
        else did_you_mean(
            rule,
            sorted({name for each in known for name in (each.title, each.id)}),
            "see `trailhound rules list`",
        ),
    )
