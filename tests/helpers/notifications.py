"""Alerts of a namespace that its tests share, and what channels are sent of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertStore
from detections.incidents.significance import NAMED
from detections.notify.lanes import Lanes
from detections.notify.notifier import Notifier
from detections.rule import Attack
from ingest.sources.session import aws_session
from tests.helpers.engines import remove_namespace
from tests.helpers.findings import emptied, put_events, rule, single
from tests.helpers.receiver import Receiver
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names

SECRET = "s3cr3t-t0ken"
NOW = datetime.now(UTC).replace(second=30, microsecond=0)
RECENT = NOW - timedelta(minutes=10)
RULES = {
    each.id: each
    for each in (
        rule("critical", level="critical", severity=10, attack=Attack(("defense-evasion",))),
        rule("high"),
        rule("medium", level="medium", severity=5, attack=Attack(("credential_access",))),
        rule("medium-too", level="medium", severity=5, attack=Attack(("impact",))),
        rule("low", level="low", severity=3),
        *(rule(f"way-{number}", level="high") for number in range(14)),
        rule(max(NAMED), title="S3BucketPolicyChanges"),
        rule("by-user", title="pattern by user", kind="correlation", variant_of="pattern"),
        rule("by-address", title="pattern by address", kind="correlation", variant_of="pattern"),
    )
}


@pytest.fixture
def secret_unlogged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No line of the log has the secret of a channel."""
    caplog.set_level(logging.DEBUG)
    yield
    assert SECRET not in caplog.text


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """What takes the messages of a channel."""
    with Receiver() as made:
        yield made


class House:
    """Alerts of a namespace and their notifications."""

    def __init__(self, engine: str, namespace: str, home: Path) -> None:
        self._place = engine, namespace, home
        self.settings = own_settings(engine, namespace, home)
        self.client: OpenSearch = connect(self.settings)

    def with_channels(
        self, *channels: dict[str, Any], lanes: Lanes | None = None, **limits: Any
    ) -> Notifier:
        notify = {"channels": list(channels), **limits}
        self.settings = own_settings(*self._place, notify=notify)
        return Notifier(self.client, self.settings, aws_session, lanes=lanes)

    def raise_alerts(self, rule_id: str, *seconds: int, start: datetime = RECENT) -> set[str]:
        put_events(self.client, self.settings, seconds, start)
        findings = [single(rule_id, second, start=start) for second in seconds]
        return Recorder(self.client, self.settings, RULES).record(findings).created

    def reported(self, name: str) -> dict[str, Any]:
        reported: dict[str, Any] = AlertStore(self.client, self.settings).get(name)["delivery"]
        return reported


@pytest.fixture(scope="session")
def one_house(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    namespace = f"t{uuid.uuid4().hex[:10]}"
    made = House(engine, namespace, tmp_path_factory.mktemp("home"))
    prepared(made.settings)
    yield made
    remove_namespace(engine, namespace)


@pytest.fixture
def house(one_house: House) -> House:
    """A namespace without a document and without channels."""
    emptied(one_house.client, one_house.settings)
    one_house.with_channels()
    return one_house


def hook(receiver: Receiver, **given: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
    return {"name": "hook", "kind": "webhook", "url": url, "secret": SECRET, "timeout": 60} | given


def keys(receiver: Receiver, kind: str = "alert") -> list[str]:
    return [each.json["id"] for each in receiver.received if each.json["kind"] == kind]


def in_one_incident(house: House, *alerts: set[str]) -> None:
    """As the updater joins them."""
    names = sorted(set().union(*alerts))
    index = Names(house.settings.prefix).alerts
    for name in names:
        body = {"doc": {"incident": names[0], "incident_due": False}}
        house.client.update(index=index, id=name, body=body, params={"refresh": "true"})
