"""Steps of an incident in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from trailhound.report.collect.story import Step
from trailhound.report.render.words import count, listed, name, short

_SHOWN: Final = 8
"""The steps that are told where few of them matter; all that matter are, up to `_MOST`."""
_MOST: Final = 25
_OBJECTS: Final = 3


def in_words(steps: Sequence[Step], begins: datetime, said: str = "") -> str:
    """Steps in order of time, each with its objects and outsiders. Those that do not matter are the
    first to be left out, and counted. `said`: the principal that has just been named.

    >>> from datetime import UTC
    >>> at = datetime(2025, 3, 1, 4, 5, tzinfo=UTC)
    >>> made = Step(at, "ada", "CreateUser", 1, 0, {"eve": None}, {}, True)
    >>> given = Step(at, "ada", "Share", 2, 1, {"snap-1": None}, {"444455556666": None}, True)
    >>> in_words([made, given], at)
    'at 04:05 ada called CreateUser (eve) and Share ×2 (snap-1; 1 succeeded; for 444455556666)'
    """
    shown = _chosen(steps)
    parts = []
    day = begins.date()
    for (who, minute), group in groupby(shown, key=lambda it: (it.principal, _minute(it))):
        several = list(group)
        on = "" if several[0].time.date() == day else f"on {several[0].time:%-d %B} "
        day = several[0].time.date()
        by = "" if who == said else f"{short(name(who)) or 'somebody'} called "
        said = who
        parts.append(f"{on}at {minute} {by}{listed([_step(each) for each in several], _MOST)}")
    left = len(steps) - len(shown)
    more = f"; and {count(left, 'other kind', 'other kinds')} of calls" if left else ""
    return "; ".join(parts) + more


def _chosen(steps: Sequence[Step]) -> list[Step]:
    """The steps that are told: of those that do not matter, the first that succeeded."""
    matter = [each for each in steps if each.matters][:_MOST]
    rest = sorted(
        (each for each in steps if not each.matters), key=lambda it: it.failed == it.events
    )
    kept = {id(each) for each in (*matter, *rest[: max(0, _SHOWN - len(matter))])}
    return [each for each in steps if id(each) in kept]


def _minute(step: Step) -> str:
    return f"{step.time:%H:%M}"


def _step(step: Step) -> str:
    times = f" ×{step.events:,}" if step.events > 1 or step.more else ""
    least = " or more" if step.more else ""
    about = listed([_object(each) for each in step.objects], _OBJECTS) if step.objects else ""
    given = "for " + listed([short(each) for each in step.outsiders], 3) if step.outsiders else ""
    result = ""
    if step.failed == step.events:
        result = "failed"
    elif step.failed:
        result = f"{step.events - step.failed:,} succeeded"
    said = "; ".join(each for each in (about, result, given) if each)
    return f"{step.call}{times}{least}" + (f" ({said})" if said else "")


def _object(text: str) -> str:
    """An object by its name: of an ARN the last part, with its version.

    >>> _object("arn:aws:iam::aws:policy/AdministratorAccess"), _object("orders")
    ('AdministratorAccess', 'orders')
    >>> _object("arn:aws:lambda:eu-west-1:444455556666:layer:evil:1")
    'evil:1'
    """
    *_, before, last = ("", *text.split(":"))
    if text.startswith("arn:"):
        text = f"{before}:{last}" if last.isdigit() and before else last.rsplit("/", 1)[-1] or text
    return short(text, 40)
