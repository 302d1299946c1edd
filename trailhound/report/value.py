"""The content of a report, as plain values: everything that HTML, JSON and PDF show.

Times are in UTC. Texts that come from events are as they were recorded: whoever shows them makes
them harmless (`visible`). The JSON form of `Report` is published as `docs/report.schema.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from trailhound.posture import Posture

FORMAT: Literal["trailhound-report/1"] = "trailhound-report/1"

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone, which is UTC."""

Band = Literal["high", "medium", "low"]
"""Of a severity or risk score from 1 to 10: high from 8, medium from 5, low below."""

BANDS: tuple[Band, ...] = ("high", "medium", "low")
HIGH, MEDIUM = 8, 5


def band_of(score: int) -> Band:
    """The band of a score.

    >>> band_of(8), band_of(5), band_of(4)
    ('high', 'medium', 'low')
    """
    return "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the report is about. `since` is included, `until` is left out.

    A limit that was not asked for is that of the events; without events it is null. `accounts` is
    empty for all.
    """

    since: Moment | None
    until: Moment | None
    accounts: tuple[str, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact counts. `high_risk` has a risk score of 8 or more; `principals` and so on are distinct.

    `first` and `last` are the times of the first and the last event.
    """

    events: int = 0
    failed: int = 0
    high_risk: int = 0
    accounts: int = 0
    regions: int = 0
    principals: int = 0
    addresses: int = 0
    countries: int = 0
    first: Moment | None = None
    last: Moment | None = None


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """One stretch of the timeline, from `start`, `Timeline.seconds` long.

    `other` are events whose outcome is not known. Alerts count at their first event.
    """

    start: Moment
    success: int = 0
    failure: int = 0
    other: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events by outcome and alerts by severity, over time; stretches without any are there too."""

    seconds: int
    slots: tuple[TimeBucket, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """How many events have a risk score."""

    score: int
    events: int


@dataclass(frozen=True, slots=True)
class CountryPoint:
    """A country's events, at the middle of where they came from (degrees)."""

    country: str
    code: str
    latitude: float
    longitude: float
    events: int
    high_risk: int


@dataclass(frozen=True, slots=True)
class Places:
    """How many events have a place on the map, and why the others have none: `inside` came from
    AWS services, private addresses or none, `unknown` from addresses outside whose location is not
    known. The three add up to all events.
    """

    mapped: int = 0
    inside: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a ranking. `note` adds what the value alone does not say."""

    value: str
    events: int
    failed: int
    high_risk: int
    last: Moment | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The values of a field with the most events. `distinct` counts all values, `events` all
    events that have one; both are exact.
    """

    distinct: int
    events: int
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that a call touched: the kind is a leaf of `resource.*`, such as `bucket`."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event, in the few fields that a reader looks at first; absent ones are empty."""

    id: str
    time: Moment
    principal: str = ""
    account: str = ""
    region: str = ""
    source: str = ""
    call: str = ""
    address: str = ""
    country: str = ""
    agent: str = ""
    outcome: str = ""
    error: str = ""
    risk: int = 0
    reasons: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class CallCount:
    """A call of an alert or a step: how many of its events there are, and how many failed."""

    name: str
    events: int
    failed: int = 0


@dataclass(frozen=True, slots=True)
class DetailedAlert:
    """One alert. `evidence` are the first of its events, at most 100; `held` of its events are
    known by id, `missing` of those `evidence` are no longer in the index. `count` is how many
    there were in all; where `exact` is false, at least so many. `alike` is how many alerts its
    rule raised about the same principals, this one included.
    """

    id: str
    rule: str
    title: str
    severity: int
    level: str
    state: str
    first: Moment
    last: Moment
    count: int
    exact: bool = True
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    detail: str = ""
    description: str = ""
    response: tuple[str, ...] = ()
    held: int = 0
    missing: int = 0
    evidence: tuple[Event, ...] = ()
    alike: int = 1


