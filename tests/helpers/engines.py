"""Real OpenSearch engines for the tests, each in a temporary folder and on a port of its own.

Those of the fixtures are started once a session, by the first worker that asks, and stopped when
the session ends (tests/helpers/session.py). `TRAILHOUND_TEST_ENGINE` (an address) makes the
session use an engine that runs already, so that several checkouts or a debugger need not start
one each.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from opensearchpy import OpenSearch

from tests.helpers import session
from tests.helpers.ports import own_port
from trailhound.engine.local_engine import DEFAULT_VERSION, LocalEngine
from trailhound.errors import PortInUseError

HEAP_MB = 1024
START_SECONDS = 240
"""A start takes 10 s on a quiet machine; on a busy one, where others start too, minutes."""
PORTS = 5
"""How many ports to try before it is no accident that they are taken."""


@contextmanager
def running_engine(version: str = DEFAULT_VERSION) -> Iterator[LocalEngine]:
    """A fresh engine of the test's own, stopped and removed at the end whatever happened."""
    with (
        tempfile.TemporaryDirectory(prefix="engine-", dir=session.folder()) as folder,
        started(lambda port: _engine(Path(folder), port, version)) as engine,
    ):
        try:
            yield engine
        finally:
            engine.stop()


@contextmanager
def session_engine(version: str = DEFAULT_VERSION) -> Iterator[str]:
    """The address of the session's engine of a version, which all workers share."""
    given = os.environ.get("TRAILHOUND_TEST_ENGINE")
    if given and version == DEFAULT_VERSION:
        yield given
        return
    shared = session.folder()
    if shared is None:
        with running_engine(version) as engine:
            yield engine.url
        return
    address = shared / f"{version}.url"
    with ExitStack() as ours:
        with (shared / f"{version}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not address.exists():
                place = shared / f"engine-{version}"
                engine = ours.enter_context(started(lambda port: _engine(place, port, version)))
                address.write_text(engine.url)
        yield address.read_text()


@contextmanager
def started(make: Callable[[int], LocalEngine]) -> Iterator[LocalEngine]:
    """The engine that `make` makes for a port, started; on another port where one got taken.

    It is not stopped.
    """
    for left in reversed(range(PORTS)):
        with own_port() as port:
            engine = make(port)
            try:
                engine.start()
            except PortInUseError:
                if not left:
                    raise
                continue
            yield engine
            return


def _engine(folder: Path, port: int, version: str) -> LocalEngine:
    return LocalEngine(folder, port, version=version, heap_mb=HEAP_MB, start_timeout=START_SECONDS)


def remove_documents(client: OpenSearch, index: str) -> None:
    """Delete what is in these indices, which stay. Not by query: no artifact of Elasticsearch's
    has that.
    """
    most = 10_000
    client.indices.refresh(index=index)
    while True:
        found = client.search(index=index, body={"size": most, "_source": False})["hits"]["hits"]
        if not found:
            return
        lines = [{"delete": {"_index": hit["_index"], "_id": hit["_id"]}} for hit in found]
        client.bulk(body=lines, params={"refresh": "true"})
        if len(found) < most:
            return


def remove_indices(client: OpenSearch, pattern: str) -> None:
    """Delete indices by name: Elasticsearch refuses to delete by pattern."""
    rows = client.cat.indices(index=pattern, format="json", expand_wildcards="all")
    if rows:
        client.indices.delete(index=",".join(row["index"] for row in rows))


def remove_namespace(url: str, namespace: str) -> None:
    """Delete everything of a namespace that was made on the engine: indices, templates, aliases."""
    client = OpenSearch(url, timeout=START_SECONDS)
    try:
        remove_indices(client, f"{namespace}-*")
        for kind in ("_index_template", "_component_template"):
            path, none = f"/{kind}/{namespace}-*", {"ignore": 404}
            client.transport.perform_request("DELETE", path, params=none)
    finally:
        client.close()
