"""A lease, held by one process at a time, in one document of the ledger index.

No clock of another machine is trusted. A contender takes over a lease that it has seen unchanged
for the lease's time by its own monotonic clock; a holder that could not renew the lease stops
earlier than that by its own clock. Writes are guarded by `if_seq_no` and `if_primary_term`.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError, OpenSearchException

from trailhound.cluster.refusals import described
from trailhound.state.document import StateDocument
from trailhound.threads import SupervisedThread

LOG = logging.getLogger("trailhound.lease")
_MARGIN = 0.2
"""The share of the lease's time by which a holder stops before another process starts."""


class LeaseState(StateDocument, frozen=True, kw_only=True):
    """The holder of a lease (empty for none); `term` grows with each change of holder.

    Daemons of the last release use the same document, so it also has the fields of that release.
    """

    kind: ClassVar[str] = "lease"
    id_prefix: ClassVar[str] = "lease-"
    legacy_state: ClassVar[str] = "lease"
    key_field: ClassVar[str] = "name"

    name: str
    owner: str = ""
    term: int = 0

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class _Seen:
    """The document as last seen, and the monotonic time since which it is unchanged."""

    version: tuple[int, int]
    since: float
    owner: str
    term: int


class Lease:
    """The lease `name`. From `start` to `stop` a thread tries to acquire and keep it."""

    def __init__(
        self, client: OpenSearch, index: str, name: str, *, owner: str, seconds: float = 30.0
    ) -> None:
        self._client = client
        self._index = index
        self._id = LeaseState(name=name).identifier
        self.name = name
        self._owner = owner
        self._seconds = seconds
        self._seen: _Seen | None = None
        self._until = 0.0
        self._term = 0
        self._ended = threading.Event()
        self._thread = SupervisedThread(self._keep, f"lease-{name}", self._ended)

    @property
    def held(self) -> bool:
        """Whether this process holds it now."""
        return time.monotonic() < self._until

    @property
    def is_free(self) -> bool:
        """Whether no process is known to hold it: it is free, was not renewed in time, or can
        neither be read nor written."""
        seen = self._seen
        if self.held:
            return False
        if seen is None or seen.owner in ("", self._owner):
            return True
        return time.monotonic() - seen.since > self._seconds

    @property
    def term(self) -> int:
        """A number that grows with each change of holder, so that writes of former holders show."""
        return self._term

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and release the lease, so that another process gets it at once."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(self._seconds)
        held, self._until = self.held, 0.0
        if held and self._seen is not None:
            try:
                self._write(self._seen, owner="", term=self._term)
            except OpenSearchException as error:
                LOG.warning("the lease %s could not be released: %s", self.name, described(error))

    def _keep(self) -> None:
        while not self._ended.is_set():
            holding, term, reason = bool(self._until), self._term, ""
            try:
                self._turn()
            except ConflictError:
                self._until = 0.0
                reason = "another process was faster"
            except OpenSearchException as error:
                LOG.debug("the lease %s: %s", self.name, described(error))
                reason = f"it was not renewed in time: {described(error)}"
            if holding and (not self.held or self._term != term):
                self._tell_loss(reason)
            self._ended.wait(self._seconds / 6)

    def _tell_loss(self, reason: str) -> None:
        """Report a loss once, also if the lease was free and this process acquired it again."""
        owner = self._seen.owner if self._seen is not None else ""
        taken = bool(owner) and owner != self._owner
        then = "it is held again" if self.held else "another daemon takes over what it is for"
        if not self.held:
            self._until = 0.0
        LOG.warning(
            "lost the lease %s: %s; %s",
            self.name,
            f"{owner} holds it" if taken else reason or "it was not renewed in time",
            then,
        )

    def _turn(self) -> None:
        """Renew the lease if held; acquire it if it is free or was not renewed for too long."""
        before = self._seen
        now = self._look()
        if now is None:
            self._write(None, owner=self._owner, term=1)
            return
        ours = now.owner == self._owner
        if ours and self.held:
            self._write(now, owner=self._owner, term=now.term)
            return
        self._until = 0.0
        unchanged = before is not None and before.version == now.version
        silent = unchanged and time.monotonic() - now.since > self._seconds
        if not now.owner or ours or silent:
            self._write(now, owner=self._owner, term=now.term + 1)

    def _look(self) -> _Seen | None:
        """The stored document; None if there is none yet."""
        try:
            found = self._client.get(index=self._index, id=self._id, params={"realtime": "true"})
        except NotFoundError:
            return None
        version = (found["_seq_no"], found["_primary_term"])
        if self._seen is None or self._seen.version != version:
            state = LeaseState.parse(self._id, found["_source"])
            self._seen = _Seen(version, time.monotonic(), state.owner, state.term)
        return self._seen

    def _write(self, over: _Seen | None, *, owner: str, term: int) -> None:
        """Write the document over the version that was read. The lease counts from the request."""
        asked = time.monotonic()
        params: dict[str, Any] = {"op_type": "create"}
        if over is not None:
            params = {"if_seq_no": over.version[0], "if_primary_term": over.version[1]}
        body = LeaseState(name=self.name, owner=owner, term=term).document()
        reply = self._client.index(index=self._index, id=self._id, body=body, params=params)
        self._seen = _Seen((reply["_seq_no"], reply["_primary_term"]), asked, owner, term)
        if owner:
            if term != self._term:
                LOG.info("holding the lease %s", self.name, extra={"fields": {"term": term}})
            self._term = term
            self._until = asked + self._seconds * (1 - _MARGIN)
