"""Colours that people with any colour vision can distinguish, by hue and by lightness.

Blue and orange are from Okabe and Ito's set (https://jfly.uni-koeln.de/color/); red is only for bad
things. Text on white has a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

RED = "#b3261e"
ORANGE = "#e69f00"
BLUE = "#3d7ab5"
GREY = "#b8bfc7"
LAND = "#dfe4ea"
INK = "#1b2733"
QUIET = "#55616e"
RULE = "#e3e7ec"

BAND = {"high": RED, "medium": ORANGE, "low": BLUE}
OUTCOME = {"success": BLUE, "failure": ORANGE, "unknown": GREY}
