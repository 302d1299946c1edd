"""Exceptions: Sigma filters that narrow rules, the shipped ones and those of the settings."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from sigma.filters import SigmaFilter

from detections.rule import FilePosition

DEFAULTS: Final = Path(__file__).parent.parent / "exceptions"
"""The exceptions that ship; `detections.disabled_exceptions` turns them off one by one."""


@dataclass(frozen=True, slots=True)
class RuleException:
    """A loaded exception. `rules` are the titles of the rules that it narrows; `active` is false if
    it is switched off, has ended or narrows no rule. `expires`: the last UTC day on which it
    applies; None for no end."""

    id: str
    title: str
    description: str
    place: FilePosition
    default: bool
    active: bool
    rules: tuple[str, ...] = ()
    expires: date | None = None
    ended: bool = False


def is_default(place: FilePosition) -> bool:
    """Whether an exception at this place is one that ships."""
    return place.path.is_relative_to(DEFAULTS)


def exception_id(exception: SigmaFilter) -> str:
    """The id of an exception; "" if it has none."""
    return "" if exception.id is None else str(exception.id)


def with_any_rule(exception: SigmaFilter) -> SigmaFilter:
    """The exception for any rule of its log source. pySigma compares only ids and names, which
    several rules can have; `detections.packs.rule_names` decides which rule is meant."""
    made = copy(exception)
    made.filter = copy(exception.filter)
    made.filter.rules = "any"
    return made
