"""Templates and mappings as the cluster has them."""

from __future__ import annotations

from typing import Any

from opensearchpy import OpenSearch


def get_template(client: OpenSearch, name: str) -> dict[str, Any]:
    found = client.indices.get_index_template(name=name)["index_templates"]
    body: dict[str, Any] = found[0]["index_template"]
    # Elasticsearch 9 says when it was made, and does not take that back.
    managed = ("created_date", "modified_date")
    return {key: value for key, value in body.items() if not key.startswith(managed)}


def mapped(client: OpenSearch, index: str) -> dict[str, Any]:
    found: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    return found
