"""Documents that are read with their version, and written only if it is unchanged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError

from trailhound.backoff import Backoff
from trailhound.batching import batched
from trailhound.cluster.refusals import MISSING_INDEX_HINT
from trailhound.errors import MissingIndexError, RequestFailedError

READ_AT_ONCE = 100
LOOK_AT_ONCE = 1_000
WRITE_BYTES = 4 * 1024 * 1024
TRIES = 20
OVERTAKEN = Backoff(first=0.01, longest=0.2)
"""Seconds before the next try after another writer was faster."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document and its version."""

    document: dict[str, Any]
    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class Write:
    """A document to write over the version `over`; None: it must not exist yet."""

    document: Mapping[str, Any]
    over: Stored | None


def read_many(client: OpenSearch, index: str, names: Iterable[str]) -> dict[str, Stored]:
    """The existing documents, as last written (a refresh is not needed). Empty if there is no such
    index."""
    found: dict[str, Stored] = {}
    for ids in batched(sorted(set(names)), READ_AT_ONCE):
        reply = client.mget(index=index, body={"ids": ids}, params={"realtime": "true"})
        for each in reply["docs"]:
            if "error" in each:
                if each["error"].get("type") == "index_not_found_exception":
                    continue
                raise _failed(index, each["error"])
            if each["found"]:
                found[each["_id"]] = Stored(each["_source"], each["_seq_no"], each["_primary_term"])
    return found


def existing(client: OpenSearch, index: str, names: Iterable[str]) -> set[str]:
    """The names of the existing documents, including those written a moment ago. Raises
    `RequestFailedError`, of which one is `MissingIndexError`."""
    return {each["_id"] for each in _found(client, index, names, "false")}


def values_of(client: OpenSearch, index: str, names: Iterable[str], field: str) -> dict[str, Any]:
    """The value of a top-level field of each existing document, by name, including those written a
    moment ago. Raises as `existing`."""
    found = _found(client, index, names, field)
    return {each["_id"]: each["_source"].get(field) for each in found}


def _found(
    client: OpenSearch, index: str, names: Iterable[str], source: str
) -> Iterator[Mapping[str, Any]]:
    """The reply for each existing document, with the fields of it that `source` says."""
    for ids in batched(sorted(set(names)), LOOK_AT_ONCE):
        reply = client.mget(index=index, body={"ids": ids}, params={"_source": source})
        for each in reply["docs"]:
            if "error" in each:
                raise _failed(index, each["error"])
            if each["found"]:
                yield each


def write_many(
    client: OpenSearch,
    index: str,
    writes: Mapping[str, Write],
    written: dict[str, int] | None = None,
) -> dict[str, int]:
    """The sequence numbers of those that were written; the others were overtaken. Raises
    `RequestFailedError` for any other fault. `written` has them also if that raises.
    """
    written = {} if written is None else written
    for body in _bodies(index, writes):
        asked = ",".join(f"items.*.{name}" for name in ("_id", "_seq_no", "status", "error"))
        reply = client.bulk(body=body, params={"filter_path": asked})
        refused = None
        for item in reply["items"]:
            (each,) = item.values()
            if each["status"] < 300:
                written[each["_id"]] = each["_seq_no"]
            elif each["status"] != 409:
                refused = refused or each
        if refused is not None:
            raise _failed(index, refused.get("error"))
    return written


def revise(
    client: OpenSearch,
    index: str,
    name: str,
    change: Callable[[dict[str, Any]], Mapping[str, Any] | None],
    *,
    start: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Change one document, and read it again whenever another writer was faster.

    `change` returns the new document, or None to leave it unchanged. A document that does not exist
    begins as `start`. Returns the final document; None if there is none and no `start`. Raises
    `RequestFailedError` if other writers are faster again and again.
    """
    for number in range(TRIES):
        before: dict[str, Any]
        params: dict[str, Any]
        try:
            found = client.get(index=index, id=name)
        except NotFoundError:
            if start is None:
                return None
            before, params = dict(start), {"op_type": "create"}
        else:
            before = found["_source"]
            params = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
        after = change(before)
        if after is None or after == before:
            return before
        try:
            client.index(index=index, id=name, body=dict(after), params=params)
        except ConflictError:
            time.sleep(OVERTAKEN.seconds(number + 1))
            continue
        return dict(after)
    raise RequestFailedError(
        f"{name} in {index} could not be changed: other writers keep changing it",
        hint="run the same command again",
    )


def revise_many(
    client: OpenSearch,
    index: str,
    names: Iterable[str],
    change: Callable[[str, dict[str, Any]], Mapping[str, Any] | None],
) -> set[str]:
    """Change documents, and read those again for which another writer was faster.

    `change` gets a name and its document, and returns the new one, or None to leave it unchanged.
    Documents that do not exist are left out. Returns the names of those that others kept changing.
    Raises as `read_many` and `write_many`.
    """
    left: set[str] = set()
    for some in batched(sorted(set(names)), READ_AT_ONCE):
        waiting = set(some)
        for number in range(TRIES):
            stored = read_many(client, index, waiting)
            after = {name: change(name, each.document) for name, each in stored.items()}
            writes = {
                name: Write(document, stored[name])
                for name, document in after.items()
                if document is not None and document != stored[name].document
            }
            waiting = writes.keys() - write_many(client, index, writes).keys()
            if not waiting:
                break
            time.sleep(OVERTAKEN.seconds(number + 1))
        left |= waiting
    return left


def _bodies(index: str, writes: Mapping[str, Write]) -> Iterator[bytes]:
    """Bulk bodies of a few megabytes each."""
    body = bytearray()
    for name, write in writes.items():
        meta: dict[str, Any] = {"_index": index, "_id": name}
        action = "create"
        if write.over is not None:
            action = "index"
            meta |= {"if_seq_no": write.over.seq_no, "if_primary_term": write.over.primary_term}
        body += orjson.dumps({action: meta}) + b"\n" + orjson.dumps(write.document) + b"\n"
        if len(body) > WRITE_BYTES:
            yield bytes(body)
            body.clear()
    if body:
        yield bytes(body)


def _failed(index: str, error: Any) -> RequestFailedError:
    reason = error.get("reason") if isinstance(error, Mapping) else error
    if isinstance(error, Mapping) and error.get("type") == "index_not_found_exception":
        return MissingIndexError(str(reason)[:300], hint=MISSING_INDEX_HINT, status=404)
    return RequestFailedError(
        f"documents of {index} could not be read or written: {str(reason)[:300]}",
        hint="run `trailhound doctor`",
    )
