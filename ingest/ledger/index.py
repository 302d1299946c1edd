"""The ledger's index: entries read by `_id`, and actions sent until each has a reply."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ingest.bulk import replies
from ingest.objects import TrailObject
from trailhound.cluster.blocks import why_refused
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import ClusterBlockedError
from trailhound.state.document import StateDocumentError
from trailhound.state.objects import ObjectState, object_id

LOG = logging.getLogger("trailhound.ledger")
_FILTER_PATH = replies.FILTER_PATH + ",items.*._seq_no,items.*._primary_term"
_ACTIONS = {"index", "create", "update", "delete"}


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of an entry in the index. `entry` is None where it cannot be read as one."""

    entry: ObjectState | None
    seq_no: int
    term: int

    @property
    def version(self) -> dict[str, int]:
        """For an action that is refused once somebody else has written."""
        return {"if_seq_no": self.seq_no, "if_primary_term": self.term}


@dataclass(frozen=True, slots=True)
class Answer:
    """The cluster's reply to one action, and the version that it wrote."""

    reply: replies.Reply
    seq_no: int
    term: int

    @property
    def conflict(self) -> bool:
        return self.reply.disposition is replies.Disposition.CONFLICT


class LedgerIndex:
    """Requests to the ledger's index, repeated while the cluster is busy or unreachable."""

    def __init__(self, client: OpenSearch, index: str, retry_policy: RetryPolicy) -> None:
        self._client = client
        self._index = index
        self._retry_policy = retry_policy

    def ping(self) -> None:
        """One request, tried once. Raises opensearch-py's exceptions."""
        self._client.transport.perform_request("POST", f"/{self._index}/_mget", body={"ids": ["-"]})

    def stored(self, group: Sequence[TrailObject]) -> dict[str, Stored]:
        """The entries of objects, by `_id`."""
        return self.read([object_id(item.uri) for item in group])

    def read(self, identifiers: list[str]) -> dict[str, Stored]:
        """Entries by `_id`. An object whose entry lacks a field is read again, and its entry
        replaced."""
        found: dict[str, Stored] = {}
        for name, document in self.get(identifiers).items():
            try:
                entry: ObjectState | None = ObjectState.parse(name, document["_source"])
            except StateDocumentError as error:
                LOG.warning("%s", error.message)
                entry = None
            found[name] = Stored(entry, document["_seq_no"], document["_primary_term"])
        return found

    def get(self, identifiers: list[str]) -> dict[str, dict[str, Any]]:
        """Documents of any kind, by `_id`, with their versions."""
        if not identifiers:  # the cluster refuses a request for none
            return {}
        reply = self._retry_policy.run(
            lambda: self._client.transport.perform_request(
                "POST", f"/{self._index}/_mget", body={"ids": identifiers}
            )
        )
        return {doc["_id"]: doc for doc in reply["docs"] if doc.get("found")}

    def bulk(self, actions: list[dict[str, Any]]) -> list[Answer]:
        """Send actions and documents; retried until each has an answer other than "busy"."""
        if not actions:
            return []
        body = b"\n".join(map(msgspec.json.encode, actions)) + b"\n"
        number = sum(1 for action in actions if len(action) == 1 and action.keys() & _ACTIONS)
        attempt, since = 0, time.monotonic()
        while True:
            reply = self._retry_policy.run(
                lambda: replies.post_bulk(
                    self._client, body, index=self._index, filter_path=_FILTER_PATH
                )
            )
            answers = replies.read(reply, number)
            for answer in answers:
                self._refuse(answer)
            busy = [each for each in answers if each.disposition is replies.Disposition.RETRY]
            if not busy:
                items = (next(iter(item.values())) for item in reply["items"])
                return [
                    Answer(answer, item.get("_seq_no", -1), item.get("_primary_term", 0))
                    for answer, item in zip(answers, items, strict=True)
                ]
            why = why_refused(self._client, self._index, busy[0].reason)
            self._retry_policy.wait(attempt, since, why)
            attempt += 1

    def _refuse(self, answer: replies.Reply) -> None:
        """Raise `ClusterBlockedError` for a reply after which no entry can be written."""
        if answer.disposition is replies.Disposition.MISSING_INDEX:
            raise ClusterBlockedError(
                f"the index {self._index} does not exist, and the cluster does not create it: "
                f"{answer.reason}",
                hint="run `trailhound init`, then the same command again",
            )
        if answer.disposition in (
            replies.Disposition.BLOCKED,
            replies.Disposition.REJECTED,
            replies.Disposition.TOO_LARGE,
        ):
            if answer.status == 404:  # releasing what is no longer there
                return
            raise ClusterBlockedError(
                f"writes to {self._index} are rejected: {answer.reason}",
                hint="fix this, then run the same command again to resume",
            )
