"""Which alerts there are of one rule about one group, and the time that each covers.

One document a rule and group, so that two writers can't both decide that there is no alert yet.
What becomes of a group is decided in `detections.alerts`; here is how it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec
from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.cluster.versions import Stored, Write, read_many, write_many
from trailhound.settings import Settings
from trailhound.state.document import StateDocument


class GroupedAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert and the time it covers; `into` names the alert that took it in."""

    id: str
    first: datetime
    last: datetime
    into: str = ""


class AlertGroup(StateDocument, frozen=True, kw_only=True):
    """`forgotten`: an alert up to here may exist without being listed in `alerts`."""

    kind: ClassVar[str] = "alert_group"
    id_prefix: ClassVar[str] = "alert-group-"
    legacy_state: ClassVar[str] = "alert-group"

    group: str = ""
    """Empty in a document of the last release, whose `_id` alone has it."""
    rule: str = ""
    alerts: tuple[GroupedAlert, ...] = ()
    forgotten: datetime | None = None

    @property
    def key(self) -> str:
        return self.group


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group as it was read, and which version of it that was."""

    group: AlertGroup
    version: Stored


class AlertGroups:
    """All groups of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).ledger

    def read(self, keys: Iterable[str]) -> dict[str, StoredGroup]:
        """Those that exist, by key, as last written: no refresh is waited for."""
        names = {AlertGroup.id_prefix + key: key for key in keys}
        found = read_many(self._client, self._index, names)
        return {
            names[name]: StoredGroup(AlertGroup.parse(name, stored.document), stored)
            for name, stored in found.items()
        }

    def write(self, groups: Mapping[str, tuple[AlertGroup, StoredGroup | None]]) -> set[str]:
        """Write each over the version that was read; None: it must be new. The keys of those that
        were written; the others were overtaken."""
        writes = {
            AlertGroup.id_prefix + key: Write(group.document(), before.version if before else None)
            for key, (group, before) in groups.items()
        }
        written = write_many(self._client, self._index, writes)
        return {name.removeprefix(AlertGroup.id_prefix) for name in written}
