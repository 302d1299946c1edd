"""What the report can't show: missing days, records left out, rules that did not run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from opensearchpy import OpenSearch

from trailhound.cluster.waiting import DISMISSED, WAITING
from trailhound.posture import Posture
from trailhound.report.collect.absent_days import ClosedDays, closed_days, empty_days
from trailhound.report.collect.advice import Advised
from trailhound.report.collect.attack import BEFORE_THE_TRAIL
from trailhound.report.collect.query import Index, Tally
from trailhound.report.collect.recorded_gaps import SILENT, recorded_gaps
from trailhound.report.collect.rule_state import RuleState
from trailhound.report.findings import Findings
from trailhound.report.render.words import count, listed, when, without_alerts
from trailhound.report.value import Coverage, Gap, Integrity, Scope, Totals
from trailhound.state.denied_folders import DeniedFolder
from trailhound.state.objects import ObjectState

MISSING_ACCOUNTS = "Accounts that are not in the index"
"""The title of the gap about accounts of `--account` that have no event."""
NO_EVENTS = "No events"
"""The title of the gap of a report whose time and accounts have no event."""
CLOSED_DAYS = "Closed days"
"""The title of the gap about days of the report's time that were not searched."""
UNREADABLE_EVENTS = "Events of incidents that cannot be read"
"""The title of the gap about what the advice lacks."""
UNCHECKED_ACCOUNTS = "Accounts that were not checked"


@dataclass(frozen=True, slots=True)
class GapFacts:
    """What gaps are found by, besides the index. `elsewhere`: the accounts of all events if the
    report selects accounts, else empty; `ends`: the times of the first and the last event of the
    index, where the report has none; `now`: the time of the report."""

    totals: Totals
    scope: Scope
    accounts: Tally
    findings: Findings
    advised: Advised
    rules: RuleState
    coverage: Coverage
    integrity: Integrity
    elsewhere: frozenset[str]
    ends: tuple[datetime, datetime] | None
    now: datetime


def gaps(index: Index, client: OpenSearch, facts: GapFacts) -> tuple[Gap, ...]:
    """All gaps, the important ones first."""
    closed = closed_days(index, client)
    found = [
        *_accounts(facts),
        *_events(facts),
        *_detections(facts),
        *_switched_off(facts),
        *_known_automation(facts),
        *_learning(facts),
        *_integrity(facts),
        *_silence(index, facts, closed),
        *_ingest(index),
        *_closed_days(closed),
        *_unreadable(facts.advised),
        *(recorded_gaps(index, facts.scope, facts.now) if facts.totals.events else ()),
    ]
    return tuple(sorted(found, key=lambda gap: not gap.important))


def unchecked(posture: Posture, accounts: Sequence[str]) -> list[Gap]:
    """A gap about accounts that have events and are not in the posture."""
    seen = {each.account for each in posture.accounts}
    missing = [each for each in accounts if each not in seen]
    if not missing:
        return []
    return [
        Gap(
            UNCHECKED_ACCOUNTS,
            f"{count(len(missing), 'account')} with events: {listed(missing, 20)}. How they are "
            "logged is not known.",
            "run `trailhound aws check --organisation --role NAME`, or with `--account` for each",
        )
    ]


def _switched_off(facts: GapFacts) -> Iterator[Gap]:
    """What settings keep rules from reporting."""
    off, left_out = facts.rules.disabled, facts.rules.excepted
    if off:
        yield Gap(
            "Rules that are switched off",
            f"{count(len(off), 'rule')} {'is' if len(off) == 1 else 'are'} disabled by "
            f"`detections.overrides`: {listed(off, 20)}.",
            "nothing, if this is intended",
        )
    if left_out:
        more = f", and of {count(len(left_out) - 10, 'more rule')}" if len(left_out) > 10 else ""
        yield Gap(
            "Events left out by exceptions",
            f"{'; '.join(each.sentence() for each in left_out[:10])}{more}.",
            "`trailhound rules list` shows the exceptions, and which rules each narrows",
        )


def _known_automation(facts: GapFacts) -> Iterator[Gap]:
    if facts.rules.left_out:
        yield Gap(
            "Events left out as known automation",
            f"{'; '.join(each.sentence() for each in facts.rules.left_out)}.",
            "`trailhound automation list` shows whose calls these are; `automation forget` ends it",
        )
    if facts.rules.known.active or not facts.totals.events:
        return
    sentence = facts.rules.known.sentence()
    yield Gap(
        "Nothing is known automation yet",
        f"{sentence[:1].upper()}{sentence[1:]}. Rules that leave known automation out report what "
        "pipelines do every day too.",
        "close such alerts as benign, and keep the daemon running; `trailhound automation list` "
        "shows what is known",
    )


