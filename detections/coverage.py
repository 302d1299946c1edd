"""Which ATT&CK techniques the active rules are tagged with, and which of a list they are not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detections.rule import Rule
from trailhound.errors import UsageError

_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")


def by_technique(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    """Technique id → the rules tagged with it, in the ids' order."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        for technique in rule.attack.techniques:
            found.setdefault(technique, []).append(rule)
    return dict(sorted(found.items()))


def layer(rules: Iterable[Rule]) -> dict[str, Any]:
    """A layer for ATT&CK Navigator: a technique's score is the number of its rules.

    The format is version 4.5 of https://github.com/mitre-attack/attack-navigator (layers/spec).
    """
    covered = by_technique(rules)
    return {
        "name": "Trailhound",
        "versions": {"layer": "4.5", "navigator": "5.1.0"},
        "domain": "enterprise-attack",
        "description": "Techniques that the active detection rules are tagged with.",
        "techniques": [
            {
                "techniqueID": technique,
                "score": len(tagged),
                "comment": "\n".join(f"{rule.level}: {rule.title}" for rule in tagged),
                "enabled": True,
            }
            for technique, tagged in covered.items()
        ],
        "gradient": {
            "colors": ["#ffffff", "#2f6f9f"],
            "minValue": 0,
            "maxValue": max((len(tagged) for tagged in covered.values()), default=1),
        },
    }


def wanted(file: Path) -> list[str]:
    """Every technique id that a file names, in any format. Raises `UsageError`."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}", hint="check the path") from None
    found = sorted(set(_TECHNIQUE.findall(text)))
    if not found:
        raise UsageError(f"{file} names no technique", hint="write one id per line, such as T1098")
    return found


def gaps(rules: Iterable[Rule], techniques: Iterable[str]) -> list[str]:
    """Those of `techniques` that no rule is tagged with.

    A technique is covered by any of its sub-techniques; a sub-technique only by itself.

    >>> gaps([], ["T1098"])
    ['T1098']
    """
    covered = set(by_technique(rules))
    covered |= {technique.partition(".")[0] for technique in covered}
    return [technique for technique in techniques if technique not in covered]
