"""Retention by ISM and ILM, which the engines here do not have: replies are the documentation's.

The rest of each engine is real: `Plugin` is the script of a proxy before it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Proxy
from tests.helpers.lifecycle_plugins import IlmPlugin, IsmPlugin, Plugin
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.retention import RetentionReport, enforce
from trailhound.settings import Settings

TODAY = date(2025, 3, 31)


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


def test_a_day_that_somebody_made_read_only_keeps_no_other_from_its_end(
    kind: type[Plugin], settings: Settings, days: list[str]
) -> None:
    """The cluster refuses a request for several indices where it refuses it for one."""
    client, plugin = connect(settings), kind()
    client.indices.put_settings(index=days[1], body={"index.blocks.read_only": True})
    if kind is IlmPlugin:
        plugin.locked = {days[1]}
        report = enforced(plugin, settings)
        assert (report.handed, list(plugin.policy_of)) == ([days[2]], [days[2]])
    else:
        report = enforced(plugin, settings, ism=False)
        assert report.deleted == [days[2]]
        assert client.indices.exists(index=days[1])
        assert "read-only" in report.failed[days[1]]
    assert report.failed.keys() == {days[1]}
    client.indices.put_settings(index=days[1], body={"index.blocks.read_only": None})


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
