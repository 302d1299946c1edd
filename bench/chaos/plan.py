"""What is done to daemons, engine, AWS and webhook, and when: decided by a seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from bench.chaos.faults import AWS_FAULTS, HOOK_FAULTS

DAEMONS: Final = ("a", "b")
_SIGNALS: Final = ("KILL", "TERM", "INT", "TERM TERM", "HUP", "STOP")
_OFTEN: Final = (40, 15, 10, 10, 10, 15)


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """`what` is hit `at` so many seconds, and stays as it is then for `seconds`."""

    at: float
    what: str
    how: str = ""
    seconds: float = 0.0


def plan(dice: random.Random, seconds: float) -> list[Step]:
    """The steps of a run, in order; the last tenth of it is calm."""
    minutes, steps = seconds / 60, []
    for name in DAEMONS:
        for at in _spread(dice, minutes / 2.2, 30, seconds):
            (how,) = dice.choices(_SIGNALS, _OFTEN)
            pause = dice.uniform(35, 70) if how == "STOP" else dice.uniform(0.5, 20)
            steps.append(Step(at, f"daemon {name}", how, pause))
    for at in _spread(dice, minutes / 7, 60, seconds):
        how = dice.choice(("KILL", "KILL", "stop"))
        steps.append(Step(at, "engine", how, dice.uniform(2, 30)))
    for what, faults in (("aws", AWS_FAULTS), ("hook", HOOK_FAULTS)):
        moments = _spread(dice, minutes / 3, 45, seconds)
        steps += [Step(at, what, dice.choice(faults), dice.uniform(10, 80)) for at in moments]
    for what, apart in (("retention", 5), ("redrive", 6)):
        steps += [Step(at, what) for at in _spread(dice, minutes / apart, 90, seconds)]
    return sorted(steps)


def _spread(dice: random.Random, number: float, first: float, seconds: float) -> list[float]:
    """Moments, one at random in each of `number` equal parts of the time."""
    parts = max(1, round(number))
    each = (seconds * 0.9 - first) / parts
    return [first + each * (part + dice.random()) for part in range(parts)]
