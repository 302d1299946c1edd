"""One bulk request: sent until the cluster has said something of each document in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from ingest import replies
from ingest.batch import Batch, stamp
from ingest.gate import Gate
from ingest.patience import Patience, is_transient, may_have_arrived
from ingest.replies import Fate, Reply
from trailhound.cluster.refusals import translate

_REFUSED_WHOLE = {400, 413}


@dataclass(slots=True)
class SenderStats:
    """Requests that were answered, their bytes, and the tries that were not."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0


class Sender:
    """Sends batches through a gate; many threads may share one."""

    def __init__(self, client: OpenSearch, patience: Patience, gate: Gate) -> None:
        self._client = client
        self._patience = patience
        self.gate = gate
        self.stats = SenderStats()

    def send(self, batch: Batch) -> list[Reply]:
        """The replies for a batch, in its order.

        Waits out 429, 502, 503, 504 and lost connections. A request that is refused whole is
        halved, down to the document that is at fault. Raises `ClusterError` for any other refusal.
        """
        attempt, since = 0, 0.0
        while True:
            sent = stamp(datetime.now(UTC))
            batch.first_sent = batch.first_sent or sent
            body = batch.body(sent)
            try:
                with self.gate:
                    reply = self._post(body)
            except TransportError as error:
                if error.status_code in _REFUSED_WHOLE:
                    return self._halve(batch, error)
                if not is_transient(error):
                    raise translate(error) from error
                batch.lost_reply = batch.lost_reply or may_have_arrived(error)
                if error.status_code == 429:
                    self.gate.refused()
                since = since or time.monotonic()
                self.stats.retries += 1
                self._patience.wait(attempt, since, translate(error).message)
                attempt += 1
                continue
            self.gate.accepted()
            self.stats.requests += 1
            self.stats.bytes += len(body)
            return replies.read(reply, len(batch))

    def _post(self, body: bytes) -> dict[str, Any]:
        reply: dict[str, Any] = self._client.transport.perform_request(
            "POST",
            "/_bulk",
            params={"filter_path": replies.FILTER_PATH},
            headers={"content-type": "application/x-ndjson"},
            body=body,
        )
        return reply

    def _halve(self, batch: Batch, error: TransportError) -> list[Reply]:
        """400 and 413 are said of the whole request; only a document alone can be blamed."""
        if len(batch) == 1:
            reason = translate(error).message
            return [Reply(Fate.REJECTED, int(error.status_code), reason, "request_refused")]
        said: list[Reply] = []
        for half in batch.halves():
            said += self.send(half)
            batch.lost_reply = batch.lost_reply or half.lost_reply
        return said
