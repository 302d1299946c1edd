"""The shape of a framework's table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ControlRow:
    """A control: its number, what it requires (in our words), and the names of its evidence.

    `found` is what evidence means: `look` where each event asks for a person's judgement,
    `evidence` where the control requires such events to be recorded.
    """

    id: str
    title: str
    evidence: tuple[str, ...]
    shows: str
    limits: str
    found: Literal["look", "evidence"] = "look"


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework and those of its controls on which a trail can say anything."""

    title: str
    rows: tuple[ControlRow, ...]
