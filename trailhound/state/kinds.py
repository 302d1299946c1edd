"""Every kind of document in the ledger index. A new kind is added here and has its own module."""

from __future__ import annotations

from trailhound.state.alert_groups import AlertGroup, Removal
from trailhound.state.backfills import BackfillState
from trailhound.state.before_rules import BeforeRules
from trailhound.state.catch_up import CatchUp
from trailhound.state.channels import ChannelState
from trailhound.state.daemons import DaemonState
from trailhound.state.denied_folders import DeniedFolder
from trailhound.state.document import StateDocument
from trailhound.state.feed_checkpoints import FeedCheckpoint
from trailhound.state.jobs import JobState
from trailhound.state.joining_checkpoints import JoiningCheckpoint
from trailhound.state.known_automation import KnownAutomation
from trailhound.state.late_events import LateEvents
from trailhound.state.leases import LeaseState
from trailhound.state.objects import ObjectState
from trailhound.state.outages import OutageState
from trailhound.state.removed_days import RemovedDays
from trailhound.state.rule_checkpoints import RuleCheckpoint
from trailhound.state.workers import WorkerState

KINDS: tuple[type[StateDocument], ...] = (
    AlertGroup,
    BackfillState,
    BeforeRules,
    CatchUp,
    ChannelState,
    DaemonState,
    DeniedFolder,
    FeedCheckpoint,
    JobState,
    JoiningCheckpoint,
    KnownAutomation,
    LateEvents,
    LeaseState,
    ObjectState,
    OutageState,
    Removal,
    RemovedDays,
    RuleCheckpoint,
    WorkerState,
)
