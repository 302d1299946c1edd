"""Makes threats from findings and numbers: their texts and scores.

`threats.py` counts in an index and `file_threats.py` in files; both use this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from detections.events.identity import ADDRESS, ARN, NAME, RECIPIENT
from detections.finding import Finding
from detections.investigation.lead import EVIDENCE, Lead
from detections.rule import Rule
from detections.span import moment

ANOMALY: Final = "a378c706-16eb-4739-88e9-c1a3c72b8c30"
USERS, EVENTS, ERRORS = 3, 100, 10
"""The numbers that a suspicious address exceeds."""
POINTS: Final = {"users": 5, "events": 4, "errors": 6, "geography": 3}
FLAGGED: Final = 7
SUSPICIOUS: Final = "Suspicious address: "
"""How the description of a suspicious address begins; its reasons follow."""
CALLS: Final = 1_000
"""The number of most frequent calls named for a threat; no principal makes more different ones."""
KNOWN: Final = timedelta(days=7)
"""How long an account must be known before a country counts as new for it."""

Countries = Mapping[tuple[str, str], int]
"""(account, "") → the time of the account's first event, (account, country) → that of its first
event from a country; in milliseconds, of all events up to the end of the span. Of what an account
had longer than `KNOWN` before the span, any time before that will do."""


def leads_of(
    family: str,
    pattern: str,
    rule: Rule,
    findings: Iterable[Finding],
    calls_of: Callable[[Finding], Sequence[str]],
) -> list[Lead]:
    """A lead for each user or address, from all its findings of a rule in the span. `calls_of`: the
    calls of a finding's events, the most frequent first."""
    made: dict[str, Lead] = {}
    findings_of: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda each: (each.first_seen, each.events[:1])):
        values = dict(finding.group)
        address = values.get(ADDRESS) if family == "pattern" else None
        name = (
            address
            or values.get(ARN)
            or values.get(NAME)
            or "".join(value for _, value in finding.group[-1:])
        )
        account = values.get(RECIPIENT, "")
        # A person without an ARN can have several accounts.
        key = name if name.startswith("arn:") or address else f"{account}/{name}"
        known = made.get(key)
        if known is None:
            known = made[key] = Lead(
                family=family,
                pattern=pattern,
                score=rule.severity,
                identifier=name,
                activity="ip" if address else "user",
                description=" ".join(rule.description.split()) if family == "pattern" else "",
                more={"anomaly_type": "high_frequency"} if family == "anomaly" else {},
            )
        findings_of.setdefault(key, []).append(finding)
        known.calls = tuple(dict.fromkeys((*known.calls, *calls_of(finding))))
        known.count += finding.count
        known.first = min(known.first or finding.first_seen, finding.first_seen)
        known.last = max(known.last or finding.last_seen, finding.last_seen)
        known.events = (*known.events, *finding.events)[:EVIDENCE]
    for key, lead in made.items():
        lead.description = lead.description or _detail(family, findings_of[key])
    return list(made.values())


def _detail(family: str, findings: Sequence[Finding]) -> str:
    """The text for several findings of a principal: of the largest anomaly or the first other
    finding, and the number of all."""
    if family == "anomaly":
        chosen = max(findings, key=lambda each: (each.count, -each.first_seen.timestamp()))
        which = f", the most of {len(findings):,} such windows"
    else:
        chosen = min(findings, key=lambda each: each.first_seen)
        which = f", the first of {len(findings):,} times"
    return " ".join(chosen.detail.split()) + (which if len(findings) > 1 else "")


@dataclass(frozen=True, slots=True)
class AddressFigures:
    """The numbers of an address in the span; `first` and `last` in milliseconds. `unusual`: why its
    country is suspicious; empty if it is not."""

    address: str
    events: int
    errors: int
    first: int
    last: int
    unusual: str = ""

    def points(self, users: int) -> int:
        """The score, from 0 to 10; `users` is the number of distinct users by account and ARN."""
        return (
            POINTS["users"] * (users > USERS)
            + POINTS["events"] * (self.events > EVENTS)
            + POINTS["errors"] * (self.errors > ERRORS)
            + POINTS["geography"] * bool(self.unusual)
        )

    def lead(self, users: int, calls: Sequence[str], events: Sequence[str]) -> Lead:
        """The threat; `events` are the ids of the first."""
        reasons = [
            *([f"{users:,} users"] if users > USERS else ()),
            *([f"{self.events:,} events"] if self.events > EVENTS else ()),
            *([f"{self.errors:,} with an error"] if self.errors > ERRORS else ()),
            *([self.unusual] if self.unusual else ()),
        ]
        return Lead(
            family="address",
            pattern="suspicious_ip",
            score=min(self.points(users), 10),
            identifier=self.address,
            activity="ip",
            description=SUSPICIOUS + ", ".join(reasons),
            calls=tuple(calls),
            count=self.events,
            first=moment(self.first),
            last=moment(self.last),
            events=tuple(events),
            more={"unique_users": users, "failed_operations": self.errors},
        )


def unusual_country(
    country: str,
    accounts: Iterable[str],
    first: int,
    since: Countries,
    listed: Collection[str],
) -> str:
    """Why a country is suspicious, empty if it is not: listed in the settings (`listed`,
    case-folded), or new for a known account. `first`: the time of the address's first event, in
    milliseconds."""
    if not country:
        return ""
    if country.casefold() in listed:
        return f"from {country}, which is listed"
    known = first - int(KNOWN.total_seconds() * 1000)
    for account in accounts:
        began, seen = since.get((account, ""), first), since.get((account, country), first)
        if began < known and seen >= first:
            return f"from {country}, for the first time in account {account}"
    return ""


def listed_countries(names: Iterable[str]) -> frozenset[str]:
    """The countries of `investigation.suspicious_countries`, as `unusual_country` takes them."""
    return frozenset(each.casefold() for each in names)
