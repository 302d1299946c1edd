"""Keeps the verdicts on files in the ledger's entries of the objects.

An entry is written only where its verdict changes, and only over the version that was read: a
worker that reads the object at the same time keeps the verdict in what it writes. Files that are
wrong and were never read get an entry too, in the state `released`; other files without an entry
get none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from opensearchpy import OpenSearch

from ingest.integrity.findings import FileVerdict
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import OVERTAKEN, TRIES, Stored, Write, read_many, write_many
from trailhound.errors import RequestFailedError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.document import StateDocumentError
from trailhound.state.objects import BAD, Integrity, ObjectState, object_id
from trailhound.state.store import StateStore

_AT_ONCE: Final = 500
Mark = Callable[[ObjectState], Sequence[str]]
"""Sets `trail.integrity` of an object's events. Returns the indices in which it could not, and why.
"""


class LedgerRecord:
    """The entries of one namespace as a verification's `Record`. Call `close` at its end.

    `mark` is called for each object whose events are not genuine, before its entry is written.
    Methods raise `ClusterError` and opensearch-py's exceptions.
    """

    def __init__(self, client: OpenSearch, settings: Settings, mark: Mark) -> None:
        self._client = client
        self._index = Names(settings.prefix).ledger
        self._entries = StateStore(client, settings, ObjectState)
        self._mark = mark
        self._waiting: list[FileVerdict] = []
        self.verdicts: Counter[str] = Counter()
        """Of the objects in the ledger, by verdict."""
        self.unmarked: dict[str, Sequence[str]] = {}
        """By object, the indices with events that could not be marked, and why."""

    def known(self, addresses: Sequence[str]) -> dict[str, ObjectState]:
        """The entries of these objects."""
        found = self._entries.get(map(object_id, addresses))
        return {each.uri: each for each in found.values()}

    def keep(self, found: FileVerdict) -> None:
        """Keep a verdict; it is written together with later ones."""
        self._waiting.append(found)
        if len(self._waiting) >= _AT_ONCE:
            self.close()

    def close(self) -> None:
        """Write the verdicts that are not written yet."""
        waiting, self._waiting = self._waiting, []
        left = {object_id(each.object): each for each in waiting}
        for number in range(TRIES):
            left = self._write(left)
            if not left:
                return
            time.sleep(OVERTAKEN.seconds(number + 1))
        raise RequestFailedError(
            f"the verdicts on {plural(len(left), 'object')} could not be written: others keep "
            "changing them",
            hint="run it again",
        )

    def _write(self, found: dict[str, FileVerdict]) -> dict[str, FileVerdict]:
        """Write verdicts. Returns those whose entry another writer changed meanwhile."""
        stored = read_many(self._client, self._index, found)
        writes: dict[str, Write] = {}
        for name, verdict in found.items():
            if (change := self._changed(name, verdict, stored.get(name))) is not None:
                writes[name] = change
        written = write_many(self._client, self._index, writes)
        left = {name: found[name] for name in writes if name not in written}
        self.verdicts.update(
            each.verdict
            for name, each in found.items()
            if name not in left and (name in stored or name in written)
        )
        return left

    def _changed(self, name: str, found: FileVerdict, stored: Stored | None) -> Write | None:
        """The entry with its verdict; None where it has that verdict already."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        judged = Integrity(
            verdict=found.verdict,
            at=now,
            etag=found.etag,
            expected=found.expected,
            found=found.found,
        )
        if stored is None:
            if found.verdict not in BAD:
                return None
            entry = ObjectState(uri=found.object, state="released", integrity=judged)
            return Write(entry.document(), None)
        try:
            entry = ObjectState.parse(name, stored.document)
        except StateDocumentError:
            return None  # named in /readyz; it is written anew when the object is read again
        before = entry.integrity
        if before is not None and _same(before, judged):
            judged = msgspec.structs.replace(judged, at=before.at, etag=before.etag)
        judged = self._marked(entry, judged)
        if judged == before:
            return None
        judged_entry = msgspec.structs.replace(entry, integrity=judged)
        return Write(judged_entry.over(stored.document), stored)

    def _marked(self, entry: ObjectState, judged: Integrity) -> Integrity:
        """The entry, after the object's events have been marked, unless they were before. Events of
        an earlier, genuine content are left as they are."""
        entry = msgspec.structs.replace(entry, integrity=judged)
        if judged.verdict not in ("tampered", "corrupt") or entry.is_genuine:
            return judged
        unmarked = tuple(self._mark(entry))
        if unmarked:
            self.unmarked[entry.uri] = unmarked
        return msgspec.structs.replace(judged, unmarked=unmarked)


def _same(before: Integrity, now: Integrity) -> bool:
    return (before.verdict, before.expected, before.found) == (
        now.verdict,
        now.expected,
        now.found,
    )
