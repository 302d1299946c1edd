"""The shipped saved objects: what the code makes, in the form that Dashboards takes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dashboards.build import FOLDER, files, write
from dashboards.catalogue import DASHBOARDS
from dashboards.data_view import ALERTS, DEADLETTERS, EVENTS, FLAT_LEAVES, LEDGER
from dashboards.kibana import for_kibana
from dashboards.ndjson import namespaced, parse, written
from dashboards.palette import RED
from dashboards.saved_object import MIGRATION_VERSION
from trailhound.cli.main import app
from trailhound.errors import UsageError

Object = dict[str, Any]

NAMES = sorted(files())


def objects(name: str) -> list[Object]:
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]


def panels(name: str) -> list[Object]:
    return [each for each in objects(name) if each["type"] in ("visualization", "search")]


def fields_of(view: Object) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(view["attributes"]["fields"])}


def test_the_files_are_what_the_code_makes() -> None:
    shipped = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}
    assert shipped == files(), "run `trailhound dashboards build`"


def test_build_says_what_it_changed(tmp_path: Path) -> None:
    (tmp_path / "gone.ndjson").write_text("{}")
    assert {path.name for path in write(tmp_path)} == {*NAMES, "gone.ndjson"}
    assert write(tmp_path) == {}
    assert not (tmp_path / "gone.ndjson").exists()


@pytest.mark.parametrize("product", ["opensearch", "elasticsearch"])
def test_built_files_are_those_that_an_import_sends_to_a_namespace(
    product: str, tmp_path: Path
) -> None:
    kibana = product == "elasticsearch"
    build = ["dashboards", "build", "--product", product, "-o"]
    done = CliRunner().invoke(app, [*build, str(tmp_path / "red"), "--namespace", "red"])
    assert done.exit_code == 0, done.output
    for name in NAMES:
        sent = namespaced(parse(files()[name], name), "red-")
        text = written(for_kibana(sent) if kibana else sent)
        assert (tmp_path / "red" / name).read_text("utf-8") == text
        assert not re.search(r"(?<!red-)(cloudtrail-\*|trailhound-)", text)
        assert namespaced(parse(text, name), "red-") == parse(text, name), "imported as it is"
    plain = CliRunner().invoke(app, [*build, str(tmp_path / "plain")])
    assert plain.exit_code == 0
    assert "red-" not in (tmp_path / "plain" / NAMES[0]).read_text("utf-8")


def test_the_shipped_files_are_of_no_namespace() -> None:
    before = {path: path.read_bytes() for path in FOLDER.iterdir()}
    done = CliRunner().invoke(app, ["dashboards", "build", "--namespace", "red"])
    assert {path: path.read_bytes() for path in FOLDER.iterdir()} == before
    assert isinstance(done.exception, UsageError)
    assert "-o DIR" in done.exception.hint


def test_the_dashboards_asked_for_are_there() -> None:
    assert [each.title for each in DASHBOARDS] == [
        "CloudTrail Security Overview",
        "Identity & access",
        "Data access",
        "Network & compute",
        "Root and break-glass",
        "Defence evasion & trail health",
        "Alerts & ATT&CK",
        "Investigate a principal",
        "Ingest health",
    ]


@pytest.mark.parametrize(
    ("title", "kind", "query"),
    [
        ("Events by Risk Score", "histogram", "risk_score:>=7"),
        ("Top Source IPs", "table", ""),
        ("Authentication Events Timeline", "line", "event_category:authentication"),
    ],
)
def test_the_panels_asked_for_by_name(title: str, kind: str, query: str) -> None:
    [found] = [each for each in panels("overview.ndjson") if each["attributes"]["title"] == title]
    source = json.loads(found["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert json.loads(found["attributes"]["visState"])["type"] == kind
    assert source["query"] == {"query": query, "language": "lucene"}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_stands_alone(name: str) -> None:
    """Every reference leads to an object of the same file, and every object is there once."""
    held = Counter((each["type"], each["id"]) for each in objects(name))
    assert set(held.values()) == {1}
    for each in objects(name):
        assert [ref for ref in each["references"] if (ref["type"], ref["id"]) not in held] == []
    assert [each["type"] for each in objects(name)].count("dashboard") == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_object_has_the_form_of_its_kind(name: str) -> None:
    for each in objects(name):
        assert each["type"] in MIGRATION_VERSION
        assert each["migrationVersion"] == {each["type"]: MIGRATION_VERSION[each["type"]]}
        attributes = each["attributes"]
        assert attributes["title"]
        if each["type"] == "index-pattern":
            assert json.loads(attributes["fields"])
            assert set(json.loads(attributes["fieldFormatMap"])) <= set(fields_of(each))
            assert attributes["timeFieldName"] in fields_of(each)
            continue
        assert attributes["description"].endswith((".", "?")), each["id"]
        source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        names = {reference["name"] for reference in each["references"]}
        if "indexRefName" in source:
            assert source["indexRefName"] in names
        if each["type"] == "visualization":
            assert json.loads(attributes["visState"])["title"] == attributes["title"]
            json.loads(attributes["uiStateJSON"])
        if each["type"] == "dashboard":
            assert {p["panelRefName"] for p in json.loads(attributes["panelsJSON"])} == names


@pytest.mark.parametrize("name", NAMES)
def test_panels_fill_the_grid_without_overlap(name: str) -> None:
    [dashboard] = [each for each in objects(name) if each["type"] == "dashboard"]
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
        place = panel["gridData"]
        assert place["x"] + place["w"] <= 48
        assert place["w"] >= 8, "too narrow to read at 1280 pixels"
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    depth = max(y for _, y in taken) + 1
    assert len(taken) == 48 * depth, "a hole in the grid"


def named_fields(value: Any) -> Iterator[str]:
    """Every `field` in an aggregation, a control or a Vega request."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("field", "fieldName") and isinstance(inner, str):
                yield inner
            else:
                yield from named_fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named_fields(inner)


