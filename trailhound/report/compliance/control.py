"""The types of a framework's table of controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ControlRow:
    """A control: its number, what it requires (in our words), and the names of its evidence.

    `found` is the verdict if there is evidence: `look` if a person should review each event,
    `evidence` if the control requires such events to be recorded.
    """

    id: str
    title: str
    evidence: tuple[str, ...]
    shows: str
    limits: str
    found: Literal["look", "evidence"] = "look"


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework and those of its controls for which a trail has evidence."""

    title: str
    rows: tuple[ControlRow, ...]
