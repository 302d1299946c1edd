"""Colours that can be distinguished with any colour vision, on white and on black.

Blue and orange first, which no common form of colour blindness confuses; the rest from Okabe and
Ito's palette ("Color Universal Design", 2008), lightened or darkened a little for contrast in dark
mode as well. Red always means something bad.
"""

from __future__ import annotations

BLUE = "#3A87C8"
SKY = "#7CBDE8"
ORANGE = "#E69F00"
YELLOW = "#D9C02F"
GREEN = "#1FA187"
PURPLE = "#B279A2"
BROWN = "#9C755F"
GREY = "#98A2B3"
RED = "#D1453B"
LIGHT_ORANGE = "#FFCF5C"
DARK_RED = "#A32A22"
"""These two are behind small digits: black and white on them have a contrast of 7 and more."""

OUTCOMES = {"success": BLUE, "failure": RED}

LEVELS = {
    "critical": RED,
    "high": ORANGE,
    "medium": YELLOW,
    "low": SKY,
    "informational": GREY,
}

CATEGORIES = {
    "identity_management": ORANGE,
    "data_access": BLUE,
    "compute": GREEN,
    "authentication": PURPLE,
    "logging": BROWN,
    "encryption": SKY,
    "secrets": YELLOW,
    "network": "#4E9E9E",
    "monitoring": "#8CA252",
    "serverless": "#C49C94",
    "database": "#5B6FB5",
    "containers": "#B9A888",
    "organization": "#E0A3C2",
    "ai": "#6B5B95",
    "other": GREY,
    "others": "#C9CFDA",
}

USER_TYPES = {
    "root_user": RED,
    "assumed_role": BLUE,
    "aws_service": GREY,
    "iam_user": ORANGE,
    "aws_account": PURPLE,
    "federated_user": YELLOW,
    "identity_center_user": GREEN,
    "web_identity_user": SKY,
    "saml_user": BROWN,
    "unknown": "#6B5B95",
}

INTEGRITY = {"verified": GREEN, "unverified": GREY, "tampered": RED}
STATES = {"open": ORANGE, "acknowledged": SKY, "closed": GREY}
OBJECT_STATES = {"done": BLUE, "claimed": GREY, "failed": RED}
