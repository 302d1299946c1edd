"""The shipped dashboards in Kibana's form: nothing of OpenSearch Dashboards' names is left."""

from __future__ import annotations

import json

import pytest

from dashboards import ndjson, shipped
from dashboards.kibana import for_kibana


@pytest.mark.parametrize("name", shipped.NAMES)
def test_no_name_of_opensearch_dashboards_is_left(name: str) -> None:
    text = ndjson.written(for_kibana(shipped.chosen([name])))
    for gone in ("opensearchDashboards", "OpenSearchInterval", "input_control_vis"):
        assert gone not in text
    assert "migrationVersion" not in text.replace("MigrationVersion", "")
    assert '\\"interval\\\\\\":{' not in text


@pytest.mark.parametrize("name", shipped.NAMES)
def test_every_reference_and_panel_is_there(name: str) -> None:
    lines = for_kibana(shipped.chosen([name]))
    there = {(each["type"], each["id"]) for each in lines}
    for each in lines:
        for reference in each["references"]:
            assert (reference["type"], reference["id"]) in there
        assert each["coreMigrationVersion"]
        assert each["typeMigrationVersion"]
    [dashboard] = [each for each in lines if each["type"] == "dashboard"]
    names = {each["name"] for each in dashboard["references"]}
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    assert {each["panelRefName"] for each in panels} <= names
    assert min(each["gridData"]["y"] for each in panels) == 0
    group = dashboard["attributes"].get("controlGroupInput")
    for control in json.loads(group["panelsJSON"]) if group else ():
        assert f"controlGroup_{control}:optionsListDataView" in names


def test_the_controls_of_a_page_are_the_dashboards_own() -> None:
    before = shipped.chosen(["overview"])
    [dashboard] = [each for each in for_kibana(before) if each["type"] == "dashboard"]
    group = json.loads(dashboard["attributes"]["controlGroupInput"]["panelsJSON"])
    fields = [each["explicitInput"]["fieldName"] for each in group.values()]
    assert fields == ["recipientAccountId", "awsRegion", "user.name"]


def test_data_views_keep_scripted_fields_alone() -> None:
    for view in for_kibana(shipped.chosen(["ingest"])):
        if view["type"] == "index-pattern":
            assert all(each["scripted"] for each in json.loads(view["attributes"]["fields"]))


def test_a_table_of_single_documents_is_the_search_it_is_made_of() -> None:
    lines = for_kibana(ndjson.namespaced(shipped.chosen(["overview"]), "red-"))
    [dashboard] = [each for each in lines if each["type"] == "dashboard"]
    held = {(each["type"], each["id"]) for each in dashboard["references"]}
    assert ("search", "red-trailhound-alerts-open") in held
    assert not any(each["id"] == "red-trailhound-alerts-open-table" for each in lines)


def test_headings_are_in_words() -> None:
    lines = for_kibana(ndjson.namespaced(shipped.chosen(["overview"]), "red-"))
    there = {(each["type"], each["id"]): each["attributes"] for each in lines}
    labels = json.loads(there["index-pattern", "red-trailhound-alerts"]["fieldAttrs"])
    columns = there["search", "red-trailhound-alerts-open"]["columns"]
    assert {"level", "rule.name", "call_summary"} <= set(columns) <= labels.keys()
    assert labels["rule.name"] == {"customLabel": "Rule"}
    assert "fieldAttrs" not in there["index-pattern", "red-cloudtrail-*"]