@dataclass(frozen=True, slots=True)
class Closing:
    """One way in which alerts were closed: as what (`disposition`, empty where none was given), by
    whom, with which note; and how many alerts."""

    disposition: str
    by: str
    note: str
    alerts: int


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert in a line of the list of all. `count` is its number of events; where `exact` is
    false, at least so many. `calls` are empty for alerts of releases that did not record them;
    `attempt`: nothing of it succeeded. `incident` is the id of the incident that it belongs to.
    `closed_as`: how it was closed; empty where it is not.
    """

    id: str
    rule: str
    title: str
    severity: int
    level: str
    state: str
    first: Moment
    last: Moment
    count: int
    exact: bool = True
    principals: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    calls: tuple[CallCount, ...] = ()
    attempt: bool = False
    incident: str = ""
    closed_as: tuple[Closing, ...] = ()


EntryKind = Literal["incident", "alert"]


@dataclass(frozen=True, slots=True)
class RankedEntry:
    """What a reader has to decide on: an incident, or the alerts of one rule about the same
    principals. `id` is that of the incident or of the first of `ids`, which name the alerts by
    rank. `alerts` are how many, `open` those of them that nobody has closed; `events` is the sum
    of their counts, where `exact` is false at least so many: alerts of an incident may count the
    same events. `closed_as`: how its closed alerts were closed, the most frequent way first.
    """

    kind: EntryKind
    id: str
    rule: str
    title: str
    severity: int
    level: str
    state: str
    alerts: int
    open: int
    events: int
    first: Moment
    last: Moment
    exact: bool = True
    attempt: bool = False
    principals: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    calls: tuple[CallCount, ...] = ()
    ids: tuple[str, ...] = ()
    closed_as: tuple[Closing, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingBand:
    """A band's alerts: how many in all, how many of them nobody has closed, and the first by rank
    in full. `top` has one alert for a rule and principal, and one of each rule before a rule's
    second one.
    """

    band: Band
    total: int
    open: int
    top: tuple[DetailedAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """Alerts of the time, by severity. `open` are those that nobody has closed. `all` is every
    alert by rank: open before closed, then by falling severity and number of events.

    `critical` counts the alerts of that level, `critical_open` those that nobody has closed; both
    are in the high band too. `entries` are the incidents and the alerts of none, one entry for a
    rule and principal, by rank: open before closed, incidents before alerts, then as `all`.
    `top` are the first five of those by falling severity alone.

    `watched` is when rules last ran on schedule; null where they never did. Whether they were run
    over history by hand is not recorded.
    """

    total: int
    open: int
    bands: tuple[FindingBand, ...] = ()
    all: tuple[AlertRow, ...] = ()
    watched: Moment | None = None
    critical: int = 0
    critical_open: int = 0
    entries: tuple[RankedEntry, ...] = ()
    top: tuple[RankedEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Technique:
    """An ATT&CK technique that rules cover. `alerts` is what they found."""

    id: str
    rules: int
    alerts: int


@dataclass(frozen=True, slots=True)
class Tactic:
    """An ATT&CK tactic: rules that cover it, alerts they raised, techniques they name."""

    id: str
    name: str
    rules: int
    alerts: int
    techniques: tuple[Technique, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of ATT&CK is watched for. `rules` counts those that raise alerts; 0 where none were
    given, and then only what the alerts name is known.
    """

    rules: int
    fired: int
    tactics: tuple[Tactic, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """Who, a call, or something: `lane` 0, 1 or 2. `bad` marks those with events of high risk.

    `failed` of its events were refused. `folded` is 0 for one of them; a node for several that
    have no room of their own says how many they are. `account` is the principal's.
    """

    id: str
    lane: int
    kind: str
    label: str
    events: int
    bad: bool = False
    failed: int = 0
    folded: int = 0
    account: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node to another; `failed` of its events were refused."""

    source: str
    target: str
    events: int
    failed: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Who called what on which resource, in the evidence of all high alerts; where none is high,
    of those shown in full; without alerts, in the events of the highest risk.

    `left_out` counts the principals, calls and resources that have no place of their own: they are
    folded into one node of their lane. `events` are those drawn, `events_left_out` those of the
    alerts that were not read, for their number.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    left_out: int = 0
    events: int = 0
    events_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Integrity:
    """Whether the files that events came from were proved genuine by CloudTrail's digests.

    Counts of events. `corrupt` are from files whose gzip checksum is wrong; `missing`, of the
    verified and unverified ones, from files that were deleted since; `conflicts` bear the id of a
    different event; `repaired` were changed to be indexed, `incomplete` have resources that could
    not all be identified.
    """

    verified: int = 0
    unverified: int = 0
    tampered: int = 0
    corrupt: int = 0
    missing: int = 0
    conflicts: int = 0
    repaired: int = 0
    incomplete: int = 0
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that this report cannot show, and what to do about it.

    `grave` is the name that `important` had in the last release; both are written for one release.
    """

    title: str
    detail: str
    remedy: str
    important: bool = False
    grave: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grave", self.important)


@dataclass(frozen=True, slots=True)
class Proof:
    """One kind of evidence for a control: how many events, the last one, who made most of them,
    and how many of them are calls that failed.
    """

    what: str
    events: int
    last: Moment | None = None
    principals: tuple[str, ...] = ()
    failed: int = 0


Verdict = Literal["look", "evidence", "none"]
"""`look`: what was found asks for a person's judgement; `evidence`: the index holds what the
control asks to be recorded; `none`: the index holds nothing on it."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a framework and what the index has to say on it."""

    id: str
    title: str
    verdict: Verdict
    shows: str
    limits: str
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Compliance:
    """The controls of one framework on which a trail can say anything at all."""

    framework: str
    title: str
    note: str
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report. `story` holds the sentences of its summary, the most important first.

    `riskiest` are the events with the highest risk scores, whether a rule found them or not.
    """

    generated: Moment
    version: str
    scope: Scope
    story: tuple[str, ...]
    totals: Totals
    timeline: Timeline
    risk: tuple[Bar, ...]
    spots: tuple[CountryPoint, ...]
    principals: Ranking
    addresses: Ranking
    countries: Ranking
    errors: Ranking
    calls: Ranking
    findings: Findings
    riskiest: tuple[Event, ...]
    coverage: Coverage
    graph: Graph
    integrity: Integrity
    gaps: tuple[Gap, ...]
    compliance: tuple[Compliance, ...] = ()
    places: Places = Places()
    posture: Posture | None = None
    """What `trailhound aws check` found, if the report was given it."""
    format: Literal["trailhound-report/1"] = FORMAT
