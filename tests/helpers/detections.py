"""Queries of bare detections, without a rule around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detections.backend.compiler import compile_matcher
from detections.compiled import Compiled
from detections.matcher import SigmaMatcher


def compile_detection(detection: Mapping[str, Any]) -> Compiled:
    """The query of a `detection:` mapping; without a `condition`, all of its parts must match."""
    return compile_matcher(SigmaMatcher.from_detection(detection), "the detection")
