"""Recorded attacks after a month of ordinary days, by whoever the account's history knows best.

The month is a sample's, with the pipelines of each account brought behind one address. What such a
pipeline did once it is taken to have done every day, and all alerts for closed as benign: as much
is known automation as a month can make it. Then the
pipeline's own role carries out each recorded technique: `new_network`, from elsewhere; `new_call`,
from its own network, where the calls are new; `daily`, the same once a day for 14 days, where the
first day is to be reported, however much is learned afterwards. No engine is needed: the matchers
decide, and the product's own functions learn. Every day of a call counts here, also below the count
of a correlation, which the product does not learn by (`automation.reportable`): more is known here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from bench.forging import AGENT
from detections.automation.learning import Pattern, learn
from detections.automation.relation import Relation, network_of, relation_of
from detections.automation.trusting import TrustingRules
from detections.packs.pack import Pack
from detections.running.file_rules import FileRules
from detections.running.rule_matching import RuleMatching
from detections.span import Span, milliseconds
from enrich.enricher import Enricher
from trailhound.errors import RecordError
from trailhound.settings.detections import KnownAutomationSettings
from trailhound.state.known_automation import KnownAutomation

CHOSEN: Final = KnownAutomationSettings()
DAYS: Final = CHOSEN.within_days
DAILY: Final = 14
DEFINED: Final = ("alarms", "patterns")
HOME: Final = "203.0.113.10"
"""Where the pipelines of the month work."""
ELSEWHERE: Final = "198.51.100.77"
WAYS: Final[Mapping[str, tuple[str, int]]] = {
    "new_network": (ELSEWHERE, 1),
    "new_call": (HOME, 1),
    "daily": (HOME, DAILY),
}
"""Each way: the address, and on how many days."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Month:
    """An account's month: who its pipeline is, and what each role did on which days."""

    account: str
    identity: Mapping[str, Any]
    until: date
    observed: Mapping[Pattern, set[date]]


def month_of(records: Iterable[Record], pack: Pack, enricher: Enricher) -> Month:
    """What a month teaches about the rules of a pack that ask. The pipeline is the role of the
    sample's deployments that is busiest."""
    rules = TrustingRules(pack.compiled).asking
    matching = _Matching(rules)
    observed: dict[Pattern, set[date]] = defaultdict(set)
    busiest: dict[str, list[Any]] = defaultdict(list)
    last = date.min
    for record in records:
        identity = record.get("userIdentity") or {}
        issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
        if "deploy" in str(issuer.get("userName", "")):
            record = record | {"sourceIPAddress": HOME}
            busiest[str(record.get("recipientAccountId"))].append(identity)
        event = _indexed(record, enricher)
        if event is None:
            continue
        last = max(last, _day(event))
        for pattern in matching.patterns(event):
            observed[pattern].add(_day(event))
    every = {last - timedelta(days=number) for number in range(DAYS)}
    home = network_of(HOME, CHOSEN.ipv4_prefix, CHOSEN.ipv6_prefix)
    for pattern, days in observed.items():
        if pattern.network == home:
            days |= every
    account = max(busiest, key=lambda each: len(busiest[each]))
    return Month(account, busiest[account][0], last + timedelta(days=1), observed)


def seasoned(
    month: Month, pack: Pack, attacks: Mapping[str, Sequence[Record]], enricher: Enricher
) -> dict[str, dict[str, list[str]]]:
    """By way and technique, the titles of the rules that report its first day."""
    titles = {rule.id: rule.title for rule in pack.rules}
    found: dict[str, dict[str, list[str]]] = {}
    for way, (address, days) in WAYS.items():
        found[way] = {}
        for name, records in attacks.items():
            trail = [
                event
                for record in _carried_out(month, records, address, days)
                if (event := _indexed(record, enricher)) is not None
            ]
            known = _learned(month, trail, pack, titles, days)
            first = datetime.combine(month.until, datetime.min.time(), UTC)
            span = Span(first, first + timedelta(days=1))
            found[way][name] = _reported(pack, known, trail, span)
    return found


