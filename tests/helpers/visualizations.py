"""What Dashboards asks the engine for when it draws a saved object, worked out from the object.

As its own `esaggs` does: measures first, groupings nested in their order, the panel's query as
`query_string`, scripted fields as scripts, `@timestamp` (or the view's own) within a range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

LUCENE_OPTIONS = {"analyze_wildcard": True}


@dataclass(frozen=True)
class Request:
    """One search: where, what; `paths` are aggregations that must not come back empty."""

    index: str
    body: dict[str, Any]
    paths: tuple[str, ...]


def loads(text: str) -> Any:
    return json.loads(text)


class Objects:
    """Saved objects by kind and id, and what each asks for."""

    def __init__(self, objects: list[Object]) -> None:
        self._by_key = {(each["type"], each["id"]): each for each in objects}

    def of(self, kind: str) -> list[Object]:
        return [each for (found, _), each in self._by_key.items() if found == kind]

    def requests(self, saved: Object) -> Iterator[Request]:
        """Every search that this visualization or saved search makes."""
        if saved["type"] == "search":
            view = self._view(saved, "kibanaSavedObjectMeta.searchSourceJSON.index")
            sort = [{name: order} for name, order in saved["attributes"]["sort"]]
            body = {"size": 500, "sort": sort, "query": _query(saved)}
            yield Request(view["attributes"]["title"], body, ())
            return
        state = loads(saved["attributes"]["visState"])
        if state["type"] == "vega":
            yield from _vega(loads(state["params"]["spec"]))
        elif state["type"] == "input_control_vis":
            yield from self._controls(saved, state)
        elif state["type"] != "markdown":
            source = self._source(saved)
            view = self._view(source, "kibanaSavedObjectMeta.searchSourceJSON.index")
            scripts = _scripts(view)
            aggregations, path = _aggregations(state["aggs"], scripts)
            body = {"size": 0, "query": _query(source), "aggs": aggregations}
            yield Request(view["attributes"]["title"], body, path)

    def _controls(self, saved: Object, state: dict[str, Any]) -> Iterator[Request]:
        for control in state["params"]["controls"]:
            view = self._view(saved, control["indexPatternRefName"])
            named = {"terms": {"field": control["fieldName"], "size": control["options"]["size"]}}
            body = {"size": 0, "query": {"match_all": {}}, "aggs": {"termsAgg": named}}
            yield Request(view["attributes"]["title"], body, ("termsAgg",))

    def _source(self, saved: Object) -> Object:
        """What says view and query: the saved search of a visualization that is made of one."""
        name = saved["attributes"].get("savedSearchRefName")
        if name is None:
            return saved
        assert not loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"][
            "query"
        ]
        [found] = [each for each in saved["references"] if each["name"] == name]
        return self._by_key[found["type"], found["id"]]

    def _view(self, saved: Object, reference: str) -> Object:
        [found] = [each for each in saved["references"] if each["name"] == reference]
        return self._by_key[found["type"], found["id"]]


def _query(saved: Object) -> dict[str, Any]:
    source = loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert source["query"]["language"] == "lucene"
    assert source["filter"] == []
    return _lucene(source["query"]["query"])


def _lucene(text: str) -> dict[str, Any]:
    return {"query_string": {"query": text, **LUCENE_OPTIONS}} if text else {"match_all": {}}


def _scripts(view: Object) -> dict[str, str]:
    fields = loads(view["attributes"]["fields"])
    return {each["name"]: each["script"] for each in fields if each["scripted"]}


def _vega(spec: dict[str, Any]) -> Iterator[Request]:
    for data in spec["data"]:
        if url := data.get("url"):
            assert url["%context%"] is True
            body = {**_filled(url["body"]), "query": {"match_all": {}}}
            yield Request(url["index"], body, tuple(body["aggs"]))


def _filled(value: Any) -> Any:
    """The request with an interval and a time range where Dashboards puts the chosen ones."""
    if isinstance(value, dict):
        if "%autointerval%" in value:
            return _INTERVAL["fixed_interval"]
        if bound := value.get("%timefilter%"):
            return _RANGE[bound]
        return {name: _filled(inner) for name, inner in value.items()}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


_RANGE = {"min": "2025-03-03", "max": "2025-03-05"}
_INTERVAL = {"fixed_interval": "3h"}
"""What `auto` comes to over seven days."""


def _aggregations(
    entries: list[dict[str, Any]], scripts: dict[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`aggs` of the request, and the path to the innermost groups."""
    measures = {
        each["id"]: _measure(each, scripts) for each in entries if each["schema"] == "metric"
    }
    named = {name: body for name, body in measures.items() if body}
    groupings = [each for each in entries if each["schema"] != "metric"]
    inner, path = dict(named), [each["id"] for each in groupings]
    for each in reversed(groupings):
        inner = {each["id"]: _grouping(each, set(named)) | {"aggs": {**named, **inner}}}
    return inner, tuple(path)


def _target(params: dict[str, Any], scripts: dict[str, str]) -> dict[str, Any]:
    if script := scripts.get(params["field"]):
        return {"script": {"source": script, "lang": "painless"}}
    return {"field": params["field"]}


def _measure(entry: dict[str, Any], scripts: dict[str, str]) -> dict[str, Any] | None:
    kind, params = entry["type"], entry["params"]
    if kind == "count":
        return None
    if kind == "top_hits":
        named = {"_source": params["field"], "sort": [{params["sortField"]: params["sortOrder"]}]}
        return {kind: {"size": params["size"], **named}}
    more = {"percents": params["percents"]} if kind == "percentiles" else {}
    return {kind: {**_target(params, scripts), **more}}


def _grouping(entry: dict[str, Any], measures: set[str]) -> dict[str, Any]:
    kind, params = entry["type"], entry["params"]
    if kind == "terms":
        by = params["orderBy"] if params["orderBy"] in {*measures, "_key"} else "_count"
        order = {by: params["order"]}
        return {"terms": {"field": params["field"], "size": params["size"], "order": order}}
    if kind == "date_histogram":
        return {kind: {"field": params["field"], **_INTERVAL, "min_doc_count": 1}}
    if kind == "histogram":
        return {kind: {"field": params["field"], "interval": params["interval"]}}
    assert kind == "filters", kind
    queries = {each["label"]: _lucene(each["input"]["query"]) for each in params["filters"]}
    return {"filters": {"filters": queries}}
