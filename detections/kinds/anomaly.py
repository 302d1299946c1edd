"""Anomaly rules: a principal's activity against a baseline, of all principals or of its own past.

`population`: a window has more than three principals, and one of them is above the mean plus two
standard deviations (of the population). This needs at least six principals: of n values, the
largest is at most √(n - 1) deviations above the mean, which exceeds 2 only for n ≥ 6.

`hour_of_week`: a principal does far more in an hour than in the same hour of past weeks: above the
median by `deviations` robust deviations (1.4826 × MAD, the median absolute deviation, equals the
standard deviation in a normal distribution; at least one event).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Any, Literal

from detections.kinds.options import Options
from detections.span import moment
from trailhound.errors import RuleError
from trailhound.plural import plural

Baseline = Literal["population", "hour_of_week"]
Measure = Literal["count", "distinct"]
MORE_THAN = 3
"""A population has more principals than this."""
ROBUST = 1.4826
TRAINED_WITHIN = 30
"""The days before a window whose events count as history of a population."""
HOUR = 3_600_000
WEEK = 168 * HOUR


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`window` is in milliseconds; `weeks` and `training_weeks` are for `hour_of_week`.

    `group_by` are the fields that identify a principal; smaller measures than `min_count` are never
    reported. Without `services`, AWS services and service-linked roles are left out.
    `training_days` is for `population`: how many of the `TRAINED_WITHIN` days before a window need
    events, or its outliers are marked as found while learning.
    """

    group_by: tuple[str, ...]
    measure: Measure
    field: str | None
    baseline: Baseline
    window: int
    deviations: float
    min_count: int
    weeks: int = 0
    training_weeks: int = 0
    services: bool = True
    training_days: int = 0


def parse(content: Mapping[str, Any]) -> Anomaly:
    """Parses the options under `anomaly:`. Raises `RuleError`.

    >>> parse({"group_by": ["userIdentity.arn"]}).baseline
    'population'
    """
    options = Options("anomaly", content)
    group_by = options.fields("group_by")
    if not group_by:
        raise RuleError(
            "anomaly: group_by names no field", hint="name the fields that identify a principal"
        )
    measure: Measure = options.choice("measure", ("count", "distinct"))  # type: ignore[assignment]
    field = None
    if measure == "distinct":
        field = options.field("field")
    elif options.has("field"):
        raise RuleError(
            "anomaly: field is only for `measure: distinct`", hint="add that, or remove field"
        )
    baseline: Baseline = options.choice(  # type: ignore[assignment]
        "baseline", ("population", "hour_of_week")
    )
    population = baseline == "population"
    minutes = options.whole("minutes", 60, 1, 7 * 24 * 60) if population else 60
    anomaly = Anomaly(
        group_by=group_by,
        measure=measure,
        field=field,
        baseline=baseline,
        window=minutes * 60_000,
        deviations=options.number("deviations", 2 if population else 3.5, 0.1, 1000),
        min_count=options.whole("min_count", 1 if population else 10, 1, 10**9),
        weeks=0 if population else options.whole("weeks", 8, 2, 52),
        training_weeks=0 if population else options.whole("training_weeks", 4, 1, 52),
        services=options.boolean("services", default=True),
        training_days=options.whole("training_days", 7, 0, TRAINED_WITHIN) if population else 0,
    )
    options.done()
    if anomaly.training_weeks > anomaly.weeks:
        raise RuleError(
            f"anomaly: training_weeks is {anomaly.training_weeks}, more than the {anomaly.weeks} "
            "weeks of the baseline",
            hint="increase weeks",
        )
    return anomaly


@dataclass(slots=True)
class Population:
    """The measures of all principals in one window, kept as three integers: no rounding.

    >>> population = Population()
    >>> for measure in (1, 1, 1, 1, 1, 9):
    ...     population.add(measure)
    >>> population.is_outlier(9, 2), population.is_outlier(1, 2)
    (True, False)
    """

    size: int = 0
    total: int = 0
    squares: int = 0

    def add(self, measure: int) -> None:
        self.size += 1
        self.total += measure
        self.squares += measure * measure

    def is_outlier(self, measure: int, deviations: float) -> bool:
        """Whether `measure` is above mean + `deviations` standard deviations; false for 3 or fewer.

        x > Σ/n + d·√(n·Σ² − (Σ)²)/n, compared squared, without a root.
        """
        if self.size <= MORE_THAN:
            return False
        above = self.size * measure - self.total
        spread = self.size * self.squares - self.total * self.total
        return above > 0 and above * above > Fraction(deviations) ** 2 * spread


def exceeds_past(measure: int, past: list[int], deviations: float) -> bool:
    """Whether `measure` is above the median of the past by `deviations` robust deviations.

    >>> exceeds_past(40, [9, 10, 11, 10], 3.5), exceeds_past(12, [9, 10, 11, 10], 3.5)
    (True, False)
    """
    middle = median(past)
    spread = ROBUST * median(abs(each - middle) for each in past)
    return measure > middle + deviations * max(spread, 1.0)


def sentence(anomaly: Anomaly, start: int, count: int) -> str:
    """The finding's text, for an outlier with `count` events in the window that starts at `start`
    (milliseconds)."""
    usual, spread = (
        ("mean of all principals", "standard deviations")
        if anomaly.baseline == "population"
        else ("median of the same hour in its past weeks", "robust standard deviations")
    )
    measured = "" if anomaly.measure == "count" else f"the number of values of {anomaly.field} is "
    return (
        f"{measured}above the {usual} by more than {anomaly.deviations:g} {spread}: "
        f"{plural(count, 'event')} from {moment(start):%Y-%m-%d %H:%M} on"
    )
