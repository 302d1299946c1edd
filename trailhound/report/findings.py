"""The findings of a report, as plain values: alerts, how they were closed, and ranked entries.

They are a part of the published JSON form: see `trailhound.report.value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trailhound.report.event import Band, CallCount, Event, Moment


@dataclass(frozen=True, slots=True)
class DetailedAlert:
    """An alert in full. `count` is its number of events; if `exact` is false, at least so many.
    `evidence` are the first of them, at most 100; `held` is the number of events known by id, and
    `missing` the number of those that are no longer in the index. `alike` is the number of alerts
    of its rule about the same principals, this one included.
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
    """A way in which alerts were closed: the disposition (empty if none was given), by whom, with
    which note; and the number of alerts."""

    disposition: str
    by: str
    note: str
    alerts: int


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert in the list of all alerts. `count` is its number of events; if `exact` is false, at
    least so many. `calls` is empty for alerts of releases that did not record them. `attempt`: none
    of its calls succeeded. `incident` is the id of its incident. `closed_as`: how it was closed;
    empty if it is not.
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
    """An entry that a reader decides on: an incident, or the alerts of one rule about the same
    principals. `ids` are the alerts by rank; `id` is that of the incident or the first of `ids`.
    `alerts` is their number, `open` that of those not closed. `events` is the number of events; if
    `exact` is false at least so many.
    `closed_as`: how the closed alerts were closed, the most frequent way first. Of an incident:
    `raised_from` is the level of its most severe alert and `raised_because` the reason, where facts
    raise it above that; `done_rules` and `done_tactics` are of its alerts of level medium and above
    that say what was done.
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
    raised_from: str = ""
    raised_because: str = ""
    done_rules: int = 0
    done_tactics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingBand:
    """The alerts of a band: their number, the number of those not closed, and the first by rank in
    full. `top` has one alert for each rule and principal, and one of each rule before the second
    of any rule.
    """

    band: Band
    total: int
    open: int
    top: tuple[DetailedAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """The alerts of the report's time. `open` is the number of those not closed. `all` has every
    alert by rank: open before closed, then by falling level and severity and number of events.

    `critical` and `critical_open` are the numbers of critical alerts and of those not closed; these
    are in the high band too. `entries` are the incidents, and one entry for each rule and principal
    of the other alerts, by rank: open before closed, incidents before alerts, then as in `all`.
    `top` are the first five entries by falling level and severity.

    `watched` is when rules last ran on schedule; null if they never did. Whether `detect` was run
    is not recorded.
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
