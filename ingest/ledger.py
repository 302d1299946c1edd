"""The ledger: one document an object, shared by every worker; the checkpoint of all runs.

An object is `claimed` by a worker, then `done` or `failed`. A claim holds while its worker lives:
a worker renews its own document, and one that has not for a while, or whose process is gone from
this machine, has lost its claims. So a killed run is resumed at once, and two workers on one
bucket do not read the same object twice for long; if they ever do, the `_id`s keep the index exact.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
from opensearchpy import OpenSearch

from ingest.bulk import replies
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import ClusterBlockedError

_AT_ONCE = 256
_NEVER = "1970-01-01T00:00:00+00:00"

State = Literal["done", "failed"]


def object_id(uri: str) -> str:
    """`_id` of an object's document: keys are longer than an `_id` may be."""
    return hashlib.sha256(uri.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Worker:
    """Who claims. `host` and `boot` tell whether `pid` can be looked up on this machine."""

    id: str
    host: str
    boot: str
    pid: int

    @classmethod
    def this(cls) -> Worker:
        return cls(uuid.uuid4().hex, socket.gethostname(), _boot_id(), os.getpid())

    def gone(self, other: dict[str, Any]) -> bool:
        """Whether another worker's process is known to have ended."""
        if other.get("host") != self.host or other.get("boot") != self.boot:
            return False
        try:
            os.kill(int(other["pid"]), 0)
        except ProcessLookupError:
            return True
        except (OSError, ValueError, KeyError):
            return False
        return False


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Ledger:
    """Claims objects, and writes down what became of them."""

    def __init__(
        self, client: OpenSearch, index: str, patience: RetryPolicy, *, claim_seconds: float
    ) -> None:
        self._client = client
        self._index = index
        self._patience = patience
        self._claim_seconds = claim_seconds
        self.worker = Worker.this()
        self.skipped = 0
        self.no_more = threading.Event()
        """Set when the run is to end: other workers' objects are not waited for any longer."""
        self._held: set[str] = set()
        self._finished: list[tuple[dict[str, Any], Callable[[], None] | None]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._pulse: threading.Thread | None = None

    # A worker's life.

    def start(self) -> None:
        """Make this worker known, and keep its claims alive until `close`."""
        self._beat()
        self._pulse = threading.Thread(target=self._keep_beating, name="ledger", daemon=True)
        self._pulse.start()

    def close(self) -> None:
        """Write what is still unwritten and give up every claim that is not done."""
        self._ended.set()
        if self._pulse is not None:
            self._pulse.join()
        self.flush()
        with self._lock:
            held, self._held = list(self._held), set()
        actions: list[dict[str, Any]] = []
        for identifier in held:
            actions += _released(identifier)
        actions.append({"delete": {"_id": f"worker-{self.worker.id}"}})
        self._bulk(actions)

    def _beat(self) -> None:
        now = datetime.now(UTC).isoformat()
        document = {
            "state": "worker",
            "heartbeat": now,
            "host": self.worker.host,
            "boot": self.worker.boot,
            "pid": self.worker.pid,
        }
        self._bulk([{"index": {"_id": f"worker-{self.worker.id}"}}, document])

    def _keep_beating(self) -> None:
        """Also writes finished objects, so that the ledger is never far behind."""
        beaten = time.monotonic()
        while not self._ended.wait(1.0):
            try:
                self.flush()
                if time.monotonic() - beaten > self._claim_seconds / 4:
                    self._beat()
                    beaten = time.monotonic()
            except Exception:  # noqa: BLE001 - told again, to somebody, by the next flush
                if self._patience.stop.is_set():
                    return

    # Claims.

    def claim(self, items: Iterable[TrailObject], *, force: bool = False) -> Iterator[TrailObject]:
        """Of these objects, those to read now, each claimed.

        Done ones with the same etag are skipped (not with `force`), and so are those that this
        worker has under way, where sources overlap. Those claimed by another living worker come
        last: when it has done them they are skipped, when it dies they are taken over.
        """
        waiting: list[TrailObject] = []
        items = iter(items)
        while group := list(islice(items, _AT_ONCE)):
            taken, busy = self.take(group, force=force)
            waiting += busy
            yield from taken
        attempt = 0
        while waiting:
            if self._told_to_stop_within(min(5.0, 0.5 * 2**attempt)):
                return
            attempt += 1
            busy_now: list[TrailObject] = []
            for start in range(0, len(waiting), _AT_ONCE):
                # Whoever had it has read it in this run's time: not again, even with `force`.
                taken, busy = self.take(waiting[start : start + _AT_ONCE], force=False)
                busy_now += busy
                yield from taken
            waiting = busy_now

    def _told_to_stop_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.no_more.is_set() or self._patience.stop.wait(0.1):
                return True
        return False

    def take(
        self, group: list[TrailObject], *, force: bool = False
    ) -> tuple[list[TrailObject], list[TrailObject]]:
        """The objects that are ours now, and those that another worker has; the rest are done.

        At most some hundreds at once.
        """
        entries = self._get([object_id(item.uri) for item in group])
        alive = self._living({entry["_source"].get("worker", "") for entry in entries.values()})
        wanted: list[TrailObject] = []
        busy: list[TrailObject] = []
        actions: list[dict[str, Any]] = []
        seen: set[str] = set()
        for item in group:
            identifier = object_id(item.uri)
            entry = entries.get(identifier)
            source = entry["_source"] if entry else {}
            same = source.get("etag") == item.etag
            claimed = source.get("state") == "claimed"
            ours = claimed and source.get("worker") == self.worker.id
            done = source.get("state") == "done" and not force
            if identifier in seen or (same and (ours or done)):
                self.skipped += 1
            elif claimed and source.get("worker") in alive:
                busy.append(item)
            else:
                wanted.append(item)
                seen.add(identifier)
                # Two workers at the same entry: the second one's write is refused.
                check: dict[str, Any] = {"_id": identifier}
                if entry:
                    check["if_seq_no"] = entry["_seq_no"]
                    check["if_primary_term"] = entry["_primary_term"]
                actions += [{"index" if entry else "create": check}, self._entry(item, "claimed")]
        said = self._bulk(actions)
        taken = []
        for item, reply in zip(wanted, said, strict=True):
            if reply.fate is replies.Disposition.CONFLICT and not self._is_ours(item):
                busy.append(item)
            else:
                taken.append(item)
        with self._lock:
            self._held |= {object_id(item.uri) for item in taken}
        return taken, busy

    def _is_ours(self, item: TrailObject) -> bool:
        """After a refused claim: the claim that stands may be ours, its reply lost."""
        identifier = object_id(item.uri)
        source = self._get([identifier]).get(identifier, {}).get("_source", {})
        return bool(source.get("worker") == self.worker.id)

    def _living(self, workers: set[str]) -> set[str]:
        workers -= {"", self.worker.id}
        found = self._get([f"worker-{worker}" for worker in workers]) if workers else {}
        now = datetime.now(UTC)
        alive = set()
        for identifier, entry in found.items():
            source = entry["_source"]
            beat = datetime.fromisoformat(source.get("heartbeat") or _NEVER)
            silent = (now - beat).total_seconds()
            if silent < self._claim_seconds and not self.worker.gone(source):
                alive.add(identifier.removeprefix("worker-"))
        return alive

    def release(self, item: TrailObject) -> None:
        """Give up one claim, so that another worker may take it at once."""
        identifier = object_id(item.uri)
        with self._lock:
            self._held.discard(identifier)
        self._bulk(_released(identifier))

    def done(self, group: list[TrailObject]) -> set[str]:
        """Of these objects, the `uri`s of those that are done with the same etag. Only reads."""
        entries = self._get([object_id(item.uri) for item in group])
        return {
            item.uri
            for item in group
            if (source := entries.get(object_id(item.uri), {}).get("_source"))
            and source.get("state") == "done"
            and source.get("etag") == item.etag
        }

    # What became of an object.

    def finish(
        self, run: ObjectProgress, state: State, then: Callable[[], None] | None = None
    ) -> None:
        """Note an object as done or failed; written with the next batch of entries.

        `then()` is called once it is written.
        """
        counts = run.counts.as_dict() | {"bytes": run.bytes}
        entry = self._entry(run.item, state) | counts
        entry |= {"finished_at": datetime.now(UTC).isoformat(), "reason": run.fault}
        with self._lock:
            self._finished.append((entry, then))
            self._held.discard(object_id(run.item.uri))
            full = len(self._finished) >= _AT_ONCE
        if full:
            self.flush()

    def flush(self) -> None:
        """Write every finished entry. Raises `ClusterError`; nothing is forgotten by it."""
        with self._lock:
            entries, self._finished = self._finished, []
        actions: list[dict[str, Any]] = []
        for entry, _ in entries:
            actions += [{"index": {"_id": object_id(entry["uri"])}}, entry]
        try:
            self._bulk(actions)
        except BaseException:
            with self._lock:
                self._finished = entries + self._finished
            raise
        for _, then in entries:
            if then is not None:
                then()

    def _entry(self, item: TrailObject, state: str) -> dict[str, Any]:
        return {
            "uri": item.uri,
            "etag": item.etag,
            "size": item.size,
            "state": state,
            "worker": self.worker.id if state == "claimed" else "",
            "claimed_at": datetime.now(UTC).isoformat(),
        }

    # The wire.

    def _get(self, identifiers: list[str]) -> dict[str, dict[str, Any]]:
        reply = self._patience.run(
            lambda: self._client.transport.perform_request(
                "POST", f"/{self._index}/_mget", body={"ids": identifiers}
            )
        )
        return {doc["_id"]: doc for doc in reply["docs"] if doc.get("found")}

    def _bulk(self, actions: list[dict[str, Any]]) -> list[replies.Reply]:
        """Send actions and documents; retried until each has an answer other than "busy"."""
        if not actions:
            return []
        body = b"\n".join(map(msgspec.json.encode, actions)) + b"\n"
        number = sum(1 for action in actions if len(action) == 1 and action.keys() & _ACTIONS)
        attempt, since = 0, time.monotonic()
        while True:
            reply = self._patience.run(
                lambda: self._client.transport.perform_request(
                    "POST",
                    f"/{self._index}/_bulk",
                    params={"filter_path": replies.FILTER_PATH},
                    headers={"content-type": "application/x-ndjson"},
                    body=body,
                )
            )
            said = replies.read(reply, number)
            for answer in said:
                if answer.fate in (replies.Disposition.BLOCKED, replies.Disposition.REJECTED):
                    if answer.status == 404:  # releasing what is no longer there
                        continue
                    raise ClusterBlockedError(
                        f"{self._index} takes no writes: {answer.reason}",
                        hint="mend this, then run the same command again; it resumes",
                    )
            if not any(answer.fate is replies.Disposition.RETRY for answer in said):
                return said
            self._patience.wait(attempt, since, f"{self._index} is too busy")
            attempt += 1


_ACTIONS = {"index", "create", "update", "delete"}


def _released(identifier: str) -> list[dict[str, Any]]:
    return [{"update": {"_id": identifier}}, {"doc": {"state": "released", "worker": ""}}]