def queried_fields(query: str) -> set[str]:
    """Names before a colon in a Lucene query, and after `_exists_:`."""
    exists = set(re.findall(r"_exists_:([\w.@]+)", query))
    return (set(re.findall(r"([\w.@]+):", query)) | exists) - {"_exists_"}


@pytest.mark.parametrize("name", NAMES)
def test_fields_are_those_of_the_index_templates(name: str) -> None:
    views = {
        each["id"]: fields_of(each) for each in objects(name) if each["type"] == "index-pattern"
    }
    searches = {each["id"]: each for each in objects(name) if each["type"] == "search"}
    for each in panels(name):
        [view] = {ref["id"] for ref in each["references"]} or {None}
        if view in searches:
            [view] = {ref["id"] for ref in searches[view]["references"]}
        if each["type"] == "search":
            columns, query = each["attributes"]["columns"], _query(each)
            assert set(columns) <= set(views[view]), each["id"]
            assert queried_fields(query) <= set(views[view]), each["id"]
            continue
        state = json.loads(each["attributes"]["visState"])
        if state["type"] == "vega":
            [url] = [d["url"] for d in json.loads(state["params"]["spec"])["data"] if "url" in d]
            state, view = {"aggs": url["body"]}, url["index"]
        if view is None:
            assert state["type"] == "markdown"
            continue
        for field in named_fields(state):
            assert views[view][field]["aggregatable"], (each["id"], field)
        for text in [_query(each), *re.findall(r'"query": "([^"]*)"', json.dumps(state))]:
            assert queried_fields(text) <= set(views[view]), (each["id"], text)


def _query(saved: Object) -> str:
    source = json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return str(source["query"]["query"])


def test_the_fields_of_a_view_are_its_mapping() -> None:
    for view in (EVENTS, ALERTS, LEDGER, DEADLETTERS):
        names = {each["name"] for each in view.fields()}
        mapped = {name for name, mapping in view.mapped() if mapping["type"] != "flat_object"}
        added = {"_id", "_index", "_source", *view.scripted}
        assert names == mapped | added | (set(FLAT_LEAVES) if view.kind == "events" else set())


def test_an_alias_has_the_type_of_what_it_stands_for() -> None:
    fields = {
        each["name"]: each
        for view in (EVENTS, ALERTS, LEDGER, DEADLETTERS)
        for each in view.fields()
    }
    assert fields["event.action"]["type"] == "string"
    assert fields["source.ip"]["type"] == "ip"


@pytest.mark.parametrize("name", NAMES)
def test_red_is_for_what_is_bad(name: str) -> None:
    bad = re.compile("fail|refused|critical|tampered|delet|dead|trails|root|error", re.IGNORECASE)
    for each in panels(name):
        if each["type"] == "search":
            continue
        colours = json.loads(each["attributes"]["uiStateJSON"]).get("vis", {}).get("colors", {})
        for label, colour in colours.items():
            if colour == RED:
                title = each["attributes"]["title"]
                assert bad.search(label) or bad.search(f"{each['id']} {title}"), (title, label)


