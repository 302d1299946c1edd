"""One check of `trailhound doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trailhound.errors import TrailhoundError

LITTLE_DISK = 5 * 1024**3
"""Bytes of free disk space below which a check warns."""

CheckVerdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `advice` is empty if it passed."""

    what: str
    verdict: CheckVerdict
    fact: str
    advice: str = ""


def failed(what: str, error: TrailhoundError) -> Check:
    """A check that an error ended."""
    return Check(what, "failed", error.message, error.hint)
