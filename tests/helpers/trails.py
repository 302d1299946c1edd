"""Small trails by hand, and a backfill of them as a user's would run."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from ingest.backfill.backfill import Backfill
from ingest.objects import Selection
from ingest.run_report import RunReport
from ingest.sources import open_source
from trailhound.app.enrichment import enricher_from
from trailhound.cluster import templates
from trailhound.cluster.client import connect, raw_request
from trailhound.cluster.dialect import Dialect, dialect_of
from trailhound.cluster.initialization import init
from trailhound.cluster.reader import IndexReader
from trailhound.settings import Settings, load
from trailhound.state.objects import ObjectState


def record(**changes: Any) -> dict[str, Any]:
    """A valid record, unique by its eventID; `changes` are laid over its top level."""
    made: dict[str, Any] = {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser",
            "arn": "arn:aws:iam::111122223333:user/ada",
            "accountId": "111122223333",
            "userName": "ada",
        },
        "eventTime": "2025-03-01T12:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateUser",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": {"userName": "bob"},
        "responseElements": None,
        "eventID": str(uuid.uuid4()),
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
    }
    return made | changes


def record_text(changes: dict[str, str]) -> bytes:
    """A record with members spliced in as text, for what `json.dumps` would not write."""
    inner = ",".join(f"{json.dumps(key)}:{value}" for key, value in changes.items())
    return json.dumps(record()).encode()[:-1] + b"," + inner.encode() + b"}"


def trail_bytes(records: Sequence[dict[str, Any] | bytes], *, compressed: bool = True) -> bytes:
    """A trail file; a record given as bytes is written unchanged."""
    texts = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in records]
    content = b'{"Records":[' + b",".join(texts) + b"]}"
    return gzip.compress(content) if compressed else content


def write_trail(folder: Path, records: Sequence[dict[str, Any] | bytes], name: str = "a") -> Path:
    """A trail file `NAME.json.gz` in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json.gz"
    path.write_bytes(trail_bytes(records))
    return path


def own_settings(url: str, namespace: str, home: Path, **sections: Any) -> Settings:
    """Settings of a test's own: its engine, its namespace, its home."""
    flags = {"cluster": {"hosts": [url]}, "namespace": namespace, "home": str(home)}
    return load(None, flags | sections)


READY: dict[str, Mapping[str, Any]] = {}
"""Namespaces that were found as `init` makes them, and not used since; each with the marks
(`template_marks`) of its templates."""


def reached_at(settings: Settings, url: str) -> Settings:
    """The same settings, which reach the cluster at another address, such as a proxy's."""
    cluster = settings.cluster.model_copy(update={"hosts": [url]})
    return settings.model_copy(update={"cluster": cluster})


def prepared(settings: Settings) -> OpenSearch:
    """A client on a cluster where `init` has run: now, unless it would find all as it makes it."""
    client = connect(settings)
    marks = READY.pop(settings.namespace, None)
    if marks is None or marks != template_marks(settings, dialect_of(client)):
        init(client, settings)
    return client


def template_marks(settings: Settings, dialect: Dialect) -> dict[str, Any]:
    """Template name → the mark that `init` gives it."""
    names = templates.Names(settings.prefix)
    return {
        names.template(kind): templates.template(kind, settings, dialect)["_meta"]
        for kind in templates.MAPPINGS
    }


def backfill(
    settings: Settings, *sources: Path | str, force: bool = False, **selection: Any
) -> RunReport:
    """A whole backfill; its report's identity has been checked."""
    job = Backfill(
        connect(settings),
        settings,
        enricher_from(settings, lambda _: None),
        selection=Selection(**selection),
        force=force,
    )
    return job.run([open_source(str(source), settings) for source in sources])


def documents(client: OpenSearch, settings: Settings) -> dict[str, dict[str, Any]]:
    """Every event in the index, `_id` → `_source`; exact, by pages."""
    return dict(_pages(client, templates.Names(settings.prefix).days))


def sources(client: OpenSearch, settings: Settings) -> dict[str, bytes]:
    """Every event's `_source` by `_id`, to the letter: decoding would round its numbers."""
    names = templates.Names(settings.prefix)
    client.indices.refresh(index=names.days)
    body = json.dumps({"size": 10_000, "track_total_hits": True}).encode()
    reply = raw_request(client, "POST", f"/{names.days}/_search", body)
    hits = msgspec.json.decode(reply, type=_Reply).hits
    assert hits.total["value"] == len(hits.hits)
    return {hit.id: bytes(hit.source) for hit in hits.hits}


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source")


class _Hits(msgspec.Struct):
    total: dict[str, Any]
    hits: list[_Hit]


class _Reply(msgspec.Struct):
    hits: _Hits


def dead_letters(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    """Every dead letter."""
    return [source for _, source in _pages(client, templates.Names(settings.prefix).deadletter)]


_UNSTORED = {
    name: value
    for name, value in json.loads(msgspec.json.encode(ObjectState(uri="", state="done"))).items()
    if name not in ("claim", "counted")
}
"""The members of an entry that it lacks where they are empty."""


def ledger(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    """Every object's entry, with all of its members."""
    pages = _pages(client, templates.Names(settings.prefix).ledger)
    return [_UNSTORED | source for _, source in pages if source["kind"] == ObjectState.kind]


def _pages(client: OpenSearch, index: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # `_shard_doc` orders the documents of one shard only.
    days = index.endswith("-*")
    reader = EventIndex(client, index) if days else IndexReader(client, index)
    for hit in reader.documents({"match_all": {}}, refresh=True):
        yield hit["_id"], hit["_source"]
