"""A step of what is advised, and the commands that are in it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detections.incidents.undoing.rows import REGION

Event = Mapping[str, Any]

LONGEST: Final = 200
"""The most characters of a name in a sentence: callers choose names, of thousands too."""
NAMED: Final = 20
"""The most names of one kind in a sentence."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `command` is empty where none is safe, or where a name has a form that AWS
    does not allow. `event`: the name of the call that proves it; `time` when it was made. `account`
    is empty where it is done for an organization. `object` is what it is about, `outsiders` whom
    that lets in: other accounts, principals, networks.
    """

    what: str
    command: str
    account: str
    event: str
    time: str
    object: str = ""
    outsiders: tuple[str, ...] = ()


def step(
    event: Event,
    what: str,
    words: Sequence[str] | None,
    account: str,
    about: str = "",
    outsiders: Sequence[str] = (),
) -> Step:
    """A step that an event proves. `words`: of its command, None for none."""
    return Step(
        what,
        shlex.join(words) if words is not None else "",
        account,
        str(event.get("eventName") or ""),
        str(event.get("eventTime") or ""),
        about,
        tuple(outsiders),
    )


def option(name: str, value: str) -> list[str]:
    """An option with its value; as one word where that begins with a dash, as names may.

    >>> option("--user-name", "ada"), option("--user-name", "--x")
    (['--user-name', 'ada'], ['--user-name=--x'])
    """
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def listed(values: Sequence[str]) -> str:
    """Names in a sentence."""
    named = ", ".join(
        each if len(each) <= LONGEST else f"{each[:LONGEST]}…" for each in values[:NAMED]
    )
    return named + (f" and {len(values) - NAMED} more" if len(values) > NAMED else "")


def in_region(words: list[str], region: str) -> list[str] | None:
    """A command in a region; None where that is none."""
    return [*words, "--region", region] if re.fullmatch(REGION, region) else None


def deny(condition: Mapping[str, Any] | None = None) -> str:
    """A policy that denies everything, under a condition."""
    statement: dict[str, Any] = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
