"""The requests by which docs/running.md removes a namespace leave nothing of it."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from opensearchpy import OpenSearch

from tests.conftest import PRODUCT
from tests.helpers.engines import remove_namespace
from tests.helpers.trails import own_settings
from trailhound.cluster.initialization import init
from trailhound.cluster.namespaces import namespaces_of
from trailhound.cluster.templates import Names

PAGE = (Path(__file__).parents[2] / "docs/running.md").read_text("utf-8")
REQUEST = re.compile(r"^curl -X DELETE 'http://127\.0\.0\.1:9210(/[^']+)'$", re.MULTILINE)


def test_the_documented_requests_remove_a_namespace(engine: str, tmp_path: Path) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    settings, client = own_settings(engine, name, tmp_path), OpenSearch(engine)
    names = Names(settings.prefix)
    templates = f"/_index_template/{names.prefix}*"
    # `action.destructive_requires_name`: the page says to name each index there.
    by_name = (PRODUCT or "").startswith("elasticsearch")
    try:
        init(client, settings)
        client.index(index=names.day("2024.01.01"), body={}, params={"refresh": "true"})
        assert name in namespaces_of(client)
        assert client.transport.perform_request("GET", templates)["index_templates"]

        for path in REQUEST.findall(PAGE):
            asked = path.replace("demo", name)
            if by_name and "_index_template" not in path:
                asked = f"/{','.join(_indices(client, f'{name}-*'))}"
            client.transport.perform_request("DELETE", asked)

        assert not _indices(client, f"{names.prefix}*")
        assert name not in namespaces_of(client)
        none = client.transport.perform_request("GET", templates, params={"ignore": 404})
        assert not none.get("index_templates")
    finally:
        remove_namespace(engine, name)
        client.close()


def _indices(client: OpenSearch, pattern: str) -> list[str]:
    rows = client.cat.indices(index=pattern, format="json", expand_wildcards="all", h="index")
    return [row["index"] for row in rows]