def _learning(facts: GapFacts) -> Iterator[Gap]:
    if facts.rules.learning:
        yield Gap(
            "Alerts of rules that were still learning",
            f"{'; '.join(each.sentence() for each in facts.rules.learning)}.",
            "`trailhound alerts list --query learning:true` lists them",
        )
    if facts.rules.history:
        yield Gap(
            "Rules without enough history",
            f"When the rules last ran, {facts.rules.history}.",
            "backfill earlier days, or wait: `trailhound status` says what is missing",
        )
    if facts.rules.lacking:
        yield Gap(
            "Rules without data",
            f"With the settings of now, {facts.rules.lacking}.",
            "set what is missing; events that were indexed before have none of it",
        )


def missing_accounts(scope: Scope, elsewhere: Collection[str]) -> list[str]:
    """Selected accounts that have no event at any time."""
    return [account for account in scope.accounts if account not in elsewhere]


def _accounts(facts: GapFacts) -> Iterator[Gap]:
    missing = missing_accounts(facts.scope, facts.elsewhere)
    if missing:
        there = listed(sorted(facts.elsewhere), 20) if facts.elsewhere else "none"
        yield Gap(
            MISSING_ACCOUNTS,
            f"There is no event of {listed(missing, 20)} at any time. Accounts found: {there}.",
            "check `--account`, or backfill the trail of that account",
            important=True,
        )


def _events(facts: GapFacts) -> Iterator[Gap]:
    if facts.totals.events:
        return
    of = " of these accounts" if facts.scope.accounts else ""
    there = "The index has none at all."
    if facts.ends is not None:
        first, last = facts.ends
        there = f"Those in the index are from {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)."
    yield Gap(
        NO_EVENTS,
        f"There is no event{of} in this time, so this report shows nothing. {there}",
        "choose another time, or backfill it; and check that the trail was recording",
        important=True,
    )


def _detections(facts: GapFacts) -> Iterator[Gap]:
    if not facts.findings.total:
        yield Gap(
            "No alerts",
            without_alerts(facts.findings, facts.scope),
            "run `trailhound detect` over this time, or let `trailhound run` do so on schedule",
            important=facts.findings.watched is None,
        )
    if facts.rules.failing:
        yield Gap(
            "Rules that fail",
            f"{count(len(facts.rules.failing), 'rule')} failed when last run on schedule: "
            f"{listed(facts.rules.failing)}.",
            "see `trailhound status` for the reason",
            important=True,
        )
    if not facts.coverage.rules:
        yield Gap(
            "No rules",
            "No detection rules were loaded for this report, so it can't show the coverage.",
            "give the rules with which the detections run",
        )
        return
    blind = [
        tactic.name
        for tactic in facts.coverage.tactics
        if not tactic.rules and tactic.id not in BEFORE_THE_TRAIL
    ]
    if blind:
        yield Gap(
            "Tactics without a rule",
            f"No loaded rule covers {listed(blind, 12)}.",
            "add rules for those that a trail can show",
        )


def _integrity(facts: GapFacts) -> Iterator[Gap]:
    proof = facts.integrity
    if proof.tampered:
        yield Gap("Changed files", proof.sentence, "find out who changed them", important=True)
    elif not proof.verified and facts.totals.events:
        yield Gap("Nothing verified", proof.sentence, "verify the trail's files by their digests")
    if proof.missing and not proof.tampered:
        yield Gap(
            "Deleted files",
            f"{count(proof.missing, 'event')} came from files that digests list and that are gone.",
            "find out who deleted them: `trailhound ledger list --verdict missing`",
            important=True,
        )
    if proof.corrupt and not proof.tampered:
        yield Gap(
            "Damaged files",
            f"{count(proof.corrupt, 'event')} came from files whose gzip checksum is wrong or "
            "missing (`trail.integrity: corrupt`).",
            "fetch those files again, or restore another version of them",
        )
    if proof.conflicts:
        yield Gap(
            "Reused event ids",
            f"{count(proof.conflicts, 'event')} {'has' if proof.conflicts == 1 else 'have'} the id "
            "of a different event.",
            "compare them (`trail.conflict`): one of each pair may be forged",
            important=True,
        )