def _learned(
    month: Month,
    trail: Sequence[Record],
    pack: Pack,
    titles: Mapping[str, str],
    days: int,
) -> Relation:
    """What is known after all days of an attack, learned on each of them: none of its own alerts
    keeps a day from counting."""
    rules = TrustingRules(pack.compiled)
    matching = _Matching(rules.asking)
    observed = {pattern: set(seen) for pattern, seen in month.observed.items()}
    for event in trail:
        for pattern in matching.patterns(event):
            observed.setdefault(pattern, set()).add(_day(event))
    entries: dict[str, KnownAutomation] = {}
    for number in range(days + 1):
        today = month.until + timedelta(days=number)
        done = learn(observed, entries.values(), today, CHOSEN, titles)
        entries |= {each.key: each for each in (*done.new, *done.kept, *done.ended)}
    return relation_of(CHOSEN, entries.values())


def _reported(pack: Pack, known: Relation, trail: Sequence[Record], span: Span) -> list[str]:
    trusting = TrustingRules(pack.compiled)
    trusting.use(known)
    rules = FileRules(replace(pack, compiled=trusting), span)
    try:
        for number, event in enumerate(trail):
            time = milliseconds(datetime.fromisoformat(str(event["@timestamp"])))
            if matched := rules.matches(event):
                rules.events.add(str(number), time, event, matched)
        return [
            f"{rule.title} ({rule.level})"
            for rule in rules.rules
            if rule.place.path.parent.name not in DEFINED
            and next(rules.findings(rule), None) is not None
        ]
    finally:
        rules.close()


def _carried_out(
    month: Month, records: Sequence[Record], address: str, days: int
) -> Iterator[Record]:
    """A technique by the month's pipeline, on each of the days after the month."""
    times = [datetime.fromisoformat(str(each["eventTime"])) for each in records]
    start = datetime.combine(month.until, datetime.min.time(), UTC) + timedelta(hours=10)
    for day in range(days):
        for record, time in zip(records, times, strict=True):
            account = str(record.get("recipientAccountId") or "")
            written = json.dumps(record)
            if account:
                written = written.replace(account, month.account)
            moved = start + timedelta(days=day) + (time - min(times))
            yield json.loads(written) | {
                "userIdentity": dict(month.identity),
                "sourceIPAddress": address,
                "userAgent": AGENT,
                "recipientAccountId": month.account,
                "eventTime": moved.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "eventID": f"{record.get('eventID', '')}-{day}",
            }


class _Matching:
    """Which patterns an event is of, for the rules that ask."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._names = list(rules)
        self._matching = RuleMatching(list(rules.values()))

    def patterns(self, event: Mapping[str, Any]) -> Iterator[Pattern]:
        identity = event.get("userIdentity") or {}
        issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
        address = (event.get("source") or {}).get("ip") or event.get("source.ip") or ""
        network = network_of(str(address), CHOSEN.ipv4_prefix, CHOSEN.ipv6_prefix)
        if not issuer.get("arn") or not network or identity.get("invokedBy"):
            return
        if str(event.get("sessionCredentialFromConsole")).lower() == "true":
            return
        for number in self._matching.of(event):
            yield Pattern(
                self._names[number],
                str(event.get("recipientAccountId") or ""),
                issuer["arn"],
                issuer.get("principalId") or "",
                event["eventSource"],
                event["eventName"],
                network,
                str(event.get("vpcEndpointId") or ""),
            )


def _indexed(record: Record, enricher: Enricher) -> Record | None:
    try:
        return {**record, **enricher.document_fields(record)}
    except RecordError:
        return None


def _day(event: Mapping[str, Any]) -> date:
    return datetime.fromisoformat(str(event["@timestamp"])).date()
