"""Retention by ILM, which the engine here does not have: its replies are the documentation's."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.retention import RetentionReport, enforce
from trailhound.settings import Settings

TODAY = date(2025, 3, 31)


class Lifecycle:
    """What "Index lifecycle management APIs" says that Elasticsearch answers; policies and which
    index has which.
    """

    def __init__(self, *, allowed: bool = True) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.has: dict[str, str] = {}
        self.writes = 0
        self._allowed = allowed

    def script(self, request: Request) -> Fault | None:
        path, _, _query = request.path.partition("?")
        parts = path.strip("/").split("/")
        if parts[0] == "_ilm" and not self._allowed:
            return Say(403, {"error": {"type": "security_exception"}, "status": 403})
        body = json.loads(request.body or b"{}")
        match parts:
            case ["_ilm", "status"]:
                return Say(200, {"operation_mode": "RUNNING"})
            case ["_ilm", "policy", name] if request.method == "PUT":
                self.writes += 1
                self.policies[name] = body["policy"]
                return Say(200, {"acknowledged": True})
            case ["_ilm", "policy", name] if name in self.policies:
                return Say(200, {name: {"version": 1, "policy": self.policies[name]}})
            case ["_ilm", "policy", _]:
                return Say(404, {"error": {"type": "resource_not_found_exception"}, "status": 404})
            case [names, "_settings", "index.lifecycle.name"]:
                found = {name: self.has[name] for name in names.split(",") if name in self.has}
                nested = {"settings": {"index": {"lifecycle": {"name": ""}}}}
                said = json.loads(json.dumps(dict.fromkeys(found, nested)))
                for name, policy in found.items():
                    said[name]["settings"]["index"]["lifecycle"]["name"] = policy
                return Say(200, said)
            case [names, "_settings"] if request.method == "PUT":
                self.has |= dict.fromkeys(names.split(","), body["index.lifecycle.name"])
                return Say(200, {"acknowledged": True})
        return None


@pytest.fixture
def settings(elasticsearch_8: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(elasticsearch_8, namespace, tmp_path / "home", retention={"days": 30})


@pytest.fixture
def days(settings: Settings) -> list[str]:
    """Three of ours, two of them past retention."""
    client = prepared(settings)
    names = templates.Names(settings.prefix)
    made = [names.day(day) for day in ("2025.03.30", "2025.01.01", "2025.01.02")]
    for index in made:
        client.indices.create(index=index)
    return made


def enforced(lifecycle: Lifecycle, settings: Settings, **retention: Any) -> RetentionReport:
    with Proxy(settings.hosts[0], lifecycle.script) as proxy:
        cluster = settings.cluster.model_copy(update={"hosts": [proxy.url]})
        kept = settings.retention.model_copy(update=retention)
        far = settings.model_copy(update={"cluster": cluster, "retention": kept})
        return enforce(connect(far), far, TODAY)


def test_days_that_are_over_get_the_policy(settings: Settings, days: list[str]) -> None:
    lifecycle = Lifecycle()
    lifecycle.has[days[2]] = "their-own"
    report = enforced(lifecycle, settings)
    assert (report.handed, report.managed, report.deleted) == ([days[1]], [days[2]], [])
    name = f"{settings.prefix}trailhound-retention"
    assert lifecycle.has == {days[1]: name, days[2]: "their-own"}
    assert lifecycle.policies[name]["phases"] == {
        "delete": {"min_age": "0ms", "actions": {"delete": {}}}
    }
    again = enforced(lifecycle, settings)
    assert (again.handed, again.managed, lifecycle.writes) == ([], [days[2]], 1)
    assert all(connect(settings).indices.exists(index=index) for index in days)


@pytest.mark.parametrize("how", ["no ILM", "no permission", "not wanted", "close"])
def test_elsewhere_the_daemon_does_it(how: str, settings: Settings, days: list[str]) -> None:
    lifecycle = Lifecycle(allowed=how != "no permission")
    if how == "no ILM":
        report = enforce(connect(settings), settings, TODAY)
    elif how == "not wanted":
        report = enforced(lifecycle, settings, ism=False)
    else:
        report = enforced(lifecycle, settings, action="close" if how == "close" else "delete")
    assert (report.closed if how == "close" else report.deleted) == days[1:]
    assert lifecycle.has == {}
