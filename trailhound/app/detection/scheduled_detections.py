"""The scheduled detections as the daemon's job: run rules, write alerts, notify channels."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, date, datetime, timedelta
from functools import partial

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.alerts.named_events import NamedEvents
from detections.alerts.recounting import Recount
from detections.events.current_days import CurrentDays
from detections.events.index import EventIndex
from detections.incidents.late_openers import LateOpeners
from detections.incidents.updater import IncidentUpdater
from detections.notify.lanes import Lanes
from detections.notify.notifier import Notifier
from detections.packs.describe import line
from detections.packs.expiry import today
from detections.packs.forms import forms_of
from detections.packs.lacking import absent_data, sentence
from detections.packs.rule_paths import UnreadPath, unread_paths
from detections.rule import Rule
from detections.running.due_rules import DueRules, Ran
from detections.running.history_needed import history_needed
from detections.running.job_note import noted
from detections.running.recording import RuleRun
from detections.running.scheduler import Job, Turn
from detections.tactics import unknown_tactics
from ingest.sources.session import aws_session
from trailhound.app.detection.detection import detector, rules_in_force
from trailhound.cluster.templates import Names
from trailhound.errors import TrailhoundError
from trailhound.internal_errors import Skipped
from trailhound.settings import Settings
from trailhound.state.jobs import DETECTIONS

LOG = logging.getLogger("trailhound.detections")
EVERY = 5.0
"""Seconds between two checks of which rules are due."""
JOINING = 20.0
"""Seconds for joining alerts in one run; the rest waits for the next. After an upgrade all alerts
of the last release are due."""
HISTORY_EVERY = 600.0
"""Seconds for which it is not looked again how much history there is."""
SENT_WITHIN = 5.0
"""Seconds after which alerts are sent although other rules have not run yet; twice as many each
further time in a run. In a shorter run, as nearly all are, an incident is one message with all that
was found of it."""
CHANNELS_WITHIN = 5.0
"""Seconds for which the rules wait for channels; one that takes longer goes on by itself."""
LONGEST = 60.0
"""Seconds after which a run ends although more is due; the next run continues."""


_Made = tuple[DueRules, LateOpeners, IncidentUpdater, Notifier]


class ScheduledDetections:
    """Rules and channels of the settings, reloaded after `take`."""

    def __init__(self, client: OpenSearch, settings: Settings, ran: Ran = lambda _: None) -> None:
        self._client = client
        self._ran = ran
        self._lock = threading.Lock()
        self._lanes = Lanes()
        self._settings = settings
        self._skipped = Skipped(LOG)
        self._recount = Recount(client, settings, skipped=self._skipped)
        self._owed = {"openers", "recount"}
        """Steps that have not succeeded since rules last ran."""
        self._stale = True
        self._made_of: _Made | None = None
        self._turn: Turn | None = None
        self._unsent_since: float | None = None
        """The monotonic time since which a run has alerts that were not sent; None for none."""
        self._sent_within = SENT_WITHIN
        self._rules: tuple[Rule, ...] = ()
        self._next_end: date | None = None
        self._note = self._lack = ""
        self._noted_at: float | None = None
        self.intervals: dict[str, timedelta] = {}
        """By rule id, how often each active rule runs."""
        self.refused = ""
        """Why earlier rules stay active instead of those of the settings; else empty."""
        self.faults = ""
        """What keeps rules of the settings from running: the first fault, and how many there are;
        else empty."""
        self.unread: tuple[UnreadPath, ...] = ()
        """The paths of the settings that cannot be read, and that the rules in force lack."""
        self.lost: tuple[UnreadPath, ...] = ()
        """The paths that cannot be read any more: the rules in force are those of before."""
        self.broken_channels: dict[str, str] = {}
        """Channels that cannot even be opened, and why."""

    def job(self) -> Job:
        """The job, for the scheduler that one of the daemons runs."""
        settle = partial(self._lanes.wait, None)
        return Job(DETECTIONS, EVERY, self.turn, self._skipped.sentence, settle)

    def take(self, settings: Settings) -> None:
        """Use these settings, and the current rule files, from the next run on.

        If a path of theirs cannot be read, that is logged, and the previous rules stay active until
        it can. At the start, when there are none, the other rules run.
        """
        with self._lock:
            self._settings, self._stale = settings, True

    def turn(self, turn: Turn) -> str:
        """Run the due rules, join alerts into incidents, and deliver alerts that are not delivered.
        A failure of one of the three does not keep the others from running.

        While rules catch up on days, alerts are sent and new settings are used in between, and the
        daemon's other jobs run after `LONGEST` seconds. Of a long run alerts are sent before its
        end: see `SENT_WITHIN`. Returns in words which rules lack history, and in a line of its own
        which find nothing for want of data.
        Raises errors of the tree and opensearch-py's.
        """
        more, ends = True, time.monotonic() + LONGEST
        while more and time.monotonic() < ends:
            made = self._made()
            ran = True  # also if it fails: some rules may have run
            self._turn, self._unsent_since, self._sent_within = turn, None, SENT_WITHIN
            try:
                ran = more = made[0].run_once(turn)
            finally:
                self._turn = None
                self._send(turn, made, ran=ran)
        return self._rules_note()

    def _send(self, turn: Turn, made: _Made, *, ran: bool) -> None:
        """Join alerts into incidents, and deliver those that are not delivered. `ran`: whether
        rules have run, over events that are new."""
        due_rules, openers, updater, notifier = made
        if ran:
            self._owed |= {"openers", "recount"}
        try:
            if turn.holds_lease():
                self._join(turn, updater, openers)
        finally:
            if turn.holds_lease():
                sent = notifier.deliver(
                    datetime.now(UTC), turn.holds_lease, due_rules.caught_up, CHANNELS_WITHIN
                )
                self.broken_channels = dict(sent.broken)

    def _join(self, turn: Turn, updater: IncidentUpdater, openers: LateOpeners) -> None:
        """Join alerts; once rules have run, also those of sessions whose opener came late, and
        count anew what came before others. A failure of one does not keep the others from running;
        it is tried again in each run until it succeeds."""
        try:
            if "openers" in self._owed:
                openers.mark(turn.holds_lease)
                self._owed.discard("openers")
        finally:
            ends = time.monotonic() + JOINING

            def may_continue() -> bool:
                return turn.holds_lease() and time.monotonic() < ends

            try:
                updater.run(may_continue)
            finally:
                if "recount" in self._owed:
                    self._recount.run(may_continue)
                    self._owed.discard("recount")

    def _after(self, run: RuleRun) -> None:
        """A rule has run: send what was found so far, if the run takes long. What fails is tried
        once more, and reported, when all rules have run."""
        self._ran(run)
        now = time.monotonic()
        if run.recorded.created and self._unsent_since is None:
            self._unsent_since = now
        since, turn, made = self._unsent_since, self._turn, self._made_of
        if since is None or turn is None or made is None or now - since < self._sent_within:
            return
        self._unsent_since, self._sent_within = None, 2 * self._sent_within
        try:
            self._send(turn, made, ran=True)
        except (TrailhoundError, OpenSearchException) as error:
            LOG.warning("alerts are sent once the other rules have run: %s", error)

    def _rules_note(self) -> str:
        """Which rules have too little history, looked up now and then, and which lack data."""
        now = time.monotonic()
        if self._noted_at is None or now >= self._noted_at + HISTORY_EVERY:
            index = EventIndex(self._client, Names(self._settings.prefix).days)
            note = history_needed(index, self._rules, datetime.now(UTC))
            if note != self._note:
                LOG.info("%s", note or "there is enough history for all rules")
            self._note, self._noted_at = note, now
        return noted(self._note, self._lack)

    def _made(self) -> _Made:
        with self._lock:
            self._look_at_paths()
            if self._next_end is not None and self._next_end < today():
                self._stale = True  # an exception has ended
            if self._made_of is None or (self._stale and not self.lost):
                try:
                    self._made_of = self._make()
                    self.refused = ""
                except TrailhoundError as error:
                    if self._made_of is None:
                        raise
                    self.refused = error.message
                    LOG.error("the previous rules stay active: %s", error)
                self._stale = False
            return self._made_of

    def _look_at_paths(self) -> None:
        """Find which paths of the settings cannot be read. The rules of one that is there again
        are loaded."""
        found = unread_paths(self._settings.detections)
        if self._made_of is None:
            self.unread = tuple(found)
            return
        lacking = {each.key for each in self.unread}
        lost = tuple(each for each in found if each.key not in lacking)
        for each in lost:
            if each not in self.lost:
                LOG.error("the previous rules stay active: %s", each.message)
        still = {each.key for each in found}
        if not still.issuperset(each.key for each in (*self.unread, *self.lost)):
            self._stale = True
        self.lost = lost
        if self._stale and not lost:
            self.unread = tuple(found)

    def _make(self) -> _Made:
        settings = self._settings
        pack = rules_in_force(settings)
        for fault in pack.faults:
            note = logging.INFO if fault.what == "note" else logging.WARNING
            LOG.log(logging.ERROR if fault.stops else note, "%s", line(fault))
        for channel in settings.notify.channels:
            for error in unknown_tactics(channel.tactics, pack.rules):
                LOG.warning("channel %s: %s (%s)", channel.name, error.message, error.hint)
        self.intervals = {rule.id: rule.interval for rule in pack.alerting}
        self._rules, self._noted_at = pack.alerting, None
        self._next_end = pack.next_end
        lack = sentence(pack, absent_data(settings.enrich))
        if lack and lack != self._lack:
            LOG.info("%s", lack)
        self._lack = lack
        days = CurrentDays(self._client, settings)
        made = detector(self._client, settings, pack, days)
        forms = forms_of(pack, settings.detections.placeholders)
        said_apart = {each.path for each in self.unread}
        stopping = [
            line(fault)
            for fault in pack.problems
            if fault.stops and fault.place.path not in said_apart
        ]
        more = f" (and {len(stopping) - 1} more)" if len(stopping) > 1 else ""
        self.faults = f"{stopping[0]}{more}" if stopping else ""
        fields = {"rules": len(pack.alerting), "faults": len(pack.problems)}
        LOG.info("rules in force", extra={"fields": fields})
        return (
            DueRules(self._client, settings, made, pack.alerting, self._after, forms),
            LateOpeners(self._client, settings, self._skipped),
            IncidentUpdater(
                self._client, settings, NamedEvents(self._client, days), skipped=self._skipped
            ),
            Notifier(self._client, settings, aws_session, lanes=self._lanes),
        )
