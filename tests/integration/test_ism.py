"""Retention by the ISM plugin, which the engine here does not have: its replies are the docs'."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster import ism, templates
from trailhound.cluster.client import connect
from trailhound.cluster.retention import enforce
from trailhound.settings import Settings

TODAY = date(2025, 3, 31)


class Plugin:
    """What "ISM API" says that the plugin answers; it takes down what it is asked."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.bears: dict[str, str] = {}
        self.writes = 0
        self._allowed = allowed

    def script(self, request: Request) -> Fault | None:
        path, _, _query = request.path.partition("?")
        if not path.startswith("/_plugins/_ism/"):
            return None
        if not self._allowed:
            return Say(403, {"error": {"type": "security_exception"}, "status": 403})
        body = json.loads(request.body or b"{}")
        match path.removeprefix("/_plugins/_ism/").split("/"):
            case ["policies"]:
                return Say(200, {"policies": [], "total_policies": 0})
            case ["policies", name] if request.method == "PUT":
                self.writes += 1
                self.policies[name] = body["policy"]
                return Say(201, {"_id": name, "_seq_no": 1, "_primary_term": 1})
            case ["policies", name] if name in self.policies:
                found = {"_id": name, "_seq_no": 1, "_primary_term": 1}
                return Say(200, found | {"policy": self.policies[name]})
            case ["policies", _]:
                return Say(404, {"error": {"type": "status_exception"}, "status": 404})
            case ["explain", names]:
                key = "index.plugins.index_state_management.policy_id"
                return Say(200, {name: {key: self.bears.get(name)} for name in names.split(",")})
            case ["add", names]:
                for name in names.split(","):
                    self.bears[name] = body["policy_id"]
                return Say(200, {"updated_indices": 1, "failures": False, "failed_indices": []})
        return Say(400, {"error": "no handler"})


@pytest.fixture
def settings(opensearch: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(opensearch, namespace, tmp_path / "home", retention={"days": 30})


@pytest.fixture
def days(settings: Settings) -> list[str]:
    """Three of ours, two of them behind; and one behind that is somebody else's."""
    client = prepared(settings)
    names = templates.Names(settings.prefix)
    made = [names.day(day) for day in ("2025.03.30", "2025.01.01", "2025.01.02", "2020.01.01")]
    for index in made[:3]:
        client.indices.create(index=index)
    client.indices.delete_index_template(name=names.template("events"))
    client.indices.create(index=made[3])
    return made


def through(proxy: Proxy, settings: Settings, **retention: Any) -> tuple[OpenSearch, Settings]:
    cluster = settings.cluster.model_copy(update={"hosts": [proxy.url]})
    kept = settings.retention.model_copy(update=retention)
    far = settings.model_copy(update={"cluster": cluster, "retention": kept})
    return connect(far), far


def test_days_of_ours_that_are_over_get_the_policy_and_nothing_else(
    settings: Settings, days: list[str]
) -> None:
    plugin = Plugin()
    plugin.bears[days[2]] = "their-own"
    with Proxy(settings.hosts[0], plugin.script) as proxy:
        client, far = through(proxy, settings)
        report = enforce(client, far, TODAY)
        assert (report.handed, report.managed, report.foreign) == ([days[1]], [days[2]], [days[3]])
        assert plugin.bears == {
            days[1]: ism.policy_id(settings),
            days[2]: "their-own",
        }
        (policy,) = plugin.policies.values()
        assert policy["states"][0]["actions"] == [{"delete": {}}]
        assert "ism_template" not in policy
        assert enforce(client, far, TODAY).handed == []
        assert plugin.writes == 1
        client, far = through(proxy, settings, action="close")
        enforce(client, far, TODAY)
        assert plugin.policies[ism.policy_id(settings)]["states"][0]["actions"] == [{"close": {}}]
    assert all(connect(settings).indices.exists(index=index) for index in days)


@pytest.mark.parametrize("how", ["no plugin", "no permission", "not wanted"])
def test_elsewhere_the_daemon_does_it(how: str, settings: Settings, days: list[str]) -> None:
    plugin = Plugin(allowed=how != "no permission")
    with Proxy(settings.hosts[0], plugin.script) as proxy:
        client, far = through(proxy, settings, ism=how != "not wanted")
        if how == "no plugin":
            client, far = connect(settings), settings
        report = enforce(client, far, TODAY)
    assert report.deleted == days[1:3]
    assert report.foreign == days[3:]
    assert plugin.bears == {}
