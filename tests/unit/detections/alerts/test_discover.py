"""Links to Discover: their two forms, and the Rison in them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from detections.alerts.discover import LONGEST, discover_url
from trailhound.settings import DashboardsSettings

FIRST, LAST = datetime(2025, 3, 1, 12, tzinfo=UTC), datetime(2025, 3, 1, 13, tzinfo=UTC)


def link(events: list[str], *, kibana: bool, view: str = "team-cloudtrail-*") -> str:
    return discover_url("https://siem.example/s/red/", view, events, FIRST, LAST, kibana=kibana)


def test_kibana_opens_discover_on_the_events() -> None:
    made = link(["one", "two"], kibana=True)
    assert made.startswith("https://siem.example/s/red/app/discover#/?")
    state = parse_qs(urlsplit(made).fragment.partition("?")[2])
    assert state["_a"] == [
        (
            "(columns:!(),filters:!(),index:'team-cloudtrail-*',"
            'query:(language:kuery,query:\'_id:("one" or "two")\'),sort:!())'
        )
    ]
    assert state["_g"] == [
        (
            "(filters:!(),refreshInterval:(pause:!t,value:0),"
            "time:(from:'2025-03-01T11:59:00.000Z',to:'2025-03-01T13:01:00.000Z'))"
        )
    ]


def test_a_login_of_the_address_is_in_no_link() -> None:
    settings = DashboardsSettings(url="https://ada:hunter2@siem.example/s/red")
    assert settings.link_base == "https://siem.example/s/red"
    assert DashboardsSettings(url="https://siem.example/@x").link_base == "https://siem.example/@x"
    assert DashboardsSettings().link_base == ""


def test_dashboards_opens_its_data_explorer() -> None:
    made = link(["one"], kibana=False)
    state = parse_qs(urlsplit(made).fragment.partition("?")[2])
    assert urlsplit(made).path == "/s/red/app/data-explorer/discover"
    assert state["_q"] == ["(filters:!(),query:(language:kuery,query:'_id:(\"one\")'))"]
    assert "indexPattern:'team-cloudtrail-*'" in state["_a"][0]


@pytest.mark.parametrize("kibana", [True, False])
def test_a_link_stays_short_and_whole(kibana: bool) -> None:
    many = link(["x" * 900 for _ in range(20)], kibana=kibana)
    assert 2_000 < len(many) <= LONGEST
    assert many.endswith((")", "))"))
    none = link(["x" * 9_000], kibana=kibana)
    assert "xxx" not in none
    assert "_g=" in none
    quoted = link(["a'b!c\"d&e#f"], kibana=kibana)
    assert "_id:(%22a!%27b!!c%5C%22d%26e%23f%22)" in quoted


def test_without_a_base_there_is_none() -> None:
    assert discover_url("", "x", ["one"], FIRST, LAST, kibana=True) == ""
