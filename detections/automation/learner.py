"""Learns known automation from the index, stores it, and raises an alert about each new entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.automation.learning import Learned, Pattern, learn
from detections.automation.observing import (
    alert_days,
    examples,
    harmless_days,
    observed,
    span_before,
)
from detections.automation.reportable import ReportableDays, users_of
from detections.automation.searched import searched_by
from detections.automation.trusting import TrustingRules
from detections.finding import Finding
from detections.packs.forms import forms_of
from detections.packs.pack import Pack
from detections.rule import SEVERITIES, Attack, FilePosition, Rule
from detections.span import Span
from trailhound.settings import Settings
from trailhound.state.known_automation import KnownAutomation, KnownAutomations
from trailhound.state.rule_checkpoints import RuleCheckpoints

NEW_ENTRY: Final = Rule(
    id="3b0c2b0e-8f0a-4a35-9d1f-6c1f0f6f2d8e",
    title="A call became known automation",
    kind="sigma",
    level="low",
    definition=None,
    place=FilePosition(Path(__file__)),
    severity=SEVERITIES["low"],
    description=(
        "A role made a call from one network on many days, and rules leave it out from now on. "
        "Whoever has the role's credentials and works from there is not reported for this call."
    ),
    attack=Attack(("defense-evasion",), ("T1078.004",)),
    falsepositives=("A pipeline that does its work",),
    response=(
        "Is it a pipeline's call, from the pipeline's network? Then close the alert as benign.",
        "If not: `trailhound automation forget ID`, and look at what the role did.",
    ),
)
"""The rule of alerts about new entries. It is not in the pack, since it searches for nothing."""


@dataclass(frozen=True, slots=True)
class LearnedToday:
    """What was learned of the days before `day`. `withheld`: entries that were not made because too
    few of their days were looked at by a rule; `unsure`: those that were made nevertheless."""

    day: date
    changes: Learned
    observed: int
    withheld: int = 0
    unsure: tuple[KnownAutomation, ...] = ()


class Learner:
    """Learns for the rules of a pack that exclude known automation. It remembers until the next
    day what rules found on which days, so that a further run costs less."""

    def __init__(self, client: OpenSearch, settings: Settings, pack: Pack) -> None:
        self._client = client
        self._settings = settings
        self._chosen = settings.detections.known_automation
        self.pack = pack
        self._entries = KnownAutomations(client, settings)
        self._reportable = ReportableDays(client, settings, pack)
        self._users = users_of(pack)

    def run(self, now: datetime, *, record: bool = True, unsearched: bool = True) -> LearnedToday:
        """Learns from the days before `now`; without `record` nothing is written.

        `unsearched`: days count, too, of which all events came after the scheduled rules had passed
        and about which there is no alert. Somebody has to want that: who can write files to the
        bucket can make up such days. Without it no entry begins by them; one that exists may go on.

        A further run changes nothing until a day has passed or an alert was closed. Raises
        `ClusterError`, opensearch-py's exceptions, and `RequestFailedError`.
        """
        today = now.astimezone(UTC).date()
        span = span_before(today, self._chosen)
        rules = TrustingRules(self.pack.compiled).asking
        marks = RuleCheckpoints(self._client, self._settings).read()
        forms = forms_of(self.pack, self._settings.detections.placeholders)
        seen = observed(
            self._client,
            self._settings,
            rules,
            span,
            lambda name: searched_by(self._users.get(name, ()), marks, forms),
        )
        alerts = alert_days(self._client, self._settings, span, NEW_ENTRY.id)
        entries = self._entries.all()
        counted = self._reportable.of(
            {pattern: days - alerts.of(pattern) for pattern, days in seen.days.items()},
            entries,
            today,
        )
        changes = learn(counted, entries, today, self._chosen, self._titles())
        unsure: tuple[KnownAutomation, ...] = ()
        if changes.new:
            harmless = harmless_days(self._client, self._settings, span, NEW_ENTRY.id)
            looked_at = {
                pattern: days - (seen.late(pattern) - harmless.of(pattern))
                for pattern, days in counted.items()
            }
            made = learn(looked_at, entries, today, self._chosen, self._titles()).new
            sure = {each.what for each in made}
            unsure = tuple(each for each in changes.new if each.what not in sure)
        withheld = 0
        if unsure and not unsearched:
            new = tuple(each for each in changes.new if each not in unsure)
            withheld, unsure = len(unsure), ()
            changes = replace(changes, new=new)
        if record:
            self._entries.write([*changes.new, *changes.kept, *changes.ended])
            raise_alerts(self._client, self._settings, now)
        return LearnedToday(today, changes, len(seen.days), withheld, unsure)

    def _titles(self) -> Mapping[str, str]:
        return {rule.id: rule.title for rule in (*self.pack.rules, *self.pack.disabled)}


def raise_alerts(client: OpenSearch, settings: Settings, now: datetime) -> None:
    """Raises the alert of each entry that has none yet. An entry without a call in the index gets
    none; it is in the list nevertheless."""
    store = KnownAutomations(client, settings)
    recorder = Recorder(client, settings, {NEW_ENTRY.id: NEW_ENTRY})
    for entry in store.all():
        if entry.alerted:
            continue
        if finding := _finding(client, settings, entry, now):
            recorder.record([finding])
        store.write([msgspec.structs.replace(entry, alerted=True)])


def _finding(
    client: OpenSearch, settings: Settings, entry: KnownAutomation, now: datetime
) -> Finding | None:
    if entry.last_day is None:
        span = span_before(now.astimezone(UTC).date(), settings.detections.known_automation)
    else:
        span = Span(entry.last_day, entry.last_day + timedelta(days=1))
    found = examples(client, settings, Pattern(*entry.what), span)
    if not found:
        return None
    return Finding(
        rule_id=NEW_ENTRY.id,
        events=tuple(name for name, _ in found),
        count=len(found),
        first_seen=found[0][1],
        last_seen=found[-1][1],
        group=(("known_automation", entry.key),),
        detail=sentence_of(entry),
    )


def sentence_of(entry: KnownAutomation) -> str:
    """An entry in one sentence."""
    who = entry.role.rpartition("/")[2]
    where = f"{entry.network} by {entry.endpoint}" if entry.endpoint else entry.network
    rule = f"the rule {entry.rule!r}" if entry.rule else "every rule"
    how = f"made on {entry.days} of the days before" if entry.origin == "learned" else "set by hand"
    return (
        f"{entry.call} of the role {who} from {where} is known automation for {rule} from "
        f"{entry.since:%F} until {entry.until:%F}: {how}"
    )
