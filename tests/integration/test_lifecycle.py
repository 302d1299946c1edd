"""Retention by ISM and ILM, which the engines here do not have: replies are the documentation's.

The rest of each engine is real: `Plugin` is a proxy before it and answers only for that part.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
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


class Plugin(ABC):
    """Policies, which index has which, and how many policies were written."""

    fixture: str
    """The engine that it belongs to."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.policies: dict[str, Any] = {}
        self.policy_of: dict[str, str] = {}
        self.writes = 0
        self._allowed = allowed

    def script(self, request: Request) -> Fault | None:
        parts = request.path.partition("?")[0].strip("/").split("/")
        body = json.loads(request.body or b"{}")
        reply = self.reply(request.method, parts, body)
        return reply if self._allowed or reply is None else refusal(403, "security_exception")

    @abstractmethod
    def reply(self, method: str, parts: list[str], body: Any) -> Say | None:
        """What it says; None for what is the engine's to answer."""

    @abstractmethod
    def action(self, name: str) -> dict[str, Any]:
        """What a policy does at once."""

    def put(self, name: str, policy: Any) -> None:
        self.writes += 1
        self.policies[name] = policy

    def assign(self, indices: str, name: str) -> None:
        self.policy_of |= dict.fromkeys(indices.split(","), name)


def refusal(status: int, kind: str) -> Say:
    return Say(status, {"error": {"type": kind}, "status": status})


class IsmPlugin(Plugin):
    """What "ISM API" of OpenSearch's documentation says."""

    fixture = "opensearch"

    def reply(self, method: str, parts: list[str], body: Any) -> Say | None:
        if parts[:2] != ["_plugins", "_ism"]:
            return None
        versions = {"_seq_no": 1, "_primary_term": 1}
        match parts[2:]:
            case ["policies"]:
                return Say(200, {"policies": [], "total_policies": 0})
            case ["policies", name] if method == "PUT":
                self.put(name, body["policy"])
                return Say(201, {"_id": name, **versions})
            case ["policies", name] if name in self.policies:
                return Say(200, {"_id": name, "policy": self.policies[name], **versions})
            case ["policies", _]:
                return refusal(404, "status_exception")
            case ["explain", indices]:
                key = "index.plugins.index_state_management.policy_id"
                each = indices.split(",")
                return Say(200, {name: {key: self.policy_of.get(name)} for name in each})
            case ["add", indices]:
                self.assign(indices, body["policy_id"])
                return Say(200, {"updated_indices": 1, "failures": False, "failed_indices": []})
        return Say(400, {"error": "no handler"})

    def action(self, name: str) -> dict[str, Any]:
        (state,) = self.policies[name]["states"]
        assert "ism_template" not in self.policies[name]
        assert state["transitions"] == []
        (action,) = state["actions"]
        return dict(action)


class IlmPlugin(Plugin):
    """What "Index lifecycle management APIs" of Elasticsearch's documentation says."""

    fixture = "elasticsearch_8"

    def reply(self, method: str, parts: list[str], body: Any) -> Say | None:
        match parts:
            case ["_ilm", "status"]:
                return Say(200, {"operation_mode": "RUNNING"})
            case ["_ilm", "policy", name] if method == "PUT":
                self.put(name, body["policy"])
                return Say(200, {"acknowledged": True})
            case ["_ilm", "policy", name] if name in self.policies:
                return Say(200, {name: {"version": 1, "policy": self.policies[name]}})
            case ["_ilm", "policy", _]:
                return refusal(404, "resource_not_found_exception")
            case [indices, "_settings", "index.lifecycle.name"]:
                return Say(
                    200,
                    {
                        name: {"settings": {"index": {"lifecycle": {"name": policy}}}}
                        for name, policy in self.policy_of.items()
                        if name in indices.split(",")
                    },
                )
            case [indices, "_settings"] if method == "PUT":
                self.assign(indices, body["index.lifecycle.name"])
                return Say(200, {"acknowledged": True})
        return None

    def action(self, name: str) -> dict[str, Any]:
        phases = self.policies[name]["phases"]
        assert list(phases) == ["delete"]
        assert phases["delete"]["min_age"] == "0ms"
        return dict(phases["delete"]["actions"])


@pytest.fixture(params=[IsmPlugin, IlmPlugin])
def kind(request: pytest.FixtureRequest) -> type[Plugin]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def settings(
    kind: type[Plugin], request: pytest.FixtureRequest, namespace: str, tmp_path: Path
) -> Settings:
    url = request.getfixturevalue(kind.fixture)
    return own_settings(url, namespace, tmp_path / "home", retention={"days": 30})


@pytest.fixture
def days(settings: Settings) -> list[str]:
    """Three of ours, two of them past retention; and one past it that is somebody else's."""
    client = prepared(settings)
    names = templates.Names(settings.prefix)
    made = [names.day(day) for day in ("2025.03.30", "2025.01.01", "2025.01.02", "2020.01.01")]
    for index in made[:3]:
        client.indices.create(index=index)
    client.indices.delete_index_template(name=names.template("events"))
    client.indices.create(index=made[3])
    return made


def enforced(plugin: Plugin, settings: Settings, **retention: Any) -> RetentionReport:
    with Proxy(settings.hosts[0], plugin.script) as proxy:
        cluster = settings.cluster.model_copy(update={"hosts": [proxy.url]})
        kept = settings.retention.model_copy(update=retention)
        far = settings.model_copy(update={"cluster": cluster, "retention": kept})
        return enforce(connect(far), far, TODAY)


def test_days_of_ours_past_retention_get_the_policy_and_nothing_else(
    kind: type[Plugin], settings: Settings, days: list[str]
) -> None:
    plugin = kind()
    plugin.policy_of[days[2]] = "their-own"
    report = enforced(plugin, settings)
    assert (report.handed, report.managed, report.foreign) == ([days[1]], [days[2]], [days[3]])
    assert report.deleted == []
    name = f"{settings.prefix}trailhound-retention"
    assert plugin.policy_of == {days[1]: name, days[2]: "their-own"}
    assert list(plugin.policies) == [name]
    assert plugin.action(name) == {"delete": {}}
    again = enforced(plugin, settings)
    assert (again.handed, again.managed, plugin.writes) == ([], [days[2]], 1)
    assert all(connect(settings).indices.exists(index=index) for index in days)


@pytest.mark.parametrize("how", ["no plugin", "no permission", "not wanted"])
def test_elsewhere_the_daemon_does_it(
    how: str, kind: type[Plugin], settings: Settings, days: list[str]
) -> None:
    plugin = kind(allowed=how != "no permission")
    if how == "no plugin":
        report = enforce(connect(settings), settings, TODAY)
    else:
        report = enforced(plugin, settings, ism=how != "not wanted")
    assert (report.deleted, report.foreign) == (days[1:3], days[3:])
    assert plugin.policy_of == {}


def test_closing_is_done_by_ism_and_by_the_daemon_where_there_is_ilm(
    kind: type[Plugin], settings: Settings, days: list[str]
) -> None:
    plugin = kind()
    enforced(plugin, settings, days=80)  # a policy that deletes; two days are past it
    report = enforced(plugin, settings, action="close")
    if kind is IsmPlugin:
        assert plugin.action(f"{settings.prefix}trailhound-retention") == {"close": {}}
        assert (report.closed, plugin.writes) == ([], 2)
    else:
        assert report.closed == days[1:3]
