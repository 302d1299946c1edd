"""The leads that a hunt found, and the threat report made from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from detections.alerts.document import stamp

Progress = Callable[[str, int, int], None]
"""Called as a part of a hunt begins: its name, the number of finished parts, and of all parts."""
ActivityType = Literal["user", "ip", "account"]
HIGH, MEDIUM = 8, 5
THREATS: Final = ("pattern", "anomaly", "address")
"""Families of leads that are in the threat report."""
TOP: Final = 5
"""The number of threats that are printed."""
EVIDENCE: Final = 20
COUNTED: Final = ("address", "anomaly", "first")
"""Families that say how much or what is new, not what was done: an ordinary day has many, of any
score. They come after the others."""
GROUPED: Final = (*COUNTED, "credential")
"""Families of which a terminal has one line for many of a kind."""
_FEW: Final = 3
"""The most leads of a kind that are not grouped."""


@dataclass(slots=True)
class Lead:
    """A lead. `score` is 1 to 10; `events` are the ids of its first events."""

    family: str
    pattern: str
    score: int
    identifier: str
    activity: ActivityType
    description: str
    calls: tuple[str, ...] = ()
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    events: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    alerted: bool = False
    """Whether an alert on what was done (of level medium or above) is about the same subject."""

    @property
    def is_volume(self) -> bool:
        """Whether it says only that something is much or new: of a `COUNTED` family, not the first
        call of a high risk in an account, and of nobody whom an alert is about."""
        first_of_risk = self.family == "first" and self.score >= MEDIUM
        return self.family in COUNTED and not self.alerted and not first_of_risk

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "family": self.family,
            **self.as_threat(),
            "events": list(self.events[:EVIDENCE]),
            "alerted": self.alerted,
        }

    def as_threat(self) -> dict[str, Any]:
        """The lead as an entry of the threat report."""
        return {
            "pattern": self.pattern,
            "risk_score": self.score,
            "description": self.description,
            "identifier": self.identifier,
            "activity_type": self.activity,
            "matching_events": list(self.calls),
            "event_count": self.count,
            "first_seen": stamp(self.first) if self.first else None,
            "last_seen": stamp(self.last) if self.last else None,
            **self.more,
        }


def ranked(leads: Iterable[Lead]) -> list[Lead]:
    """The leads as an analyst reads them: what was done, then `COUNTED` ones that are more than
    volume, then the others, each by falling score; within a score those of the most different
    calls, then of the most events."""
    return sorted(
        leads, key=lambda each: (each.family in COUNTED, each.is_volume, *_by_score(each))
    )


def _by_score(each: Lead) -> tuple[Any, ...]:
    last = each.last.timestamp() if each.last else 0
    likely = each.family in COUNTED, each.is_volume
    more = -len(each.calls), -each.count, -last
    return -each.score, *likely, *more, each.pattern, each.identifier


def together(leads: Sequence[Lead], apart: Collection[str] = ()) -> list[Lead]:
    """Ranked leads, in which one lead stands for more than a few of the same pattern of a `GROUPED`
    family, with the first of them named; patterns in `apart` are not grouped.

    >>> many = [Lead("anomaly", "odd", 6, f"u{n}", "user", "", count=n) for n in range(1, 6)]
    >>> [(each.identifier, each.count) for each in together(many)]
    [('5 of them', 15)]
    """
    kinds: dict[str, list[Lead]] = {}
    for each in leads:
        if each.family in GROUPED and each.pattern not in apart:
            kinds.setdefault(each.pattern, []).append(each)
    made: list[Lead] = []
    for each in leads:
        alike = kinds.get(each.pattern, [])
        if len(alike) <= _FEW:
            made.append(each)
        elif each is alike[0]:
            made.append(_one(alike))
    return made


def _one(alike: Sequence[Lead]) -> Lead:
    """One lead for ranked ones of a pattern: the score of the highest, all events."""
    highest = ranked(alike)[0]
    return replace(
        highest,
        identifier=f"{len(alike):,} of them",
        description=f"the highest: {highest.identifier}, {highest.description}",
        calls=(),
        count=sum(each.count for each in alike),
        first=min((each.first for each in alike if each.first), default=None),
        last=max((each.last for each in alike if each.last), default=None),
        more={"together": len(alike)},
    )


def twins_joined(threats: Sequence[Lead]) -> list[Lead]:
    """The threats; those of one pattern about exactly the same events, by user and by address, are
    joined to one.

    >>> both = [Lead("pattern", "p", 9, name, "ip", "", count=3) for name in ("ada", "1.2.3.4")]
    >>> [each.identifier for each in twins_joined(both)]
    ['ada and 1.2.3.4']
    """
    made: dict[object, Lead] = {}
    for each in threats:
        same = (each.pattern, each.score, each.count, each.events, each.first, each.last)
        key: object = same if each.family == "pattern" else id(each)
        twin = made.get(key)
        joined = twin and replace(twin, identifier=f"{twin.identifier} and {each.identifier}")
        made[key] = joined or each
    return list(made.values())


def threats_of(leads: Sequence[Lead]) -> list[Lead]:
    """The threats among leads, by falling score; within a score what was done comes first, then
    addresses and anomalies of those whom an alert is about."""
    return sorted((each for each in leads if each.family in THREATS), key=_by_score)


def threat_report(leads: Sequence[Lead], now: datetime) -> dict[str, Any]:
    """The threat report: pattern matches, anomalies and suspicious addresses by falling score."""
    threats = threats_of(leads)
    return {
        "analysis_timestamp": stamp(now),
        "total_threats": len(threats),
        "high_risk_threats": sum(each.score >= HIGH for each in threats),
        "medium_risk_threats": sum(MEDIUM <= each.score < HIGH for each in threats),
        "low_risk_threats": sum(each.score < MEDIUM for each in threats),
        "threats": [each.as_threat() for each in threats],
    }


def report_name(now: datetime) -> str:
    """The name of a threat report's file.

    >>> from datetime import UTC
    >>> report_name(datetime(2025, 3, 1, 9, 5, 7, tzinfo=UTC))
    'cloudtrail_threat_report_20250301_090507.json'
    """
    return f"cloudtrail_threat_report_{now:%Y%m%d_%H%M%S}.json"
