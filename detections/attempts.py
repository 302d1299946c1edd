"""The level of an alert: that of its rule, lowered by one if every call failed.

An attempt that failed matters less than one that succeeded. Excepted are alerts of defense evasion
and credential access, for which the attempt itself is important, and the alarms and patterns whose
definition is fixed (`lower_attempts: false` in their files).
"""

from __future__ import annotations

from typing import Final

from detections.rule import LEVELS, SEVERITIES, Level, Rule

KEPT_TACTICS: Final = frozenset({"defense-evasion", "credential-access"})
"""ATT&CK tactics whose alerts keep their level also for attempts."""


def lowers_attempts(rule: Rule) -> bool:
    """Whether alerts that are only attempts have a lower level than the rule."""
    return rule.lower_attempts and not KEPT_TACTICS.intersection(rule.attack.tactics)


def lowered(level: Level, severity: int) -> tuple[Level, int]:
    """The level and severity one below; informational stays.

    >>> lowered("high", 8), lowered("medium", 6), lowered("informational", 1)
    (('medium', 5), ('low', 4), ('informational', 1))
    """
    below = LEVELS[max(0, LEVELS.index(level) - 1)]
    return below, max(1, severity - (SEVERITIES[level] - SEVERITIES[below]))
