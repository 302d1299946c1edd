"""How much a principal does, against a baseline: that of all the others, or its own past.

`population`: in a window, more than three principals, and one above the mean plus two standard
deviations (of the population) of them all. That takes at least six principals: of n, the largest
can lie at most √(n - 1) deviations above the mean, and is beyond 2 only from n = 6 on.

`hour_of_week`: an hour in which a principal does far more than in the same hour of past weeks:
above the median by `deviations` robust ones (1.4826 × MAD, the median absolute deviation, is what
a standard deviation is in a normal distribution; one event at the least).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Any, Literal

from detections.kinds.options import Options
from trailhound.errors import RuleError

Baseline = Literal["population", "hour_of_week"]
Measure = Literal["count", "distinct"]
MORE_THAN = 3
"""Principals: definitions of anomalous activity ask for more."""
ROBUST = 1.4826
HOUR = 3_600_000
WEEK = 168 * HOUR


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`window` is in milliseconds; `weeks` and `learn` (weeks, too) are for `hour_of_week`.

    `least` is the smallest count that is told of, whatever the baseline says.
    """

    per: tuple[str, ...]
    measure: Measure
    field: str | None
    baseline: Baseline
    window: int
    deviations: float
    least: int
    weeks: int = 0
    learn: int = 0


def parse(content: Mapping[str, Any]) -> Anomaly:
    """From what stands under `anomaly:`. Raises `RuleError`.

    >>> parse({"per": ["userIdentity.arn"]}).baseline
    'population'
    """
    options = Options("anomaly", content)
    per = options.fields("per")
    if not per:
        raise RuleError("anomaly: per names no field", hint="name what a principal is told by")
    measure: Measure = options.choice("measure", ("count", "distinct"))  # type: ignore[assignment]
    field = None
    if measure == "distinct":
        field = options.field("field")
    elif options.has("field"):
        raise RuleError(
            "anomaly: field is for `measure: distinct` alone", hint="add it, or leave field out"
        )
    baseline: Baseline = options.choice(  # type: ignore[assignment]
        "baseline", ("population", "hour_of_week")
    )
    population = baseline == "population"
    minutes = options.whole("minutes", 60, 1, 7 * 24 * 60) if population else 60
    anomaly = Anomaly(
        per=per,
        measure=measure,
        field=field,
        baseline=baseline,
        window=minutes * 60_000,
        deviations=options.number("deviations", 2 if population else 3.5, 0.1, 1000),
        least=options.whole("least", 1 if population else 10, 1, 10**9),
        weeks=0 if population else options.whole("weeks", 8, 2, 52),
        learn=0 if population else options.whole("learn", 4, 1, 52),
    )
    options.done()
    if anomaly.learn > anomaly.weeks:
        raise RuleError(
            f"anomaly: learn is {anomaly.learn}, over the {anomaly.weeks} weeks of the baseline",
            hint="give it more weeks",
        )
    return anomaly


@dataclass(slots=True)
class Population:
    """The measures of all principals in one window, as three whole numbers: nothing is rounded.

    >>> population = Population()
    >>> for measure in (1, 1, 1, 1, 1, 9):
    ...     population.add(measure)
    >>> population.stands_out(9, 2), population.stands_out(1, 2)
    (True, False)
    """

    size: int = 0
    total: int = 0
    squares: int = 0

    def add(self, measure: int) -> None:
        self.size += 1
        self.total += measure
        self.squares += measure * measure

    def stands_out(self, measure: int, deviations: float) -> bool:
        """Whether it is above mean + `deviations` standard deviations, of enough principals.

        x > Σ/n + d·√(n·Σ² − (Σ)²)/n, without a root: both sides are squared.
        """
        if self.size <= MORE_THAN:
            return False
        above = self.size * measure - self.total
        spread = self.size * self.squares - self.total * self.total
        return above > 0 and above * above > Fraction(deviations) ** 2 * spread


def beyond_past(measure: int, past: list[int], deviations: float) -> bool:
    """Whether it is above the median of the past by so many robust deviations.

    >>> beyond_past(40, [9, 10, 11, 10], 3.5), beyond_past(12, [9, 10, 11, 10], 3.5)
    (True, False)
    """
    middle = median(past)
    spread = ROBUST * median(abs(each - middle) for each in past)
    return measure > middle + deviations * max(spread, 1.0)