def _silence(index: Index, facts: GapFacts, closed: ClosedDays) -> Iterator[Gap]:
    if not facts.totals.events:
        return
    of = " of these accounts" if facts.scope.accounts else ""
    since = facts.scope.since
    empty = [] if since is None else empty_days(index, since, _end(facts))
    days = [day for day in empty if day not in closed.days]
    if days:
        yield Gap(
            "Days without events",
            f"{count(len(days), 'day')} within this time {'holds' if len(days) == 1 else 'hold'} "
            f"no event{of} at all: {listed(days, 10)}.",
            "check that the trail was recording, and backfill those days",
            important=True,
        )
    end = _end(facts)
    quiet = [
        f"{each.value} (since {when(each.last)})"
        for each in facts.accounts.first
        if each.last is not None and end - each.last > SILENT
    ]
    if quiet:
        least = "; closed days were not searched" if closed.names else ""
        yield Gap(
            "Accounts without recent events",
            f"No event for over a day before the end of this time: {listed(quiet, 10)}{least}.",
            "check whether their trails still record",
        )


def _end(facts: GapFacts) -> datetime:
    """The end of the report's time, at most now."""
    return min(facts.scope.until or facts.now, facts.now)


def _ingest(index: Index) -> Iterator[Gap]:
    """Gaps from the ledger and the dead letters. They cover all time, not only the window."""
    waits, dismissed = (
        index.search(index.names.deadletter, {"query": each})["hits"]["total"]["value"]
        for each in (WAITING, DISMISSED)
    )
    if waits or dismissed:
        parts = [f"{count(waits, 'record')} of all times could not be indexed so far"] * bool(waits)
        parts += [f"{count(dismissed, 'dead letter')} dismissed"] * bool(dismissed)
        yield Gap(
            "Dead letters",
            f"{', and '.join(parts)}.",
            "see `trailhound deadletters list`, and run `trailhound retry-deadletters`"
            if waits
            else "nothing, if this is intended; see `trailhound deadletters list --dismissed`",
            important=bool(waits),
        )
    entries = index.search(
        index.names.ledger,
        # Only objects: daemons count the same records again.
        {"query": ObjectState.query()},
        {
            "failed": {"filter": {"terms": {"state": ["failed", "archived"]}}},
            "filtered": {"sum": {"field": "filtered"}},
        },
    )
    found = entries.get("aggregations")
    if not found:
        return
    if number := found["failed"]["doc_count"]:
        yield Gap(
            "Files not read",
            f"{count(number, 'file')} of all times could not be read to the end.",
            "see why: `trailhound ledger list`; and run the backfill again",
            important=True,
        )
    folders = {"query": DeniedFolder.query()}
    if number := index.search(index.names.ledger, folders)["hits"]["total"]["value"]:
        yield Gap(
            "Folders not listed",
            f"{count(number, 'folder')} of a bucket may not be listed: what "
            f"{'it holds' if number == 1 else 'they hold'} is not in the index.",
            "see which, and why: `trailhound ledger list --state denied`; and run the backfill "
            "again",
            important=True,
        )
    if number := int(found["filtered"]["value"]):
        yield Gap(
            "Filtered records",
            f"{count(number, 'record')} of all times {'was' if number == 1 else 'were'} left out "
            "by `filter`, by a selection of days, accounts or regions, or by the retention.",
            "nothing, if this is intended",
        )


def _closed_days(closed: ClosedDays) -> Iterator[Gap]:
    if closed.names:
        one = len(closed.names) == 1
        yield Gap(
            CLOSED_DAYS,
            f"{count(len(closed.names), 'day')} of this time "
            f"{'is' if one else 'are'} closed and {'was' if one else 'were'} not searched: "
            f"{listed(closed.names, 10)}.",
            "open their indices (`POST INDEX/_open`) and make the report again",
            important=True,
        )


def _unreadable(advised: Advised) -> Iterator[Gap]:
    if advised.absent:
        yield Gap(
            UNREADABLE_EVENTS,
            "What to do now about incidents that are not closed lacks what these events prove: "
            f"{listed(list(map(str, advised.absent)))}.",
            "open the days that are closed (`POST INDEX/_open`), or backfill those that are gone",
            important=True,
        )
