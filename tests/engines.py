"""Real OpenSearch engines for the tests: each started at most once a session, in a folder of /tmp.

`TRAILHOUND_TEST_ENGINE` (an address) makes the session use an engine that runs already, so that
several checkouts or a debugger need not start one each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opensearchpy import OpenSearch

from trailhound.cluster import machine
from trailhound.cluster.engine import DEFAULT_VERSION, LocalEngine

HEAP_MB = 1024


@contextmanager
def running_engine(version: str = DEFAULT_VERSION) -> Iterator[LocalEngine]:
    """A fresh engine on a free port, stopped and removed at the end whatever happened."""
    with tempfile.TemporaryDirectory(prefix="trailhound-engine-") as folder:
        engine = LocalEngine(
            Path(folder), machine.free_port(), version=version, heap_mb=HEAP_MB, start_timeout=180
        )
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()


@contextmanager
def session_engine() -> Iterator[str]:
    """The address of the session's engine."""
    if given := os.environ.get("TRAILHOUND_TEST_ENGINE"):
        yield given
        return
    with running_engine() as engine:
        yield engine.url


def remove_namespace(url: str, namespace: str) -> None:
    """Delete everything of a namespace that was made on the engine: indices, templates, aliases."""
    client = OpenSearch(url, timeout=60)
    try:
        names = [
            each["index"]
            for each in client.cat.indices(
                index=f"{namespace}-*", format="json", expand_wildcards="all"
            )
        ]
        if names:
            client.indices.delete(index=",".join(names))
        for kind, key in (
            ("_index_template", "index_templates"),
            ("_component_template", "component_templates"),
        ):
            found = client.transport.perform_request("GET", f"/{kind}")
            for each in found[key]:
                if each["name"].startswith(f"{namespace}-"):
                    client.transport.perform_request("DELETE", f"/{kind}/{each['name']}")
    finally:
        client.close()