@pytest.mark.parametrize("name", NAMES)
def test_a_colour_is_for_a_label_that_there_is(name: str) -> None:
    """Where values of a field are the labels, they are not known here."""
    for each in panels(name):
        if each["type"] == "search":
            continue
        aggregations = json.loads(each["attributes"]["visState"])["aggs"]
        if any(one["type"] in ("terms", "significant_terms") for one in aggregations):
            continue
        labels = {one["params"].get("customLabel") for one in aggregations}
        for one in aggregations:
            labels |= {group["label"] for group in one["params"].get("filters", ())}
        colours = json.loads(each["attributes"]["uiStateJSON"]).get("vis", {}).get("colors", {})
        assert colours.keys() <= labels, each["id"]


def test_a_panel_that_several_dashboards_hold_is_the_same_in_each() -> None:
    seen: dict[tuple[str, str], Object] = {}
    for name in NAMES:
        for each in objects(name):
            assert seen.setdefault((each["type"], each["id"]), each) == each


@pytest.mark.parametrize("name", ["alerts.ndjson", "overview.ndjson"])
def test_open_alerts_come_by_severity_then_time_with_headings_in_words(name: str) -> None:
    [table] = [each for each in panels(name) if each["id"] == "trailhound-alerts-open-table"]
    aggregations = json.loads(table["attributes"]["visState"])["aggs"]
    severity, alert = [each for each in aggregations if each["schema"] == "bucket"]
    params = severity["params"]
    assert (params["field"], params["orderBy"], params["order"]) == ("severity", "_key", "desc")
    [by] = [each for each in aggregations if each["id"] == alert["params"]["orderBy"]]
    assert (alert["params"]["field"], alert["params"]["order"]) == ("_id", "desc")
    assert (by["type"], by["params"]["field"]) == ("max", "last_seen")
    headings = [each["params"]["customLabel"] for each in aggregations]
    assert {"Severity", "Level", "Rule", "Calls", "Principal", "Last seen"} <= set(headings)
    assert [each for each in headings if "." in each or "_" in each or not each[0].isupper()] == []


def test_digits_on_a_colour_can_be_read() -> None:
    """With a contrast of 7, as WCAG's level AAA asks of small text."""
    for view, name in ((EVENTS, "risk_score"), (ALERTS, "severity")):
        colours = view.formats[name]["params"]["colors"]
        assert [each["range"] for each in colours] == ["7:8", "9:10"]
        for each in colours:
            light, dark = sorted((_luminance(each["text"]), _luminance(each["background"])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 7, each


def _luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", NAMES)
def test_a_list_of_documents_has_room_for_its_columns(name: str) -> None:
    """At 1280 pixels: headings are never broken, and what is left over is for the values."""
    for each in panels(name):
        if each["type"] == "search":
            headings = sum(len(column) + 2 for column in each["attributes"]["columns"])
            assert headings <= 105, each["id"]


def test_a_list_made_of_a_saved_search_takes_its_documents() -> None:
    """Of the one that the last release had on its dashboards: an import leaves none unused."""
    lines = {(each["type"], each["id"]): each for each in objects("alerts.ndjson")}
    [reference] = lines["visualization", "trailhound-alerts-open-table"]["references"]
    search = lines["search", "trailhound-alerts-open"]
    assert (reference["type"], reference["id"]) == ("search", search["id"])
    assert _query(search) == "state:open"
    assert search["attributes"]["sort"] == [["severity", "desc"], ["last_seen", "desc"]]


def test_every_object_of_the_last_release_is_replaced_by_an_import() -> None:
    """None is left beside what came in its place. The list: of commit 44fc787."""
    listed = (Path(__file__).parents[2] / "helpers" / "last_release_dashboards.txt").read_text()
    shipped = {f"{each['type']} {each['id']}" for name in NAMES for each in objects(name)}
    assert set(listed.splitlines()) <= shipped


def test_dates_take_the_room_of_a_second() -> None:
    for name in NAMES:
        for each in objects(name):
            if each["type"] != "index-pattern":
                continue
            formats = json.loads(each["attributes"]["fieldFormatMap"])
            dates = [name for name, field in fields_of(each).items() if field["type"] == "date"]
            assert dates
            assert {formats[date]["params"]["pattern"] for date in dates} == {"YYYY-MM-DD HH:mm:ss"}
