"""The level of an alert: its rule's own, lowered once where every call was refused or failed.

What somebody tried and could not do matters less than what happened, except where the attempt is
the message itself: alerts of defense evasion and credential access, and of the alarms and patterns
that are given to the letter (`lower_attempts: false` in their files).
"""

from __future__ import annotations

from typing import Final

from detections.rule import LEVELS, SEVERITIES, Level, Rule

KEPT_TACTICS: Final = frozenset({"defense-evasion", "credential-access"})
"""ATT&CK tactics whose alerts keep their level, attempt or not."""


def lowers_attempts(rule: Rule) -> bool:
    """Whether alerts of attempts alone have a lower level than the rule."""
    return rule.lower_attempts and not KEPT_TACTICS.intersection(rule.attack.tactics)


def lowered(level: Level, severity: int) -> tuple[Level, int]:
    """The level and the severity below; those of informational stay.

    >>> lowered("high", 8), lowered("medium", 6), lowered("informational", 1)
    (('medium', 5), ('low', 4), ('informational', 1))
    """
    below = LEVELS[max(0, LEVELS.index(level) - 1)]
    return below, max(1, severity - (SEVERITIES[level] - SEVERITIES[below]))
