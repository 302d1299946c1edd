"""Folders of buckets that a backfill was not allowed to list: what they hold is not in the index.

No object of such a folder is known, so no entry of an object says that it is missing. The note
stays until a backfill, a repair or a feed that wants at least the same of it has listed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import ClassVar

from msgspec.structs import replace
from opensearchpy import OpenSearch

from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.criteria import Criteria, add_criteria
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore


class DeniedFolder(StateDocument, frozen=True, kw_only=True):
    """One folder, by its `s3://bucket/folder/`. `finished_at` (ISO 8601, UTC) is when it was denied
    last, on `host`, for this `reason`; `wanted` is what the denied runs selected of it."""

    kind: ClassVar[str] = "denied_folder"
    id_prefix: ClassVar[str] = "denied-folder-"

    uri: str
    reason: str = ""
    finished_at: str
    host: str = ""
    wanted: tuple[Criteria, ...] = ()

    @property
    def key(self) -> str:
        return folder_key(self.uri)

    def plus(self, other: DeniedFolder) -> DeniedFolder:
        """Denied again: the later one, and what both wanted."""
        wanted = self.wanted
        for each in other.wanted:
            wanted = add_criteria(wanted, each)
        return replace(other, wanted=wanted)


def folder_key(uri: str) -> str:
    """The key of a folder's document: names are longer than an `_id` may be."""
    return hashlib.sha256(uri.encode()).hexdigest()


def sentence(folders: Collection[DeniedFolder]) -> str:
    """What is missing, of at least one folder."""
    last = max(folders, key=lambda each: each.finished_at)
    more = len(folders) - 1
    named = last.uri + (f" and {plural(more, 'more folder')}" if more else "")
    when = f"{datetime.fromisoformat(last.finished_at):%F %T} UTC"
    on = f" on {last.host}" if last.host else ""
    why = last.reason.removeprefix(f"{last.uri}: ")
    return (
        f"a backfill was not allowed to list {named} (last at {when}{on}: {why}); what "
        f"{'they hold' if more else 'it holds'} is missing, and nothing has listed "
        f"{'them' if more else 'it'} for the same days since"
    )


class DeniedFolders:
    """Those of a namespace. Methods raise `ClusterError` and opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, DeniedFolder)

    def all(self) -> list[DeniedFolder]:
        """All of them, by name."""
        return sorted(self._store.all(), key=lambda each: each.uri)

    def add(self, folders: Iterable[DeniedFolder]) -> None:
        """Note these, or that they were denied again."""
        for each in folders:
            self._store.revise(
                each,
                lambda stored, new=each: stored.plus(new),  # type: ignore[misc]
            )

    def listed(self, prefixes: Collection[str], wanted: Criteria, but: Collection[str]) -> None:
        """All below these prefixes was listed for a run that wanted this, `but` these folders."""
        gone: list[str] = []
        for each in self._store.all():
            if each.uri in but or not each.uri.startswith(tuple(prefixes)):
                continue
            left = tuple(one for one in each.wanted if not wanted.covers(one))
            if not left:
                gone.append(each.key)
            elif left != each.wanted:
                self._store.change(each.key, lambda stored, left=left: replace(stored, wanted=left))  # type: ignore[misc]
        self._store.delete(gone)

    def forget(self, uri: str) -> bool:
        """Somebody does not want this folder. Returns whether it was noted."""
        return self._store.delete([folder_key(uri)]) > 0
