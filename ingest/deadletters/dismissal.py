"""Dismisses dead letters: records that can never be indexed stay stored, and no longer wait.

A dismissed letter keeps all that it had, in the index or in the spool file of this machine, beside
who dismissed it, when and why. It warns nobody and is not retried unless that is asked for. A
further letter with the same reason is another letter, which waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from ingest.deadletters.selection import LetterSelection
from ingest.deadletters.spool import Spool
from trailhound.batching import batched
from trailhound.cluster import templates
from trailhound.cluster.reader import IndexReader
from trailhound.settings import Settings
from trailhound.state.store import bulk

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Who dismissed a letter, when (UTC) and why."""

    by: str
    at: datetime
    note: str = ""

    def as_dict(self) -> dict[str, str]:
        """As a letter has it, under `dismissed`."""
        return {"by": self.by, "at": self.at.isoformat(), "note": self.note}


@dataclass(slots=True)
class SelectedLetters:
    """The letters of a selection, and their number by code and reason. `spooled` are in the spool
    file of this machine, all others in the index."""

    indexed: list[str] = field(default_factory=list)
    spooled: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    reasons: dict[tuple[str, str], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indexed) + len(self.spooled)

    def count(self, letter: dict[str, Any]) -> None:
        """Count a letter with its object and its reason."""
        self.objects.add(letter["object"])
        key = str(letter.get("code", "")), str(letter.get("reason", ""))
        self.reasons[key] = self.reasons.get(key, 0) + 1


class Dismissals:
    """Those of a namespace and of this machine's spool. Methods raise `ClusterError` and
    `SpoolError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._index = templates.Names(settings.prefix).deadletter
        self._spool = Spool(settings.spool)

    def select(self, selection: LetterSelection) -> SelectedLetters:
        """The letters that are selected now."""
        found = SelectedLetters()
        reader = IndexReader(self._client, self._index)
        wanted = {"_source": ["object", "code", "reason"]}
        for hit in reader.documents(selection.query(), wanted, refresh=True):
            found.indexed.append(hit["_id"])
            found.count(hit["_source"])

        for letter in filter(selection.matches, self._spool.letters()):
            found.spooled.add(letter["id"])
            found.count(letter)
        return found

    def set(self, letters: SelectedLetters, dismissal: Dismissal | None) -> int:
        """Dismiss these letters, or with None make them wait again. Returns how many there still
        were. Raises `ForeignTemplateError` where the index is not of this release: it could not be
        asked for what was dismissed."""
        templates.check(self._client, self._settings)
        after = dismissal.as_dict() if dismissal is not None else None
        changed = self._set_indexed(letters.indexed, after)

        def change(letter: dict[str, Any]) -> dict[str, Any]:
            return letter | {"dismissed": after} if letter.get("id") in letters.spooled else letter

        if letters.spooled:
            changed += self._spool.rewrite(change)
        return changed

    def _set_indexed(self, names: Sequence[str], after: dict[str, str] | None) -> int:
        changed = 0
        for group in batched(names, _AT_ONCE):
            lines: list[dict[str, Any]] = []
            for name in group:
                lines += [{"update": {"_id": name}}, {"doc": {"dismissed": after}}]
            answers = bulk(self._client, self._index, lines, allowed={404})
            changed += sum(1 for each in answers if each["status"] < 300)
        IndexReader(self._client, self._index).refresh()
        return changed
