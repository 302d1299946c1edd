"""Grades the answers to an exercise: points for what is right, and what was wrong and missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from trailhound.errors import UsageError
from trailhound.sample.exercise import Solution
from trailhound.sample.spec import Step

POINTS: Final = {"who": 20, "from": 20, "first": 15, "last": 15, "objects": 15, "calls": 15}
"""Of each question, 100 in all."""
_MISSED_OBJECTS: Final = 3
_NEAR: Final = 0.5
"""Of the points for an answer that is a step of the attack, but not the one asked for."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One question: `points` of `of`; the answers that are right and wrong, and what was missed."""

    question: str
    points: int
    of: int
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    missed: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "question": self.question,
            "points": self.points,
            "of": self.of,
            "right": list(self.right),
            "wrong": list(self.wrong),
            "missed": list(self.missed),
        }


def answers_of(path: Path) -> dict[str, tuple[str, ...]]:
    """The answers in a form, YAML or JSON. Raises `UsageError` for a file that is none."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="name the form") from None
    except yaml.YAMLError as error:
        raise UsageError(
            f"{path} is not YAML: {' '.join(str(error).split())}", hint="quote texts"
        ) from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no answers", hint=f"write {', '.join(POINTS)}")
    unknown = [str(each) for each in found if each not in POINTS]
    if unknown:
        raise UsageError(
            f"{path}: no question is called {', '.join(unknown)}",
            hint=f"they are {', '.join(POINTS)}",
        )
    answers = {name: tuple(_texts(found.get(name))) for name in POINTS}
    if not any(answers.values()):
        raise UsageError(
            f"{path} has no answer yet", hint="write some: what was missed is shown with the points"
        )
    return answers


def _texts(value: Any) -> Iterable[str]:
    for each in value if isinstance(value, list) else [value]:
        if each is not None and (text := str(each).strip()):
            yield text


def graded(answers: dict[str, tuple[str, ...]], solution: Solution) -> list[Graded]:
    """Every question, in the form's order."""
    calls = tuple(dict.fromkeys(step.event_name for step in solution.steps))
    return [
        _who(answers["who"], solution),
        _set("from", answers["from"], solution.addresses, _is_same),
        _step("first", answers, solution.steps[0], solution.steps),
        _step("last", answers, solution.steps[-1], solution.steps),
        _reached(answers["objects"], solution.objects),
        _set("calls", answers["calls"], calls, _is_same),
    ]


def total(results: Sequence[Graded]) -> int:
    """Points of 100."""
    return sum(each.points for each in results)


def _is_same(given: str, known: str) -> bool:
    return given.lower() == known.lower()


def _is_principal(given: str, known: str) -> bool:
    """An ARN, or what is at its end.

    >>> arn = "arn:aws:sts::1:assumed-role/Ops/i-0a"
    >>> [_is_principal(each, arn) for each in (arn, "Ops/i-0a", "i-0a", "0a")]
    [True, True, True, False]
    """
    low, arn = given.lower(), known.lower()
    return low == arn or arn.endswith((f"/{low}", f":{low}"))


def _who(given: Sequence[str], solution: Solution) -> Graded:
    """The principals that acted, by any of their names. What the intruder made is no wrong answer:
    the form lets it be named."""

    def is_principal(each: str, arn: str) -> bool:
        return any(_is_principal(each, name) for name in (arn, *solution.names.get(arn, ())))

    asked = [
        each
        for each in given
        if any(is_principal(each, arn) for arn in solution.principals)
        or not any(_is_principal(each, name) for name in solution.made)
    ]
    return _set("who", asked, solution.principals, is_principal)


def _set(
    question: str, given: Sequence[str], known: Sequence[str], same: Callable[[str, str], bool]
) -> Graded:
    """The points are shared by the right answers and the wrong ones that were given: each right
    answer that was given earns its share."""
    found = [each for each in known if any(same(one, each) for one in given)]
    wrong = dict.fromkeys(each for each in given if not any(same(each, one) for one in known))
    of = POINTS[question]
    return Graded(
        question,
        round(of * _share(len(found), len(known) + len(wrong))),
        of,
        tuple(found),
        tuple(wrong),
        tuple(each for each in known if each not in found),
    )


def _share(right: int, of: int) -> float:
    return right / of if of else 0


def _step(
    question: str, answers: dict[str, tuple[str, ...]], wanted: Step, steps: Sequence[Step]
) -> Graded:
    """One event, or any of the same second: which of these came first, no record says. Another step
    of the attack is half right."""
    given, of = answers[question], POINTS[question]
    found = [
        each for each in steps if len(given) == 1 and each.event_id.lower() == given[0].lower()
    ]
    if any(each.event_time == wanted.event_time for each in found):
        return Graded(question, of, of, given, (), ())
    return Graded(question, int(of * _NEAR) if found else 0, of, (), given, (wanted.event_id,))


def _reached(given: Sequence[str], known: Sequence[str]) -> Graded:
    """One thing that was reached is enough: an attack can reach hundreds of objects. A wrong answer
    costs its share of those given."""
    right = [each for each in given if any(_is_principal(each, one) for one in known)]
    wrong = [each for each in given if each not in right]
    of = POINTS["objects"]
    missed = () if right else tuple(known[:_MISSED_OBJECTS])
    points = round(of * _share(len(right), len(given)))
    return Graded("objects", points, of, tuple(right), tuple(wrong), missed)
