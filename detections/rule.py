"""A loaded rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sigma.rule import SigmaRule

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")
"""Sigma's levels, the most severe last."""

SEVERITIES: Mapping[Level, int] = MappingProxyType(
    {"informational": 1, "low": 3, "medium": 5, "high": 8, "critical": 10}
)
"""The default score (1 to 10) of a level: in the report, high is ≥ 8 and medium 5 to 7."""

RuleKind = Literal["sigma", "correlation", "new_terms", "anomaly", "impossible_travel"]


@dataclass(frozen=True, slots=True)
class FilePosition:
    """The location of a rule: its file and the line (from 1) on which its document begins; line 0
    is that of no file, such as an environment variable."""

    path: Path
    line: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else str(self.path)


@dataclass(frozen=True, slots=True)
class Attack:
    """ATT&CK ids from a rule's tags: tactics as `persistence`, techniques as `T1098.001`."""

    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A loaded rule.

    `definition` is a `SigmaRule`, a `SigmaCorrelationRule`, or one of our own kinds; for these,
    `events` is the `SigmaRule` that selects the events to evaluate (of a plain rule it is
    `definition` itself). A rule that is only part of a correlation has `alerts` false. `group_by`
    names the fields whose values group a plain rule's events into one alert; for `suppress` a
    further event of the same group is added to that alert instead of raising another. An
    alert whose calls all failed is one level lower if `lower_attempts` (see `detections.attempts`).
    A correlation `by_role` also counts the sessions of a role from one address together (see
    `detections.correlations.role_sessions`).
    Rules with the same `variant_of` look for the same, grouped otherwise (see
    `detections.alerts.twins`), if they have the same `variant_scope`: packs may use one name for
    different things.
    """

    id: str
    title: str
    kind: RuleKind
    level: Level
    definition: Any
    place: FilePosition
    severity: int = 5
    description: str = ""
    attack: Attack = Attack()
    references: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    response: tuple[str, ...] = ()
    alerts: bool = True
    interval: timedelta = timedelta(minutes=5)
    group_by: tuple[str, ...] = ()
    suppress: timedelta = timedelta(0)
    lower_attempts: bool = True
    by_role: bool = False
    variant_of: str = ""
    variant_scope: str = ""
    events: SigmaRule | None = None

    @property
    def labelled(self) -> str:
        """File, line and title: at the head of a message, since rules may have one title."""
        return f"{self.place}: {self.title}"

    @property
    def name(self) -> str:
        """The `name` of its document, by which correlations and exceptions refer to it; empty if it
        has none."""
        return str(getattr(self.events or self.definition, "name", None) or "")

    @property
    def is_plain(self) -> bool:
        """Whether it is a plain Sigma rule, decided by a single event."""
        return self.kind == "sigma"

    @property
    def is_correlation(self) -> bool:
        """Whether it is a Sigma correlation."""
        return self.kind == "correlation"
