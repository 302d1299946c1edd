"""The daily indices, which are created before the first document of a day, by our template."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError, TransportError

from trailhound.cluster import templates
from trailhound.cluster.colder_storage import cold_days
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.waiting import DAY_FOREIGN
from trailhound.errors import ClusterBlockedError, ForeignTemplateError, RecordError
from trailhound.plural import plural
from trailhound.settings import Settings

_ROOM_READ_EVERY = 20
"""The number of new days after which the shard limit is read again, by two requests."""
_READ_AGAIN_AFTER = 5.0
"""Seconds after which room that may be too little is read again: other daemons make days, too."""
_NEAR = 8
"""How many times the room that is asked for counts as perhaps too little."""
_AT_ONCE: Final = 4
"""Indices created at the same time."""
_KNOWN_FOR: Final = 2.0
"""Seconds for which an index that was there is there. The cluster makes one that was deleted anew
with the first event that is sent to it: by whichever template applies, perhaps by none."""
_SHARE: Final = 50
"""How many times as long as it took to look the next look waits."""
_BY_NAME: Final = 50
"""Up to this number, indices are asked about by their names."""
_LOOKED_AT_AGAIN: Final = 60.0
"""Seconds after which a day whose index is not ours is looked at again: somebody may have renamed
it."""

_Marks = dict[str, dict[str, Any]]
"""As `templates.index_marks`."""


class Days:
    """Knows which daily indices exist, and creates the missing ones.

    They are created explicitly, not by the first bulk request, so that the mark of our template is
    checked before anything is written, and a shard limit is found before any event is sent.

    The cluster takes some tenths of a second for each. So the reader only begins a day, and goes on
    with its events; who sends them calls `settle` before.
    """

    def __init__(self, client: OpenSearch, settings: Settings, retry_policy: RetryPolicy) -> None:
        self._client = client
        self._names = templates.Names(settings.prefix)
        self._retry_policy = retry_policy
        self._shards = settings.index.shards * (1 + (settings.index.replicas or 0))
        self._cold_after = settings.retention.cold_after
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._creating: dict[str, Future[_Marks]] = {}
        """Those that failed stay: nothing may be sent to them."""
        self._foreign: dict[str, tuple[float, str]] = {}
        """Indices that are not ours: when that was found (monotonic), and what they are."""
        self._checkpoints = retry_policy.run(
            lambda: templates.index_marks(client, self._names.days)
        )
        self._gone: set[str] = set()
        """Indices that were given, and then deleted."""
        self._look_at = time.monotonic() + _KNOWN_FOR
        self._room: int | None = None
        self._first_room: int | None = None
        self._room_read = False
        self._room_read_at = 0.0
        self._expected: set[str] = set()
        self._coming = 0
        self._created = 0

    def ensured(self) -> set[str]:
        """The daily indices that `ensure` has given so far, without mounted copies."""
        with self._lock:
            return set(self._known)

    def ensure(self, day: str) -> str:
        """As `begin`, and the index is there afterwards. Raises also as `settle` does."""
        index = self.begin(day)
        self.settle()
        if error := self.refused().get(index):
            raise error
        return index

    def begin(self, day: str) -> str:
        """The index of a UTC day (`YYYY.MM.DD`), whose creation is begun if necessary: `settle`
        waits for it.

        For a day that was replaced by its snapshot it is the mounted copy, which rejects writes.
        Raises `RecordError` if the day is in a domain's cold storage or its index is not ours (as
        far as that is known: of an index that is created now `refused` knows it), or
        `ClusterBlockedError` at the shard limit.
        """
        index = self._names.day(day)
        with self._lock:
            if index in self._known or index in self._creating:
                return index
            self._refuse_foreign(index)
            if self._checkpoints.get(index):
                self._known.add(index)
            elif mounted := self._mounted(day):
                return mounted
            else:
                self._refuse_cold(day)
                self._take_room()
                self._creating[index] = self._begun(index)
        return index

    def refused(self) -> dict[str, RecordError]:
        """Why nothing may be sent to an index: each of a day that has an index, or an alias, which
        Trailhound has not made. Complete for an index that was begun once it is settled."""
        with self._lock:
            return {index: _foreign(why) for index, (_, why) in self._foreign.items()}

    def gone(self) -> set[str]:
        """The indices that were given and are not there any more, or not as Trailhound made them.
        `recreate` makes one again before something is sent to it. The cluster is asked every few
        seconds."""
        with self._lock:
            if not self._known or time.monotonic() < self._look_at:
                return set(self._gone)
            self._look_at = float("inf")  # for the other threads
            known = sorted(self._known)
        began = time.monotonic()
        asked = ",".join(known) if len(known) <= _BY_NAME else self._names.days
        try:
            marks = self._retry_policy.run(lambda: templates.index_marks(self._client, asked))
        finally:
            now = time.monotonic()
            self._look_at = now + max(_KNOWN_FOR, _SHARE * (now - began))
        with self._lock:
            for index in known:
                if not marks.get(index):
                    self._known.discard(index)
                    self._checkpoints.pop(index, None)
                    self._gone.add(index)
            return set(self._gone)

    def _refuse_foreign(self, index: str) -> None:
        """Raise `RecordError` for an index that was found not to be ours within the last minute."""
        at, why = self._foreign.get(index, (0.0, ""))
        if why and time.monotonic() - at < _LOOKED_AT_AGAIN:
            raise _foreign(why)
        self._foreign.pop(index, None)

    def settle(self) -> None:
        """Wait for the indices that were begun. Raises what kept one from being created."""
        if begun := list(self._creating.values()):
            wait(begun)
            with self._lock:
                self._collect()

    def _collect(self) -> None:
        """Note the indices that have been created since."""
        for index, made in list(self._creating.items()):
            if not made.done():
                continue
            try:
                self._checkpoints |= made.result()
                self._known.add(index)
                self._gone.discard(index)
            except _NotOurs as error:
                self._foreign[index] = (time.monotonic(), str(error))
            del self._creating[index]

    def day_of(self, index: str) -> str:
        """The UTC day (`YYYY.MM.DD`) of an index that `ensure` gave. Raises `ValueError` for
        another."""
        day = self._names.day_of(index)
        if day is None:
            raise ValueError(f"{index} is not a daily index of this namespace")
        return day

    def exists(self, day: str) -> bool:
        """Whether there is an index of a UTC day, as far as this process knows."""
        index = self._names.day(day)
        return (
            index in self._checkpoints or index in self._creating or self._mounted(day) is not None
        )

    def _mounted(self, day: str) -> str | None:
        """The index mounted from the snapshot of a day."""
        return next(
            (
                index
                for index, mark in list(self._checkpoints.items())
                if mark and index != self._names.day(day) and self._names.day_of(index) == day
            ),
            None,
        )

    def _refuse_cold(self, day: str) -> None:
        """Raise `RecordError` if a day without an index is in cold storage: a new index would hold
        only a part of the day, and keep the rest from being restored."""
        if self._cold_after is None:
            return
        begin = datetime.strptime(day, "%Y.%m.%d").replace(tzinfo=UTC)
        if begin > datetime.now(UTC) - timedelta(days=self._cold_after):
            return
        cold = self._retry_policy.run(lambda: cold_days(self._client, self._names))
        if day in cold:
            raise RecordError(
                f"its day is in cold storage ({cold[day]}) and takes no writes: migrate it to warm "
                "and on to hot storage, then run `trailhound retry-deadletters`",
                reason="day_read_only",
            )

    def recreate(self, index: str) -> None:
        """Create an index again that was deleted meanwhile (by retention or by a user).

        Raises `RecordError` if its day has moved to another index or to cold storage.
        """
        with self._lock:
            self._known.discard(index)
            self._checkpoints.pop(index, None)
            # It may have been replaced by the index of its snapshot.
            found = self._retry_policy.run(
                lambda: templates.index_marks(self._client, self._names.days)
            )
            self._checkpoints |= found
        if (now := self.ensure(self.day_of(index))) != index:
            raise RecordError(
                f"{index} was replaced by {now} meanwhile; run `trailhound retry-deadletters`",
                reason="day_read_only",
            )

    def reserve(self, day: str) -> None:
        """Count a day whose events will be indexed. Raises `ClusterBlockedError` if the new days
        would exceed the shard limit.

        Called while listing, so that a run stops before the cluster rejects a write.
        """
        with self._lock:
            if day not in self._expected:
                self._expected.add(day)
                if self._names.day(day) not in self._checkpoints:
                    self._coming += 1
                    self._read_room()
                    self.check_shard_limit(self._coming, self._first_room)

    def check_shard_limit(self, days: int, room: int | None = None) -> None:
        """Raise `ClusterBlockedError` where this number of new days would exceed the cluster's
        shard limit.
        """
        self._read_room()
        room = self._room if room is None else room
        if room is not None and days * self._shards > room:
            raise ClusterBlockedError(
                f"no room for {plural(days, 'new day')}: that takes "
                f"{plural(days * self._shards, 'shard')}, and the cluster has room for {room} more "
                "(cluster.max_shards_per_node)",
                hint="raise cluster.max_shards_per_node, add a node, or select fewer days "
                "with --since",
            )

    def has_room(self, days: int) -> bool:
        """Whether the cluster has room for so many new days. Asked for each event that would make a
        day, so little room is read again at most every `_READ_AGAIN_AFTER` seconds."""
        with self._lock:
            self._read_room()
            late = time.monotonic() - self._room_read_at > _READ_AGAIN_AFTER
            if self._room is not None and self._room < _NEAR * days * self._shards and late:
                self._reread_room()
            return self._room is None or self._room >= days * self._shards

    def _reread_room(self) -> None:
        wait(self._creating.values())  # which are counted here: the cluster is to count them too
        self._room = self._retry_policy.run(lambda: shard_room(self._client))
        self._room_read_at = time.monotonic()

    def _read_room(self) -> None:
        """Read the remaining shards; at the first new day, since most runs have none."""
        if not self._room_read:
            self._reread_room()
            self._first_room, self._room_read = self._room, True

    def _take_room(self) -> None:
        """Count one day more. Raises `ClusterBlockedError` if there is no room for it."""
        if len(self._creating) >= _AT_ONCE:
            wait(self._creating.values(), return_when=FIRST_COMPLETED)
            self._collect()
        self._created += 1
        self._read_room()
        # Other clients create indices too: read it again at intervals, and before raising an error.
        stale = self._created % _ROOM_READ_EVERY == 0
        if self._room is not None and (stale or self._room < self._shards):
            self._reread_room()
        self.check_shard_limit(1)
        if self._room is not None:
            self._room -= self._shards

    def _begun(self, index: str) -> Future[_Marks]:
        """An index that is being created, in a thread of its own."""
        made: Future[_Marks] = Future()

        def create() -> None:
            try:
                made.set_result(self._create(index))
            except BaseException as error:  # noqa: BLE001 - raised by `settle`
                made.set_exception(error)

        threading.Thread(target=create, name="day", daemon=True).start()
        return made

    def _create(self, index: str) -> _Marks:
        """Create an index, and read its mark. Raises `_NotOurs` where the day has another one, and
        `ForeignTemplateError` where the cluster's templates make another one."""
        ours = False

        def create() -> None:
            nonlocal ours
            try:
                self._client.indices.create(index=index)
                ours = True
            except RequestError as error:
                if "already exists as alias" in str(error.info):
                    raise _NotOurs(f"{index} is an alias, which Trailhound has not made") from error
                if "resource_already_exists" not in str(error.error):
                    raise

        self._retry_policy.run(create)
        marks = self._retry_policy.run(lambda: templates.index_marks(self._client, index))
        if marks.get(index):
            return marks
        if not ours:
            raise _NotOurs(f"the index {index} was not made by Trailhound")
        # The template has gone or was replaced since it was checked. Left there, the index would
        # keep the day's events out also once the template is back.
        with suppress(TransportError):  # without the permission somebody has to do it
            self._client.indices.delete(index=index)
        raise ForeignTemplateError(
            f"the index template that applies to {index} is not Trailhound's",
            hint="run `trailhound init`",
        )


class _NotOurs(Exception):
    """A daily index that Trailhound has not made: what it is."""


def _foreign(why: str) -> RecordError:
    return RecordError(
        f"{why}: no event of its day is written to it; rename or delete it, then run "
        "`trailhound retry-deadletters`",
        reason=DAY_FOREIGN,
    )


def shard_room(client: OpenSearch) -> int | None:
    """The number of shards that this cluster can still create; None if it does not report that.

    `cluster.max_shards_per_node` does not count shards of closed indices.
    """
    settings: dict[str, Any] = client.transport.perform_request(
        "GET",
        "/_cluster/settings",
        params={
            "include_defaults": "true",
            "filter_path": "*.cluster.max_shards_per_node",
        },
    )
    limits = [
        settings[level]["cluster"]["max_shards_per_node"]
        for level in ("transient", "persistent", "defaults")
        if level in settings
    ]
    if not limits:
        return None
    health = client.cluster.health(params={"expand_wildcards": "open,hidden"})
    used = health["active_shards"] + health["unassigned_shards"] + health["initializing_shards"]
    return int(limits[0]) * int(health["number_of_data_nodes"]) - int(used)
