"""The same saved objects in the form of Kibana 8 and 9, made from those for OpenSearch Dashboards.

What differs: names of functions in Vega and of one chart setting, `date_histogram`'s interval,
controls (which belong to the dashboard there, and are no visualization), the fields of a data view
(Kibana gets all but scripted ones from the cluster, and has headings for them), tables of single
documents (Elasticsearch does not group by `_id`: their saved search is shown instead), and the name
of an object's format version. Written from the "Saved objects", "Vega" and "Dashboard controls"
pages of Kibana's documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from dashboards.data_view import VIEWS
from dashboards.ndjson import Line, parse, written
from dashboards.saved_object import compact

CORE_VERSION = "8.8.0"
"""From this version on, an object's format is in `typeMigrationVersion`."""
_DASHBOARD_VERSION = "8.7.0"
"""A format of dashboards that has controls."""
_CONTROL = "input_control_vis"
_NAMES = (
    (re.compile(r"opensearchDashboards(AddFilter|SetTimeFilter)"), r"kibana\1"),
    (re.compile(r"useNormalizedOpenSearchInterval"), "useNormalizedEsInterval"),
    (re.compile(r'(?<=\\")opensearchDashboards(?=\\+":)'), "kibana"),
    (re.compile(r'(?<=\\")interval(\\+":\{\\+"%autointerval%)'), r"fixed_interval\1"),
)
"""Inside texts that are JSON in JSON, with as many backslashes as levels."""


def for_kibana(lines: Iterable[Line]) -> list[Line]:
    """The objects for Kibana; those of another format than ours are left as they are."""
    text = written(lines)
    for pattern, name in _NAMES:
        text = pattern.sub(name, text)
    objects = parse(text, "the objects for Kibana")
    controls = {each["id"]: each for each in objects if _is_control(each)}
    tables = {each["id"]: _search(each) for each in objects if _lists(each)}
    kept = [each for each in objects if each["id"] not in controls and each["id"] not in tables]
    return [_object(each, controls, tables) for each in kept]


def _is_control(line: Line) -> bool:
    return line["type"] == "visualization" and _state(line).get("type") == _CONTROL


def _lists(line: Line) -> bool:
    """Whether it is a table of the single documents of a saved search."""
    if line["type"] != "visualization" or "savedSearchRefName" not in line["attributes"]:
        return False
    aggregations = _state(line).get("aggs", ())
    return any(each.get("params", {}).get("field") == "_id" for each in aggregations)


def _search(table: Line) -> str:
    """The id of the saved search that a table is made of."""
    name = table["attributes"]["savedSearchRefName"]
    [found] = [each["id"] for each in table["references"] if each["name"] == name]
    return str(found)


def _labels(title: str) -> dict[str, dict[str, str]]:
    """`fieldAttrs` of a data view by its title, with or without a namespace."""
    [labels] = [each.labels for each in VIEWS if title.endswith(each.title)] or [{}]
    return {name: {"customLabel": label} for name, label in labels.items()}


def _state(line: Line) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(line["attributes"].get("visState") or "{}")
    return state


def _object(line: Line, controls: dict[str, Line], tables: dict[str, str]) -> Line:
    made = dict(line)
    versions = made.pop("migrationVersion", None)
    if versions:
        made["coreMigrationVersion"] = CORE_VERSION
        made["typeMigrationVersion"] = versions.get(made["type"], "")
    if made["type"] == "index-pattern":
        fields = json.loads(made["attributes"].get("fields") or "[]")
        scripted = [each for each in fields if each.get("scripted")]
        made["attributes"] = made["attributes"] | {"fields": compact(scripted)}
        if labels := _labels(made["attributes"].get("title", "")):
            made["attributes"] |= {"fieldAttrs": compact(labels)}
    if made["type"] == "dashboard":
        made["references"] = [
            each | {"type": "search", "id": tables[each["id"]]} if each["id"] in tables else each
            for each in made.get("references", ())
        ]
    if made["type"] == "dashboard" and controls:
        _take_controls(made, controls)
    return made


def _take_controls(dashboard: Line, controls: dict[str, Line]) -> None:
    """The panels of controls become the dashboard's own controls, and the others move up."""
    attributes = dict(dashboard["attributes"])
    by_name = {each["name"]: each for each in dashboard.get("references", ())}
    panels: list[dict[str, Any]] = json.loads(attributes["panelsJSON"])
    ours = [each for each in panels if by_name[each["panelRefName"]]["id"] in controls]
    if not ours:
        return
    others = [each for each in panels if each not in ours]
    for gone in ours:
        place = gone["gridData"]
        beside = any(each["gridData"]["y"] == place["y"] for each in others)
        for each in others:
            if not beside and each["gridData"]["y"] > place["y"]:
                each["gridData"]["y"] -= place["h"]
    names = {each["panelRefName"] for each in ours}
    references = [each for each in dashboard["references"] if each["name"] not in names]
    group, more = _group([controls[by_name[name]["id"]] for name in sorted(names)])
    attributes |= {"panelsJSON": compact(others), "controlGroupInput": group}
    dashboard["attributes"] = attributes
    dashboard["references"] = references + more
    dashboard["typeMigrationVersion"] = _DASHBOARD_VERSION


def _group(controls: Sequence[Line]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """`controlGroupInput` of a dashboard, and its references to data views."""
    panels: dict[str, Any] = {}
    references = []
    for line in controls:
        views = {each["name"]: each["id"] for each in line["references"]}
        for control in _state(line)["params"]["controls"]:
            name = control["id"]
            panels[name] = {
                "type": "optionsListControl",
                "order": len(panels),
                "grow": True,
                "width": "medium",
                "explicitInput": {
                    "id": name,
                    "fieldName": control["fieldName"],
                    "title": control["label"],
                    "enhancements": {},
                },
            }
            references.append(
                {
                    "name": f"controlGroup_{name}:optionsListDataView",
                    "type": "index-pattern",
                    "id": views[control["indexPatternRefName"]],
                }
            )
    ignored = dict.fromkeys(
        ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations"), False
    )
    group = {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "panelsJSON": compact(panels),
        "ignoreParentSettingsJSON": compact(ignored),
    }
    return group, references
