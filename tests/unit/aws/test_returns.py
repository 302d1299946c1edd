"""`trailhound roi`: the calculation, every input a flag, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.helpers.schemas import require_listing
from trailhound.app.search.measured_volume import measure_volume
from trailhound.aws.returns import Assumptions, grouped, returns_of, yearly
from trailhound.cli.main import app
from trailhound.errors import UsageError

ROOT = Path(__file__).parents[3]


def roi(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["roi", "--json", *arguments])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    require_listing(found, "roi")
    return found


def test_the_defaults_give_the_sums_that_were_asked_for() -> None:
    found = roi()
    assert (found["benefits"], found["costs"]) == (1_889_600, 55_020)
    assert round(found["roi_percent"]) == 3_334
    amounts = {each["item"]: each["amount"] for each in found["items"][:9]}
    assert list(amounts.values()) == [
        *(72_000, 1_696_000, 64_000, 57_600),
        *(1_000, 20, 6_000, 24_000, 24_000),
    ]


def test_the_page_has_the_calculation_of_each_term() -> None:
    page = (ROOT / "docs/aws.md").read_text("utf-8").split("## What it is worth")[1]
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", page, re.MULTILINE))
    for term in returns_of(Assumptions()).terms:
        numbers = re.findall(r"[\d.,]+", term.calculation)
        written = rows[term.name].replace("40 %", "0.4")
        assert re.findall(r"[\d.,]+", written) == numbers


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(Assumptions)])
def test_every_input_is_a_flag_and_counts(field: str) -> None:
    flag = f"--{field.replace('_', '-')}"
    default = getattr(Assumptions(), field)
    changed = dataclasses.replace(Assumptions(), **{field: default * 2})
    found = roi(flag, str(default * 2))
    wanted = returns_of(changed)
    assert (found["benefits"], found["costs"]) == (wanted.benefits, wanted.costs)
    assert (found["benefits"], found["costs"]) != (1_889_600, 55_020)


def test_people_see_the_sums_and_the_percentage() -> None:
    done = CliRunner().invoke(app, ["roi"])
    assert "10,000,000 × $0.0001" in done.stdout
    assert "costs\tsum\t\t55020" in done.stdout
    assert "ROI 3,334 %" in done.output
    assert "measured" not in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--incidents", "-1"], "from 0 to"),
        (["--incidents", "nan"], "from 0 to"),
        (["--storage", "much"], "not a number"),
        (["--breach-reduction", "101"], "over 100 percent"),
        (
            ["--events", "0", "--insight-events", "0", "--months", "0", "--setup-hours", "0"],
            "the costs are 0",
        ),
    ],
)
def test_what_is_no_input_is_refused(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["roi", *arguments])
    assert said in f"{done.output}{done.exception}"
    assert done.exit_code != 0


def row(day: str, read: int) -> dict[str, Any]:
    folder = f"s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/{day}"
    return {"uri": f"{folder}/x-{read}.json.gz", "read": read}


def test_the_volume_is_of_the_days_on_which_files_came() -> None:
    rows = [row("2025/03/01", 100), row("2025/03/01", 20), row("2025/03/05", 80)]
    volume = measure_volume([*rows, row("2025/03/09", 0), {"uri": "s3://b/x.json", "read": 7}])
    assert (volume.records, volume.days, volume.undated, volume.undated_records) == (200, 2, 1, 7)
    assert (f"{volume.first}", f"{volume.last}") == ("2025-03-01", "2025-03-05")
    assert yearly(volume.records, volume.days) == 36_500
    with pytest.raises(UsageError):
        measure_volume([{"uri": "s3://b/x.json", "read": 7}])


def test_the_list_price_is_for_a_hundred_thousand() -> None:
    (events,) = [
        each
        for each in returns_of(Assumptions().at_list_price(10_000_000)).terms
        if each.name == "events"
    ]
    assert (events.amount, events.calculation) == (Decimal(10), "10,000,000 × $0.000001")
    assert grouped(Decimal("0.10")) == "0.1"
