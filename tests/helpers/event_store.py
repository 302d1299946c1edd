"""Events put straight into the daily indices of a namespace, without a trail file: for tests that
ask the index many small questions, each about events of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from enrich.uuids import is_uuid
from tests.helpers.namespaces import own_namespace
from trailhound.cluster import templates
from trailhound.cluster.client import connect

DAY = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""Where second 0 of the tests' time lies."""


def at(seconds: float) -> datetime:
    """A moment of the tests' time."""
    return DAY + timedelta(seconds=seconds)


class EventStore:
    """One namespace's events. Every test marks its own by `recipientAccountId`."""

    def __init__(self, client: OpenSearch, namespace: str) -> None:
        self.client = client
        self._names = templates.Names(f"{namespace}-")
        self.index = self._names.days

    def mark(self) -> str:
        """A fresh mark."""
        return uuid.uuid4().hex

    def add(self, mark: str, events: Sequence[dict[str, Any]]) -> None:
        """Index documents: `time` and `ingested` in seconds of the tests' time, `id`, which is the
        `_id` too where it is a UUID, and fields by dotted path."""
        lines: list[bytes] = []
        for event in events:
            moment = at(event["time"])
            document: dict[str, Any] = {
                "@timestamp": stamp(moment),
                "event": {"ingested": stamp(at(event.get("ingested", event["time"])))},
                "eventID": event["id"],
                "recipientAccountId": mark,
            }
            for path, value in event["fields"].items():
                _put(document, path, value)
            index = self._names.day(f"{moment:%Y.%m.%d}")
            name = event["id"] if is_uuid(event["id"]) else f"{mark}-{event['id']}"
            lines.append(orjson.dumps({"create": {"_index": index, "_id": name}}))
            lines.append(orjson.dumps(document))
            if len(lines) >= 20_000:
                self._send(lines)
                lines = []
        if lines:
            self._send(lines)

    def _send(self, lines: Sequence[bytes]) -> None:
        body = b"\n".join(lines) + b"\n"
        reply = self.client.bulk(body=body, params={"refresh": "true"})
        assert not reply["errors"], reply


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def event_store(url: str, home: Path) -> Iterator[EventStore]:
    """A namespace of its own on an engine, removed at the end."""
    with own_namespace(url, home) as settings:
        yield EventStore(connect(settings), settings.namespace)


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = value


@pytest.fixture(scope="module")
def store(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    """The events of one file of tests: searches ask all days of its namespace."""
    with event_store(engine, tmp_path_factory.mktemp("home")) as made:
        yield made
