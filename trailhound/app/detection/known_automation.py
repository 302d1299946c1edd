"""Known automation in use: rules that ask for it, the job that learns, decisions of people."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
from opensearchpy import OpenSearch

from detections.automation.doubts import doubts
from detections.automation.known_summary import JOB
from detections.automation.learner import NEW_ENTRY, LearnedToday, Learner, raise_alerts
from detections.automation.left_out import left_out
from detections.automation.observing import span_before
from detections.automation.relation import relation_of
from detections.automation.trusting import TrustingRules
from detections.automation.unsearched import unsearched_days
from detections.packs.loading import load
from detections.packs.pack import Pack
from detections.running.scheduler import Job, Turn
from detections.span import Span
from trailhound.errors import UsageError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.settings.detections import TrustedCallSettings
from trailhound.state.known_automation import KnownAutomation, KnownAutomations

LOG = logging.getLogger("trailhound.detections")
EVERY: Final = 3600.0
"""Seconds between two runs of the job, and so until a past day or a closed alert counts."""
FRESH: Final = 60.0
"""Seconds for which entries read from the ledger are used."""


class AutomationHistory:
    """A pack whose rules leave out known automation; `refresh` reads the entries from the
    ledger."""

    def __init__(self, client: OpenSearch, settings: Settings, pack: Pack) -> None:
        self._settings = settings.detections.known_automation
        self._entries = KnownAutomations(client, settings)
        self._rules = TrustingRules(pack.compiled)
        self._read_at: float | None = None
        self.pack = replace(pack, compiled=self._rules)

    def refresh(self) -> None:
        """Use the current entries, read at most `FRESH` seconds ago.

        Raises opensearch-py's exceptions, `RequestFailedError`.
        """
        now = time.monotonic()
        if not self._rules.asking or (self._read_at is not None and now < self._read_at + FRESH):
            return
        self._rules.use(relation_of(self._settings, self._entries.all()))
        self._read_at = now


def learning_job(client: OpenSearch, settings: Settings) -> Job | None:
    """A job that learns every hour, and logs how many of the events ingested since the last run the
    rules left out. None where learning is off."""
    if not settings.detections.known_automation.enabled:
        return None

    lookback = timedelta(minutes=settings.detections.lookback_minutes)
    counted: datetime | None = None
    learner: Learner | None = None

    def learn(turn: Turn) -> str | None:
        nonlocal counted, learner
        if not turn.holds_lease():
            return None
        now = datetime.now(UTC)
        pack = load(settings.detections)
        if learner is None or learner.pack is not pack:
            learner = Learner(client, settings, pack)
        done = learner.run(now, unsearched=False)
        changes = done.changes
        withheld = _withheld(done.withheld)
        if withheld:
            LOG.info(withheld)
        if changes.new or changes.ended:
            numbers = {"new": len(changes.new), "ended": len(changes.ended)}
            LOG.info("known automation changed", extra={"fields": numbers})
        until = now - lookback  # events ingested before can be searched
        since = counted or (turn.last_success or now - timedelta(seconds=EVERY)) - lookback
        span = Span(min(since, until), until, "event.ingested")
        for each in left_out(client, settings, lambda: pack, [span.query()]):
            fields = {"rule": each.rule, "id": each.rule_id, "events": each.events}
            LOG.info("left out as known automation", extra={"fields": fields})
        counted = until
        return withheld

    return Job(JOB, EVERY, learn)


def _withheld(calls: int) -> str | None:
    """A sentence on the calls that were not learned, and what to do about it; None for none."""
    if not calls:
        return None
    return (
        f"{plural(calls, 'regular call')} not learned, since no rule can have "
        "looked at enough of the days: run `trailhound detect` over them and close what is benign, "
        "or `trailhound automation learn`"
    )


TRUSTED_FOR: Final = timedelta(days=90)
"""How long calls that somebody trusts are known, unless an end is given."""


class KnownCalls:
    """The entries of a namespace, and decisions of people about them. Raises opensearch-py's
    exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._entries = KnownAutomations(client, settings)

    def all(self) -> list[KnownAutomation]:
        """Every stored entry, including ended ones; not those of the settings."""
        return self._entries.all()

    def learn(self, now: datetime, *, record: bool = True) -> LearnedToday:
        """Learn once. Unlike for the daemon's job, days count that no rule looked at."""
        pack = load(self._settings.detections)
        return Learner(self._client, self._settings, pack).run(now, record=record)

    def unsearched(self, now: datetime) -> list[date]:
        """Days before `now` that count for learning although perhaps no rule has looked at them."""
        span = span_before(now.astimezone(UTC).date(), self._settings.detections.known_automation)
        return unsearched_days(self._client, self._settings, span, NEW_ENTRY.id)

    def trust(
        self, calls: TrustedCallSettings, by: str, now: datetime, note: str = ""
    ) -> list[KnownAutomation]:
        """Store entries for calls from now on; raises an alert where the call was made recently.
        What is trusted already by such an entry has no second one: it is extended where it would
        end earlier."""
        made = [
            KnownAutomation(
                role=calls.role,
                call=call,
                network=network,
                endpoint=calls.vpc_endpoint,
                since=now,
                until=calls.until or now + TRUSTED_FOR,
                origin="set",
                by=by,
                note=note,
            )
            for call in calls.calls
            for network in calls.networks
        ]
        held = {
            each.what: each
            for each in self._entries.all()
            if each.origin == "set" and each.holds(now)
        }
        made = [_extended(held.get(each.what), each) for each in made]
        self._entries.write(each for each in made if held.get(each.what) != each)
        raise_alerts(self._client, self._settings, now)
        return made

    def doubts(self, calls: TrustedCallSettings) -> list[str]:
        """Why calls may be misspelt: names of roles and calls that no event has."""
        rules = load(self._settings.detections).compiled
        return doubts(self._client, self._settings, rules, calls.role, calls.calls)

    def forget(
        self, names: Sequence[str], by: str, now: datetime, note: str = ""
    ) -> list[KnownAutomation]:
        """End entries, given by ids or unique prefixes of ids. Only later days count for learning
        them again. Raises `UsageError` for a prefix of no or several ids."""
        entries = self._entries.all()
        chosen = [_named(name, entries) for name in names]
        made = [
            msgspec.structs.replace(
                each,
                until=max(each.since, min(each.until, now)),
                forgotten=now,
                by=by,
                note=note or each.note,
            )
            for each in chosen
        ]
        self._entries.write(made)
        return made


def _named(name: str, entries: Sequence[KnownAutomation]) -> KnownAutomation:
    found = [each for each in entries if each.key.startswith(name.lower())]
    if len(found) != 1 or not name:
        what = f"{len(found)} entries have" if found else "no entry has"
        raise UsageError(
            f"{what} an id that begins with {name!r}", hint="see `trailhound automation list --all`"
        )
    return found[0]


def _extended(held: KnownAutomation | None, made: KnownAutomation) -> KnownAutomation:
    """The entry that is held already, up to the later of the two ends; `made` where there is
    none."""
    if held is None:
        return made
    if made.until <= held.until:
        return held
    return msgspec.structs.replace(held, until=made.until, by=made.by, note=made.note or held.note)
