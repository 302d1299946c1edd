"""Alerts that a recorder makes of findings by hand, in a namespace that their tests share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from tests.helpers.findings import (
    rule,
)
from tests.helpers.namespaces import own_namespace
from trailhound.settings import Settings

PLAIN = rule()
GROUPED = rule("grouped", group_by=("userIdentity.arn",), suppress=timedelta(seconds=60))
BURST = rule("burst", kind="correlation", level="medium", severity=5)
LETTER = rule("letter", kind="correlation", lower_attempts=False)
RULES = {each.id: each for each in (PLAIN, GROUPED, BURST, LETTER)}


@pytest.fixture(scope="session")
def alerts_settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the namespace, which each test empties (`emptied`)."""
    dashboards = {"url": "https://ada:hunter2@dashboards.example/"}  # no link has the login
    home = tmp_path_factory.mktemp("home")
    with own_namespace(engine, home, dashboards=dashboards) as made:
        yield made


@pytest.fixture
def recorder(client: OpenSearch, settings: Settings) -> Recorder:
    """A recorder of findings of `RULES`."""
    return Recorder(client, settings, RULES)


@pytest.fixture
def alert_store(client: OpenSearch, settings: Settings) -> AlertStore:
    """The alerts of the namespace of `settings`."""
    return AlertStore(client, settings)


def spans(alert_store: AlertStore, rule_id: str = "") -> list[tuple[str, str, int]]:
    """When, till when and how often, of every alert, by time."""
    return sorted(
        (each["first_seen"][14:19], each["last_seen"][14:19], each["count"])
        for each in alert_store.find(AlertQuery(rule=rule_id or None))
    )
