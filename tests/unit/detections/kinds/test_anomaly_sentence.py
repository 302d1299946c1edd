"""The text of an anomaly's finding names the statistics that its baseline uses."""

from __future__ import annotations

from detections.kinds.anomaly import parse, sentence

HOUR = 3_600_000


def test_a_population_is_compared_by_mean_and_standard_deviation() -> None:
    assert sentence(parse({"group_by": "user.name"}), 9 * HOUR, 20) == (
        "above the mean of all principals by more than 2 standard deviations: "
        "20 events from 1970-01-01 09:00 on"
    )


def test_past_weeks_are_compared_by_median_and_robust_deviation() -> None:
    assert sentence(parse({"group_by": "user.name", "baseline": "hour_of_week"}), 0, 40) == (
        "above the median of the same hour in its past weeks by more than 3.5 robust standard "
        "deviations: 40 events from 1970-01-01 00:00 on"
    )


def test_what_is_measured_is_named_beside_the_number_of_events() -> None:
    options = {"group_by": "user.name", "measure": "distinct", "field": "eventName"}
    assert sentence(parse(options), 0, 40) == (
        "the number of values of eventName is above the mean of all principals by more than 2 "
        "standard deviations: 40 events from 1970-01-01 00:00 on"
    )
