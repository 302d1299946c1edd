"""One bulk request: sent until the cluster has replied to each document in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from ingest.bulk import replies
from ingest.bulk.batch import Batch, stamp
from ingest.bulk.limiter import AdaptiveLimiter
from ingest.bulk.replies import INDEXED, Disposition, Reply
from ingest.repair.engine_limits import DEEPEST
from ingest.repair.shallow import nesting
from trailhound.cluster.blocks import why_refused
from trailhound.cluster.refusals import from_response
from trailhound.cluster.retry_policy import RetryPolicy, is_transient, may_have_arrived

_REFUSED_WHOLE = {400, 413}


@dataclass(slots=True)
class SenderStats:
    """The numbers of requests with a reply, their bytes, and the tries without a reply."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0


class Sender:
    """Sends batches through a limiter; many threads may share one."""

    def __init__(
        self, client: OpenSearch, retry_policy: RetryPolicy, limiter: AdaptiveLimiter
    ) -> None:
        self._client = client
        self._retry_policy = retry_policy
        self.limiter = limiter
        self.stats = SenderStats()

    def send(self, batch: Batch) -> list[Reply]:
        """The replies for a batch, in its order.

        Waits out 429, 502, 503, 504 and lost connections. A request that is refused whole is
        halved, down to the document that is at fault, as is one that is too large for the cluster's
        memory however long one waits. Raises `ClusterError` for any other refusal.
        """
        attempt, since = 0, 0.0
        while True:
            sent = stamp(datetime.now(UTC))
            batch.first_sent = batch.first_sent or sent
            body = batch.body(sent)
            try:
                with self.limiter:
                    reply = replies.post_bulk(self._client, body)
            except TransportError as error:
                if error.status_code in _REFUSED_WHOLE or replies.too_large(str(error.args)):
                    return self._halve(batch, error)
                if not is_transient(error):
                    raise from_response(error) from error
                batch.lost_reply = batch.lost_reply or may_have_arrived(error)
                if error.status_code == 429:
                    self.limiter.refused()
                since = since or time.monotonic()
                self.stats.retries += 1
                self._retry_policy.wait(attempt, since, from_response(error).message)
                attempt += 1
                if batch.lost_reply and (deep := _too_deep(batch)):
                    return self._without(batch, deep)
                continue
            self.limiter.accepted()
            self.stats.requests += 1
            self.stats.bytes += len(body)
            return self._apart(batch, replies.read(reply, len(batch)))

    def why_refused(self, index: str, reply: Reply) -> str:
        """Why a document of an index has to wait."""
        return why_refused(self._client, index, reply.reason)

    def _apart(self, batch: Batch, answers: list[Reply]) -> list[Reply]:
        """Send documents that were too large together in parts; a single one is rejected."""
        if answers.count(INDEXED) == len(answers):
            return answers
        large = [
            item for item, reply in enumerate(answers) if reply.disposition is Disposition.TOO_LARGE
        ]
        if large and len(batch) == 1:
            return [_too_large(answers[0].reason)]
        middle = (len(large) + 1) // 2
        for part in filter(None, (large[:middle], large[middle:])):
            for item, reply in zip(part, self._send_part(batch, batch.pick(part)), strict=True):
                answers[item] = reply
        return answers

    def _without(self, batch: Batch, deep: set[int]) -> list[Reply]:
        """Send the rest; repair deeply nested documents, a possible cause of the missing reply.

        A few hundred levels overflow the stack of the engine's thread, which ends without a reply.
        """
        rest = [item for item in range(len(batch)) if item not in deep]
        answers = iter(self._send_part(batch, batch.pick(rest)) if rest else [])
        reason = f"nested more than {DEEPEST} levels deep, and the cluster gave no reply"
        refused = Reply(Disposition.REJECTED, 400, reason, "too_deep")
        return [refused if item in deep else next(answers) for item in range(len(batch))]

    def _send_part(self, batch: Batch, part: Batch) -> list[Reply]:
        answers = self.send(part)
        batch.lost_reply = batch.lost_reply or part.lost_reply
        return answers

    def _halve(self, batch: Batch, error: TransportError) -> list[Reply]:
        """Halve a batch whose complete request was rejected (400, 413, some 429), to find the
        document at fault."""
        if len(batch) == 1:
            reason = from_response(error).message
            if error.status_code == 429:
                return [_too_large(reason)]
            return [Reply(Disposition.REJECTED, int(error.status_code), reason, "request_refused")]
        first, second = batch.halves()
        return self._send_part(batch, first) + self._send_part(batch, second)


def _too_large(reason: str) -> Reply:
    reason = (
        f"its size exceeds the memory that a node gives to one request ({reason}); give the nodes "
        "more heap, then run `trailhound retry-deadletters`"
    )
    return Reply(Disposition.REJECTED, 429, reason, "too_large")


def _too_deep(batch: Batch) -> set[int]:
    return {item for item in range(len(batch)) if nesting(batch.spliced(item)) > DEEPEST}
