"""Exceptions: Sigma filters that narrow rules, the shipped ones and those of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sigma.correlations import SigmaCorrelationRule
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.rule import FilePosition

DEFAULTS: Final = Path(__file__).parent.parent / "exceptions"
"""The exceptions that ship; `detections.disabled_exceptions` turns them off one by one."""


@dataclass(frozen=True, slots=True)
class RuleException:
    """A loaded exception. `rules` are the titles of the rules that it narrows; `active` is false if
    it is switched off or narrows no rule."""

    id: str
    title: str
    description: str
    place: FilePosition
    default: bool
    active: bool
    rules: tuple[str, ...] = ()


def is_default(place: FilePosition) -> bool:
    """Whether an exception at this place is one that ships."""
    return place.path.is_relative_to(DEFAULTS)


def exception_id(exception: SigmaFilter) -> str:
    """The id of an exception; "" if it has none."""
    return "" if exception.id is None else str(exception.id)


def is_named(exception: SigmaFilter, rule: SigmaRule | SigmaCorrelationRule) -> bool:
    """Whether an exception's `rules` may name a rule: by its id or `name`, or by `any`."""
    rules = exception.filter.rules
    if isinstance(rules, str):
        return True
    own = {str(rule.id).lower(), (rule.name or "").lower()}
    return bool(own & {each.reference.lower() for each in rules})
