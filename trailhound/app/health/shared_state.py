"""The state that all daemons of a namespace share, read at once: what readiness is decided by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from trailhound.cluster.blocks import disk_full, use_blocked, writes_blocked
from trailhound.cluster.clock import earlier_now
from trailhound.cluster.namespaces import has_namespace
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.channels import Channels, ChannelState
from trailhound.state.daemons import Daemons, DaemonState
from trailhound.state.denied_folders import DeniedFolder, DeniedFolders
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.malformed import malformed_documents
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints


@dataclass(slots=True)
class SharedState:
    """The state that all daemons of a namespace share, as read at `read_at`."""

    daemons: Sequence[DaemonState] = ()
    jobs: Sequence[JobState] = ()
    rules: Collection[RuleCheckpoint] = ()
    channels: Mapping[str, ChannelState] = field(default_factory=dict)
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    malformed: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with documents that lack a field of their kind, by `_id`."""
    dead_letters_blocked: str = ""
    """Why the index of dead letters rejects writes; empty if it does not."""
    ledger_blocked: str = ""
    """Why the ledger rejects writes; empty if it does not."""
    alerts_blocked: str = ""
    """Why the index of alerts rejects reads or writes; empty if it takes both."""
    disk_full: str = ""
    """That a disk of the cluster is full, in a sentence; empty if none is."""
    denied_folders: Sequence[DeniedFolder] = ()
    """The folders that a backfill was not allowed to list, and none has listed since."""
    ahead: float = 0.0
    """How far the clock of the machine that asks is ahead of the cluster's, in seconds."""
    missing: str = ""
    """The ledger index, if there is none: then nothing of the above is known."""


def written_now(names: Names) -> list[str]:
    """The indices that a daemon writes to today."""
    now = datetime.now(UTC)
    newest = [names.day(f"{now - timedelta(days=ago):%Y.%m.%d}") for ago in (0, 1)]
    return [names.ledger, names.deadletter, names.alerts, *newest]


def read_shared(client: OpenSearch, settings: Settings, ahead: float = 0.0) -> SharedState:
    """Read the shared state. `ahead`: as `seconds_ahead`, by which others than a daemon judge what
    daemons wrote. Raises opensearch-py's exceptions and `RequestFailedError`."""
    names, now = Names(settings.prefix), earlier_now(ahead)
    blocked = writes_blocked(client, names.ledger, names.deadletter)
    return SharedState(
        Daemons(client, settings).active(now),
        Jobs(client, settings).all(),
        list(RuleCheckpoints(client, settings).read().values()),
        Channels(client, settings).all(),
        read_at=now,
        ahead=ahead,
        malformed=malformed_documents(client, settings),
        dead_letters_blocked=blocked.get(names.deadletter, ""),
        ledger_blocked=blocked.get(names.ledger, ""),
        alerts_blocked=use_blocked(client, names.alerts),
        disk_full=disk_full(client, written_now(names)),
        denied_folders=DeniedFolders(client, settings).all(),
        missing="" if has_namespace(client, settings.prefix) else names.ledger,
    )
