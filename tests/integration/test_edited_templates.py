"""What somebody changed in a template or an index since `init`, while the mark stayed on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.helpers.commands import command
from tests.helpers.processes import printed
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.initialization import InitChange, init
from trailhound.cluster.templates import Names, get_template
from trailhound.settings import Settings

pytestmark = pytest.mark.fresh_namespace


def there(client: OpenSearch, name: str) -> dict[str, Any]:
    body = get_template(client, name)
    assert body is not None
    # Elasticsearch 9 says when it was made, and does not take that back.
    managed = ("created_date", "modified_date")
    return {key: value for key, value in body.items() if not key.startswith(managed)}


def of(changes: list[InitChange], name: str) -> InitChange:
    (found,) = [each for each in changes if each.name == name]
    return found


def checks(settings: Settings) -> dict[str, dict[str, str]]:
    found = printed(command(settings, "doctor", "--json").stdout_bytes)["findings"]
    return {each["what"]: each for each in found}


def test_an_edited_template_is_put_back_and_what_is_its_users_stays(
    each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    names = Names(settings.prefix)
    name, component = names.template("events"), f"{settings.prefix}own-component"
    assert checks(settings)["index templates"]["verdict"] == "ok"
    assert printed(command(settings, "status", "--json").stdout_bytes)["templates"] is None
    own = {"settings": {"index": {"max_result_window": 20_000}}}
    client.cluster.put_component_template(name=component, body={"template": own})
    try:
        body = there(client, name)
        body |= {"composed_of": [component], "priority": 600, "version": 7}
        body["_meta"]["team"] = "blue"
        body["template"]["aliases"]["own"] = {}
        body["template"]["settings"]["index"]["mapping"] = {"coerce": "false"}
        client.indices.put_index_template(name=name, body=body)
        assert checks(settings)["index templates"]["verdict"] == "ok", "all of it is its user's"
        assert of(init(client, settings), name).action == "unchanged"

        mapping = body["template"]["mappings"]
        mapping["dynamic"] = "strict"
        del mapping["properties"]["risk_score"]
        mapping["properties"]["event"]["properties"]["outcome"] = {"type": "text"}
        mapping["properties"]["message"] = {"type": "text"}
        index = body["template"]["settings"]["index"]
        index |= {"refresh_interval": "-1", "number_of_replicas": "3"}
        del index["codec"]
        del body["template"]["aliases"][names.alias]
        client.indices.put_index_template(name=name, body=body)
        said = checks(settings)["index templates"]
        assert said["verdict"] == "failed"
        known = printed(command(settings, "status", "--json").stdout_bytes)["templates"]
        assert known == {"fact": said["fact"], "advice": said["advice"]}
        shown = " ".join(command(settings, "status").stdout.split())
        assert f"template {known['fact']}: {known['advice']}" in shown
        assert f"{name}: aliases.{names.alias} is missing" in said["fact"]
        assert "mappings.dynamic is strict, not false" in said["fact"]
        assert "trailhound init" in said["advice"]
        done = of(init(client, settings), name)
        assert done.action == "corrected"
        assert "mappings.event.outcome.type was text, not keyword" in done.detail
        assert "and 3 more differences" in done.detail

        assert of(init(client, settings), name).action == "unchanged"
        now = there(client, name)
        assert (now["composed_of"], now["priority"], now["version"]) == ([component], 600, 7)
        assert now["_meta"]["team"] == "blue"
        assert now["template"]["aliases"].keys() == {"own", names.alias}
        index = now["template"]["settings"]["index"]
        assert index["mapping"] == {"coerce": "false"}
        assert (index["refresh_interval"], index["codec"]) == ("30s", "best_compression")
        assert "number_of_replicas" not in index
        mapping = now["template"]["mappings"]
        assert "message" not in mapping["properties"]
        assert mapping["properties"]["risk_score"] == {"type": "byte"}
        assert checks(settings)["index templates"]["verdict"] == "ok"

        own["mappings"] = {"_source": {"excludes": ["responseElements"]}}  # type: ignore[dict-item]
        client.cluster.put_component_template(name=component, body={"template": own})
        said = checks(settings)["index templates"]
        assert said["verdict"] == "failed"
        assert "of new days, _source is" in said["fact"]
        assert "component template" in said["advice"]
    finally:
        client.indices.delete_index_template(name=name)
        client.cluster.delete_component_template(name=component)


def test_an_upgraded_template_keeps_what_is_its_users(settings: Settings) -> None:
    client = prepared(settings)
    name = Names(settings.prefix).template("events")
    body = there(client, name)
    body["_meta"]["trailhound"]["fingerprint"] = "0" * 16
    body["template"]["settings"]["index"] |= {
        "max_result_window": "20000",
        "sort": {"field": "eventName", "order": "asc"},
    }
    client.indices.put_index_template(name=name, body=body)
    assert of(init(client, settings), name) == InitChange(name, "upgraded", "index template")
    index = there(client, name)["template"]["settings"]["index"]
    assert index["max_result_window"] == "20000"
    assert index["sort"] == {"field": settings.index.sort}


def test_an_index_of_an_edited_template_is_corrected_as_far_as_it_can_be(
    each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    names = Names(settings.prefix)
    name, edited, right = names.template("events"), names.day("2025.03.01"), names.day("2025.03.02")
    client.indices.create(index=right)
    before = there(client, name)
    body = there(client, name)
    mapping = body["template"]["mappings"]
    mapping["dynamic"] = True
    del mapping["properties"]["risk_score"]
    mapping["properties"]["eventName"] = {"type": "text"}
    mapping["properties"]["awsRegion"]["index"] = False
    mapping["properties"]["event"]["dynamic"] = "strict"
    mapping["properties"]["own"] = {"type": "keyword"}
    del body["template"]["aliases"][names.alias]
    body["template"]["settings"]["index"].pop("sort")
    body["template"]["settings"]["index"]["refresh_interval"] = "-1"
    client.indices.put_index_template(name=name, body=body)
    client.indices.create(index=edited)
    client.indices.put_index_template(name=name, body=before)
    client.indices.put_mapping(index=names.alerts, body={"dynamic": "strict"})

    said = checks(settings)["indices"]
    assert said["verdict"] == "warning"
    assert f"{edited}: dynamic is true, not false" in said["fact"]
    assert f"{names.alerts}: dynamic is strict, not false" in said["fact"]
    assert right not in said["fact"]
    for advice in ("trailhound init", "backfill --force", "_aliases", "index.refresh_interval"):
        assert advice in said["advice"]

    changes = init(client, settings)
    # The template of the alerts has the same name.
    done = [each for each in changes if each.name == names.alerts][-1]
    assert done.action == "corrected"
    assert done.detail == "its mapping: dynamic was strict, not false"
    done = of(changes, edited)
    assert done.action == "kept"
    assert "eventName is text, not keyword" in done.detail
    assert "awsRegion.index is false, not true" in done.detail
    assert "risk_score was missing" in done.detail
    assert "event.dynamic was strict, not false" in done.detail
    assert right not in {each.name for each in changes}
    again = of(init(client, settings), edited)
    assert (again.action, again.detail.count(";")) == ("kept", 1), "only what stays"

    now = client.indices.get_mapping(index=edited)[edited]["mappings"]
    assert str(now["dynamic"]).lower() == "false"
    assert str(now["properties"]["event"]["dynamic"]).lower() == "false"
    assert now["properties"]["risk_score"] == {"type": "byte"}
    client.indices.put_alias(index=edited, name=names.alias)
    client.indices.put_settings(index=edited, body={"index.refresh_interval": None})
    fact = checks(settings)["indices"]["fact"]
    assert fact.startswith(f"{edited}: ")
    assert fact.count(";") == 1


def test_what_is_chosen_by_settings_or_of_an_earlier_release_is_no_difference(
    settings: Settings,
) -> None:
    client = prepared(settings)
    names = Names(settings.prefix)
    day = names.day("2025.03.01")
    client.indices.create(index=day)
    client.indices.put_settings(
        index=day, body={"index": {"refresh_interval": "5s", "number_of_replicas": 0}}
    )
    chosen = {"indexed": ["eventID"], "sort": [], "refresh_interval": "1s", "replicas": 1}
    other = settings.model_copy(update={"index": settings.index.model_copy(update=chosen)})
    assert of(init(client, other), day).action == "upgraded"
    assert {each.action for each in init(client, other)} == {"unchanged"}
    body = {"_meta": {"trailhound": {"kind": "events", "fingerprint": "0" * 16}}}
    client.indices.put_mapping(index=day, body=body)
    assert init(client, settings)
    found = checks(settings)
    assert {found[what]["verdict"] for what in ("index templates", "indices")} == {"ok"}


def test_a_day_that_another_tool_made_is_named(settings: Settings) -> None:
    client = prepared(settings)
    names = Names(settings.prefix)
    day, template = names.day("2001.01.01"), there(client, names.template("events"))
    client.indices.delete_index_template(name=names.template("events"))
    client.indices.create(index=day)
    client.indices.create(index=f"{names.alias}-notes")
    client.indices.put_index_template(name=names.template("events"), body=template)
    said = checks(settings)["indices"]
    assert (said["verdict"], said["fact"]) == (
        "warning",
        f"{day}: the mark of Trailhound is missing",
    )
    assert "set a namespace" in said["advice"]
    client.indices.delete(index=day)
    assert checks(settings)["indices"]["fact"] == "3, as this release needs them"
