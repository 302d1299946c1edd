"""Templates and indices on a real cluster: made once, upgraded in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from detections.events.index import ORDER
from tests.helpers.processes import run
from tests.helpers.trails import (
    backfill,
    documents,
    own_settings,
    prepared,
)
from tests.integration.templates.stored import get_template, mapped
from trailhound.cluster import mappings, templates
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.initialization import InitChange, init
from trailhound.cluster.templates import Names, mark_of
from trailhound.errors import ForeignTemplateError
from trailhound.settings import Settings
from trailhound.settings.cluster import IndexedField

KINDS: tuple[templates.IndexKind, ...] = ("events", "ledger", "deadletter", "alerts")

pytestmark = pytest.mark.fresh_namespace
"""They are about the making of what prepared ones have."""


def actions(changes: list[InitChange]) -> dict[str, str]:
    return {change.name: change.action for change in changes}


def test_init_creates_then_changes_nothing(
    each_engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = connect(settings)
    names = Names(settings.prefix)
    made = actions(init(client, settings))
    assert set(made.values()) == {"created"}
    assert made.keys() == {names.template(kind) for kind in KINDS} | {
        names.ledger,
        names.deadletter,
        names.alerts,
    }
    backfill(settings, trail)
    asked = requests_of(client)
    again = init(client, settings)
    assert actions(again).keys() == made.keys()
    assert len({(each.name, each.detail) for each in again}) == len(again), "one line for each"
    assert {each.action for each in again} == {"unchanged"}
    assert not [each for each in asked if each[0] in ("PUT", "DELETE")], "nothing is tried"


def requests_of(client: OpenSearch) -> list[tuple[str, str]]:
    """The method and path of each request that a client makes from now on, and that it answers."""
    made: list[tuple[str, str]] = []
    ask = client.transport.perform_request

    def noted(method: str, path: str, *rest: Any, **named: Any) -> Any:
        made.append((method, path))
        return ask(method, path, *rest, **named)

    client.transport.perform_request = noted  # type: ignore[method-assign, assignment]
    return made


def test_what_init_leaves_is_named_and_what_it_changes_is_named_once(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    names = Names(settings.prefix)
    # The alerts of an older version, and a day that another tool has made.
    meta = client.indices.get_mapping(index=names.alerts)[names.alerts]["mappings"]["_meta"]
    meta["trailhound"]["fingerprint"] = "0" * 16
    client.indices.put_mapping(index=names.alerts, body={"_meta": meta})
    own = {"properties": {"message": {"type": "text"}}}
    template = get_template(client, names.template("events"))
    client.indices.delete_index_template(name=names.template("events"))
    foreign = names.day("2001.01.01")
    client.indices.create(index=foreign, body={"mappings": own})
    client.indices.put_index_template(name=names.template("events"), body=template)
    changes = init(client, settings)
    said = [(each.action, each.detail) for each in changes if each.name == names.alerts]
    assert said == [("unchanged", "index template"), ("upgraded", "fields added to its mapping")]
    (left,) = [each for each in changes if each.name == foreign]
    assert (left.action, left.detail.partition(":")[0]) == ("skipped", "not made by Trailhound")
    client.indices.delete(index=foreign)


def test_every_field_of_the_mapping_stands_in_the_index(
    each_engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    backfill(settings, trail)
    found = client.indices.get_mapping(index=f"{namespace}-*")
    names = Names(settings.prefix)
    expected = {
        names.day("2025.03.01"): mappings.EVENT,
        names.day("2025.03.02"): mappings.EVENT,
        names.ledger: mappings.LEDGER,
        names.deadletter: mappings.DEADLETTER,
        names.alerts: mappings.ALERT,
    }
    assert found.keys() == expected.keys()
    for index, wanted in expected.items():
        there = dict(leaves(found[index]["mappings"]["properties"]))
        assert there == dict(leaves(dialect_of(client).mapping(wanted)["properties"])), index
        assert str(found[index]["mappings"]["dynamic"]).lower() == str(wanted["dynamic"]).lower()


def leaves(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every field's path and type."""
    for name, field in properties.items():
        if "properties" in field:
            yield from leaves(field["properties"], f"{path}{name}.")
        else:
            yield f"{path}{name}", field.get("type", "object")


