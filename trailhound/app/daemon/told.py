"""What channels were told of Trailhound's health: in the ledger, and here while that is away.

The next daemon, after a restart or on another machine, must neither tell it again nor leave it
without an end. While the ledger takes no writes it is kept in a file of this machine, which is
added to the ledger once it does.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from trailhound.errors import ClusterError, ReportError
from trailhound.private_files import make_private_folder
from trailhound.report.atomic_file import write_atomically
from trailhound.settings import Settings
from trailhound.state.outages import Outages, OutageState

LOG = logging.getLogger("trailhound.health")
_CLUSTER = (OpenSearchException, ClusterError)


class Told:
    """Raises nothing: what cannot be read is not known, and said again."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._outages = Outages(client, settings)
        self._file = settings.spool / f"outage-{settings.prefix or 'trailhound-'}told.json"
        self._here = _read(self._file)

    def known(self, *, answers: bool) -> OutageState:
        """What channels were told. `answers`: the cluster does."""
        if answers:
            with suppress(*_CLUSTER):
                return self._outages.get().joined(self._here)
        return self._here

    def add(self, told: OutageState, *, answers: bool) -> None:
        """Keep what channels were told."""
        self._here = self._here.joined(told)
        if not (answers and self.hand_over()):
            self._keep()

    def hand_over(self) -> bool:
        """Add what is kept here to the ledger, where there is some. Whether none is left."""
        if self._here.since:
            try:
                self._outages.add(self._here)
            except _CLUSTER:
                return False
            self._forget()
        return True

    def end(self, *, answers: bool) -> bool:
        """Channels were told that Trailhound is ready again. Whether that is recorded."""
        self._forget()
        if answers:
            with suppress(*_CLUSTER):
                self._outages.end()
                return True
        return False

    def _keep(self) -> None:
        content = orjson.dumps(msgspec.to_builtins(self._here))
        try:
            make_private_folder(self._file.parent)
            write_atomically(self._file, content)
        except (OSError, ReportError) as error:
            LOG.warning("what channels were told is lost if the daemon is restarted: %s", error)

    def _forget(self) -> None:
        self._here = OutageState()
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def _read(file: Path) -> OutageState:
    try:
        stored: Any = orjson.loads(file.read_bytes())
        return msgspec.convert(stored, OutageState)
    except (OSError, ValueError, msgspec.ValidationError):
        return OutageState()
