"""Namespaces that wait for a test: those that are as `init` makes them, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.helpers import namespaces
from tests.helpers.engines import remove_namespace
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster import templates
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.initialization import init


def test_a_prepared_namespace_is_used_again_and_a_changed_one_is_not(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "KEPT", 1)
    client = OpenSearch(engine)
    waiting = namespaces.Namespaces(engine, tmp_path)
    name = waiting.take()
    settings = own_settings(engine, name, tmp_path)
    try:
        init(client, settings)
        days = templates.Names(f"{name}-")
        client.index(index=f"{name}-cloudtrail-2024.01.01", body={}, params={"refresh": "true"})
        client.index(index=days.ledger, body={"kind": "object"})
        waiting.give(name)
        assert waiting.take() == name
        assert client.count(index=f"{name}-*")["count"] == 0
        assert not client.indices.exists(index=days.days, allow_no_indices=False)

        copies = own_settings(engine, name, tmp_path, index={"replicas": 3})
        prepared(copies)  # as the namespace was found, but by other settings
        path = f"/_index_template/{days.template('events')}"
        (made,) = client.transport.perform_request("GET", path)["index_templates"]
        index = made["index_template"]["template"]["settings"]["index"]
        assert index["number_of_replicas"] == "3"
        client.transport.perform_request("DELETE", path)
        prepared(settings)  # the second time, whatever was found before
        assert client.transport.perform_request("GET", path)["index_templates"]
        waiting.give(name)
        assert waiting.take() == name

        body = templates.template("events", settings, dialect_of(client))
        body["_meta"]["trailhound"]["fingerprint"] = "of another release"
        client.indices.put_index_template(name=days.template("events"), body=body)
        waiting.give(name)
        assert waiting.take() != name
        assert not client.indices.exists(index=days.ledger)
    finally:
        waiting.close()
        remove_namespace(engine, name)
