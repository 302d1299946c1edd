"""One namespace for all tests of alerts, which each of them empties; its recorder and alerts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertStore
from tests.helpers.findings import emptied
from tests.helpers.namespaces import own_namespace
from tests.helpers.recorded_alerts import RULES
from trailhound.cluster.client import connect
from trailhound.settings import Settings


@pytest.fixture(scope="session")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the namespace, where `init` has run."""
    dashboards = {"url": "https://ada:hunter2@dashboards.example/"}  # no link has the login
    with own_namespace(engine, tmp_path_factory.mktemp("home"), dashboards=dashboards) as made:
        yield made


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    """A client on the namespace, which has no documents."""
    return emptied(connect(settings), settings)


@pytest.fixture
def recorder(client: OpenSearch, settings: Settings) -> Recorder:
    """A recorder of findings of `RULES`."""
    return Recorder(client, settings, RULES)


@pytest.fixture
def alert_store(client: OpenSearch, settings: Settings) -> AlertStore:
    """The alerts of the namespace."""
    return AlertStore(client, settings)
