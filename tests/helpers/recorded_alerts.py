"""Rules of findings by hand, and the alerts that a recorder makes of these."""

from __future__ import annotations

from datetime import timedelta

from detections.alerts.store import AlertQuery, AlertStore
from tests.helpers.findings import rule

PLAIN = rule()
GROUPED = rule("grouped", group_by=("userIdentity.arn",), suppress=timedelta(seconds=60))
BURST = rule("burst", kind="correlation", level="medium", severity=5)
LETTER = rule("letter", kind="correlation", lower_attempts=False)
RULES = {each.id: each for each in (PLAIN, GROUPED, BURST, LETTER)}


def spans(alert_store: AlertStore, rule_id: str = "") -> list[tuple[str, str, int]]:
    """When, till when and how often, of every alert, by time."""
    return sorted(
        (each["first_seen"][14:19], each["last_seen"][14:19], each["count"])
        for each in alert_store.find(AlertQuery(rule=rule_id or None))
    )