def test_an_older_version_is_upgraded_in_place(
    each_engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    names = Names(settings.prefix)
    backfill(settings, trail)
    # As an older version would have left it: one field fewer, and its own fingerprint.
    old = get_template(client, names.template("events"))
    old["template"]["mappings"]["properties"].pop("risk_reasons")
    old["template"]["mappings"]["_meta"]["trailhound"]["fingerprint"] = "0" * 16
    old["_meta"]["trailhound"]["fingerprint"] = "0" * 16
    client.indices.put_index_template(name=names.template("events"), body=old)
    day = names.day("2025.03.01")
    client.indices.delete(index=day)
    client.indices.create(index=day)
    assert "risk_reasons" not in mapped(client, day)

    with pytest.raises(ForeignTemplateError, match="another version"):
        backfill(settings, trail)
    changed = actions(init(client, settings))
    assert changed.pop(names.template("events")) == "upgraded"
    assert changed.pop(day) == "upgraded"
    assert set(changed.values()) == {"unchanged"}
    assert "risk_reasons" in mapped(client, day)
    assert set(actions(init(client, settings)).values()) == {"unchanged"}
    assert backfill(settings, trail, force=True).counts.indexed == 100


def test_a_day_with_more_search_indices_stays_beside_the_new(
    each_engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    """An index keeps the parameters of its fields and its order: only new days get others."""
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    before = {"indexed": list(mappings.DOC_VALUES_ONLY), "sort": []}
    earlier = settings.model_copy(update={"index": settings.index.model_copy(update=before)})
    client = prepared(earlier)
    names = Names(settings.prefix)
    old, new = names.day("2025.03.01"), names.day("2025.03.02")
    client.indices.create(index=old)
    changed = actions(init(client, settings))
    assert changed.pop(names.template("events")) == "upgraded"
    assert changed.pop(old) == "upgraded"
    assert set(changed.values()) == {"unchanged"}
    assert backfill(settings, trail).counts.indexed == 200
    assert set(actions(init(client, settings)).values()) == {"unchanged"}
    assert "index" not in mapped(client, old)["eventID"]
    assert mapped(client, new)["eventID"]["index"] is False
    order = client.indices.get_settings(index=names.days, flat_settings=True)
    assert "index.sort.field" not in order[old]["settings"]
    assert order[new]["settings"]["index.sort.field"] == settings.index.sort
    for name, source in documents(client, settings).items():
        for field in ("eventID", "eventTime"):
            query = {
                "bool": {"filter": [{"term": {field: source[field]}}, {"ids": {"values": [name]}}]}
            }
            assert client.count(index=names.alias, body={"query": query})["count"] == 1, field
    body = {
        "size": 200,
        "sort": ["@timestamp", *ORDER],
        "aggs": {"ids": {"cardinality": {"field": "eventID"}}},
    }
    found = client.search(index=names.alias, body=body)
    assert len(found["hits"]["hits"]) == found["aggregations"]["ids"]["value"] == 200


WRITTEN: tuple[str | int, ...] = (
    *("2025", "2025-03", "2025-03-01", "2025-03-01T10", "2025-03-01T10:00", "2025-03-01T10:00:00"),
    *("2025-02-28T23:59:59.999Z", "2025-03-01T10:00:00Z", "2025-03-01T10:00:00.000Z"),
    *("2025-03-01T10:00:00.001Z", "2025-03-01T10:00:00.999Z", "2025-03-01T10:00:59.999Z"),
    *("2025-03-01T10:59:59.5Z", "2025-03-01T10:00:00+01:00", "2025-03-01T23:59:59.999-02:00"),
    *("2025-12-31T23:59:59.999Z", "1740823200000", 1740823200001),
)
"""Times as documents and queries may write them."""
NO_TIMES = ("2025-02-30T00:00:00.000Z", "2025-03-01 10:00:00Z", "2025-3-1", "yesterday")
ASKED = ("2025-03-01T10:00:00.000Z||/d", "2025-03-01||/M", "2025-03-01T10:00:00Z||+1h/h", "now-1y")


def test_a_day_with_the_dates_of_the_last_release_answers_as_the_new(
    each_engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    names = Names(settings.prefix)
    earlier = get_template(client, names.template("events"))
    inside = earlier["template"]["mappings"]
    inside["properties"]["event"]["properties"]["ingested"] = {"type": "date"}
    for mark in (inside["_meta"], earlier["_meta"]):
        mark["trailhound"]["fingerprint"] = "0" * 16
    client.indices.put_index_template(name=names.template("events"), body=earlier)
    old, new = names.day("2025.03.01"), names.day("2025.03.02")
    client.indices.create(index=old)
    assert actions(init(client, settings))[old] == "upgraded"
    assert backfill(settings, trail).counts.indexed == 200
    assert mapped(client, old)["event"]["properties"]["ingested"] == {"type": "date"}

    def answers(index: str) -> Iterator[object]:
        for number, text in enumerate((*WRITTEN, *NO_TIMES)):
            written = {"event": {"ingested": text}}
            try:
                client.index(index=index, id=f"written-{number}", body=written)
            except RequestError:
                yield "refused", text
        client.indices.refresh(index=index)
        for limit in (*WRITTEN, *ASKED):
            for side in ("gt", "gte", "lt", "lte"):
                for zone in ("Z", "+01:00"):
                    about = {"event.ingested": {side: limit, "time_zone": zone}}
                    try:
                        yield client.count(index=index, body={"query": {"range": about}})["count"]
                    except RequestError:
                        yield "refused", limit, zone
        body: dict[str, Any] = {
            "query": {"range": {"event.ingested": {"lt": "2026-01-01"}}},
            "size": 100,
            "sort": ["event.ingested"],
            "docvalue_fields": ["event.ingested"],
            "aggs": {
                "days": {"date_histogram": {"field": "event.ingested", "fixed_interval": "1d"}}
            },
        }
        found = client.search(index=index, body=body)
        yield [(hit["sort"], hit["fields"]) for hit in found["hits"]["hits"]]
        yield found["aggregations"]

    assert list(answers(old)) == list(answers(new))


def test_a_setting_gives_search_indices_back(settings: Settings) -> None:
    index = settings.index.model_copy(update={"indexed": ["eventID"]})
    client = prepared(settings.model_copy(update={"index": index}))
    client.indices.create(index=(day := Names(settings.prefix).day("2025.03.01")))
    assert mapped(client, day)["eventID"] == {"type": "keyword"}
    assert mapped(client, day)["requestID"] == {"type": "keyword", "index": False}


def test_the_settings_name_what_the_mapping_leaves_out() -> None:
    assert get_args(IndexedField) == mappings.DOC_VALUES_ONLY


def test_a_changed_setting_upgrades_the_template(settings: Settings) -> None:
    client = prepared(settings)
    name = Names(settings.prefix).template("events")
    more = settings.model_copy(
        update={"index": settings.index.model_copy(update={"refresh_interval": "5s"})}
    )
    assert actions(init(client, more))[name] == "upgraded"
    index = get_template(client, name)["template"]["settings"]["index"]
    assert index["refresh_interval"] == "5s"


def test_a_mapping_that_cannot_change_is_kept_and_said(settings: Settings, trail: Path) -> None:
    client = prepared(settings)
    name = Names(settings.prefix).template("events")
    old = get_template(client, name)
    old["template"]["mappings"]["properties"]["risk_score"] = {"type": "keyword"}
    old["template"]["mappings"]["_meta"]["trailhound"]["fingerprint"] = "0" * 16
    client.indices.put_index_template(name=name, body=old)
    day = Names(settings.prefix).day("2025.03.01")
    client.indices.create(index=day)
    (kept,) = [change for change in init(client, settings) if change.name == day]
    assert kept.action == "kept"
    assert "risk_score" in kept.detail


def test_a_codec_that_the_cluster_lacks_is_named_by_init(settings: Settings) -> None:
    ended = run(settings, "init", env={"TRAILHOUND_INDEX__CODEC": "zstd"})
    assert ended.returncode == 2
    said = ended.stderr.decode()
    assert "has no codec zstd" in said
    assert "best_compression" in said
    assert "index.codec" in said


def test_init_leaves_a_namespace_alone_whose_name_goes_on_with_ours(settings: Settings) -> None:
    other = settings.model_copy(update={"namespace": f"{settings.namespace}-trailhound"})
    client = prepared(other)
    index = Names(other.prefix).ledger
    client.indices.put_mapping(index=index, body={"_meta": {"trailhound": {"kind": "ledger"}}})
    assert index not in {each.name for each in init(client, settings)}
    assert mark_of(client.indices.get_mapping(index=index)[index]["mappings"]) == {"kind": "ledger"}
