"""The content of a report, as plain values: everything that HTML, JSON and PDF show.

Times are in UTC. Texts from events are as they were recorded; renderers make them safe to show
(`visible`). The JSON form of `Report` is published as `docs/report.schema.json`; the alerts in it
are in `findings.py` beside this, an event in `event.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from detections.incidents.step import Step
from trailhound.posture import Posture
from trailhound.report.event import Event, Moment
from trailhound.report.findings import Findings

FORMAT: Literal["trailhound-report/1"] = "trailhound-report/1"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the report covers. `since` is included, `until` is not.

    A limit that was not given is that of the events, or null without events. `accounts` is empty
    for all accounts.
    """

    since: Moment | None
    until: Moment | None
    accounts: tuple[str, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact counts. `high_risk`: events with a risk score of 8 or more. `accounts` to `countries`:
    numbers of distinct values.

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
    """A bucket of the timeline, `Timeline.seconds` long from `start`.

    `other`: events with an unknown outcome. Alerts count at their first event.
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
    """Events by outcome and alerts by level over time, including empty buckets."""

    seconds: int
    slots: tuple[TimeBucket, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """The number of events with a risk score."""

    score: int
    events: int


@dataclass(frozen=True, slots=True)
class CountryPoint:
    """The events of a country, at the centre of their places (degrees)."""

    country: str
    code: str
    latitude: float
    longitude: float
    events: int
    high_risk: int


@dataclass(frozen=True, slots=True)
class Places:
    """The number of events on the map, and of the others: `inside` came from AWS services, private
    addresses or none, `unknown` from external addresses without a known location. The sum of the
    three is the number of all events.
    """

    mapped: int = 0
    inside: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a ranking. `note` adds information about the value."""

    value: str
    events: int
    failed: int
    high_risk: int
    last: Moment | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The values of a field with the most events. `distinct` is the exact number of all values,
    `events` that of all events that have one.
    """

    distinct: int
    events: int
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Technique:
    """An ATT&CK technique, with the numbers of rules that cover it and of their alerts."""

    id: str
    rules: int
    alerts: int


@dataclass(frozen=True, slots=True)
class Tactic:
    """An ATT&CK tactic, with the numbers of rules that cover it and of their alerts, and the
    techniques they name."""

    id: str
    name: str
    rules: int
    alerts: int
    techniques: tuple[Technique, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """ATT&CK coverage. `rules` is the number of rules that raise alerts. It is 0 if no rules were
    given; then the tactics are only those that alerts name.
    """

    rules: int
    fired: int
    tactics: tuple[Tactic, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A principal, call or resource, in lane 0, 1 or 2. `bad` marks nodes with events of high risk.

    `failed` is the number of failed events. `folded` is 0, or the number of principals, calls or
    resources that share this node for lack of room. `account` is that of a principal.
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
    """An edge between two nodes; `failed` of its events failed."""

    source: str
    target: str
    events: int
    failed: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Who called what on which resource, in the evidence of all high alerts; if there are none, of
    the alerts shown in full; without alerts, in the events of the highest risk.

    `left_out` is the number of principals, calls and resources that are folded into the last node
    of their lane. `events` is the number of drawn events, `events_left_out` that of further events
    of the alerts, which were too many to read.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    left_out: int = 0
    events: int = 0
    events_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Integrity:
    """Numbers of events by the integrity of their files, as CloudTrail's digests prove it.

    `corrupt`: from files with a wrong gzip checksum. `missing`: those of the verified and
    unverified ones whose file was deleted since. `conflicts`: have the id of a different event.
    `repaired`: were changed to be indexed. `incomplete`: not all of their resources could be
    identified.
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
    """Something that the report cannot show, and what to do about it.

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
    """A kind of evidence for a control: the number of events, the time of the last one, the
    principals with the most of them, and how many are failed calls.
    """

    what: str
    events: int
    last: Moment | None = None
    principals: tuple[str, ...] = ()
    failed: int = 0


Verdict = Literal["look", "evidence", "none"]
"""`look`: a person should review what was found; `evidence`: the index has the events that the
control requires to be recorded; `none`: the index has nothing on it."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a framework, and what the index shows for it."""

    id: str
    title: str
    verdict: Verdict
    shows: str
    limits: str
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Compliance:
    """The controls of a framework for which a trail has evidence."""

    framework: str
    title: str
    note: str
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftCall:
    """A call without a step: its number of events, and what some of them were about."""

    name: str
    events: int
    failed: int = 0
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do now about an incident, by what its events prove; nothing of it was run. `left`:
    the successful changes of the same principals for which there is no step, by call; `left_out`:
    what was not looked at, and why; `aside` who is in it and has no step, and why.
    """

    id: str
    title: str
    steps: tuple[Step, ...]
    left: tuple[LeftCall, ...]
    left_out: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The complete report. `story` has the sentences of the summary, the most important first.

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
    advice: tuple[Advice, ...] = ()
    """For the incidents of `findings.top` that are not closed."""
    posture: Posture | None = None
    """The result of `trailhound aws check`, if it was given."""
    format: Literal["trailhound-report/1"] = FORMAT
