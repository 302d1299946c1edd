"""The alerts of one rule about one group, and the time that each covers.

There is one document for each rule and group, so that two writers cannot both decide that there is
no alert yet. `detections.alerts` decides about groups; this module stores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.cluster.versions import Stored, Write, read_many, write_many
from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore, delete_hits, pages


class GroupedAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert and the time it covers; `into` names the alert that it was merged into."""

    id: str
    first: datetime
    last: datetime
    into: str = ""


class AlertGroup(StateDocument, frozen=True, kw_only=True):
    """The alerts of a group. `forgotten`: alerts up to this time may exist without being in
    `alerts`; `last` is the latest time that any of `alerts` covers."""

    kind: ClassVar[str] = "alert_group"
    id_prefix: ClassVar[str] = "alert-group-"
    legacy_state: ClassVar[str] = "alert-group"
    key_field: ClassVar[str] = "group"

    group: str
    rule: str = ""
    alerts: tuple[GroupedAlert, ...] = ()
    last: datetime | None = None
    forgotten: datetime | None = None

    @property
    def key(self) -> str:
        return self.group

    @classmethod
    def upgraded(cls, source: Mapping[str, Any]) -> Mapping[str, Any]:
        """The last release did not store when the last alert ended."""
        ends = [each["last"] for each in source.get("alerts", ()) if "last" in each]
        return {"last": max(ends), **source} if ends else source


class Removal(StateDocument, frozen=True, kw_only=True):
    """Documents of the kind `name` that ended before `until` may have been removed."""

    kind: ClassVar[str] = "removal"
    id_prefix: ClassVar[str] = "removal-"

    name: str
    until: datetime

    @property
    def key(self) -> str:
        return self.name


_REMOVED = AlertGroup.kind


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group and the version of its document."""

    group: AlertGroup
    version: Stored


class AlertGroups:
    """All groups of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).ledger
        self._removals = StateStore(client, settings, Removal)

    def read(self, keys: Iterable[str]) -> dict[str, StoredGroup]:
        """The existing groups by key, as last written (a refresh is not needed)."""
        names = {AlertGroup.id_prefix + key: key for key in keys}
        found = read_many(self._client, self._index, names)
        return {
            names[name]: StoredGroup(AlertGroup.parse(name, stored.document), stored)
            for name, stored in found.items()
        }

    def removed_until(self) -> datetime | None:
        """The time before which groups may have been removed, if all their alerts had ended; None
        if none ever was.

        If a group does not exist, its alerts from before that time must be searched.
        """
        found = self._removals.one(_REMOVED)
        return found.until if found else None

    def remove_before(self, until: datetime) -> int:
        """Remove the groups whose alerts all ended before a time. Returns their number.

        The time is written first, so that no writer mistakes a removed group for one without
        alerts.
        """
        clauses: list[dict[str, Any]] = [
            {"term": {"kind": AlertGroup.kind}},
            {"range": {"last": {"lt": until.isoformat()}}},
        ]
        if not any(True for _ in pages(self._client, self._index, clauses, fields=())):
            return 0
        self._removals.revise(
            Removal(name=_REMOVED, until=until),
            lambda it: msgspec.structs.replace(it, until=max(it.until, until)),
        )
        found = pages(self._client, self._index, clauses, fields=())
        return delete_hits(self._client, self._index, found)

    def write(self, groups: Mapping[str, tuple[AlertGroup, StoredGroup | None]]) -> set[str]:
        """Write each group over the version that was read; None: it must be new. Returns the keys
        of those written; for the others, another writer was faster."""
        writes = {
            AlertGroup.id_prefix + key: Write(group.document(), before.version if before else None)
            for key, (group, before) in groups.items()
        }
        written = write_many(self._client, self._index, writes)
        return {name.removeprefix(AlertGroup.id_prefix) for name in written}
