"""Dead letters by hand, and a retry of all that there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ingest.counts import Counts
from ingest.deadletters.retry import Retry
from ingest.deadletters.store import DeadLetter
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings


def retry(settings: Settings) -> Counts:
    enricher = enricher_from(settings, lambda _: None)
    return Retry(connect(settings), settings, enricher).run().counts


def letter(
    raw: bytes, uri: str, position: int = 0, etag: str = "etag"
) -> tuple[str, dict[str, Any]]:
    """A letter as an earlier version, that could not index it, would have stored it."""
    owner = ObjectProgress(TrailObject(uri, etag, 1), lambda _: None)
    made = DeadLetter(owner, position, raw, "mapper_parsing_exception", "it was refused")
    return made.id, made.document(datetime.now(UTC))


def store(settings: Settings, raw: bytes, uri: str, position: int = 0, etag: str = "etag") -> None:
    identifier, document = letter(raw, uri, position, etag)
    connect(settings).index(
        index=Names(settings.prefix).deadletter, id=identifier, body=document, refresh=True
    )
