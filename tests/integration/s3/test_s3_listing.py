"""What the S3 source lists: every layout of a bucket, every selection, and the requests made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ingest.objects import Selection
from ingest.sources.inventory import Inventory, inventory_of
from ingest.sources.s3 import S3Source
from tests.integration.s3.bucket_keys import ALL, BODY, ONE, TWO, Fill, keys, noise, trail

REGIONS = {"eu-west-1", "us-east-1"}
LAYOUTS = [("", ""), ("", "o-a1b2c3d4e5/"), ("any/prefix/", ""), ("any/prefix/", "o-a1b2c3d4e5/")]
"""What stands before `AWSLogs/`, and what behind it."""


def requests_of(source: S3Source) -> list[dict[str, Any]]:
    """Parameters of every listing request that the source makes from now on."""
    made: list[dict[str, Any]] = []
    source.client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2",
        lambda params, **_: made.append(dict(params)),
    )
    return made


@pytest.mark.parametrize(("prefix", "organisation"), LAYOUTS)
def test_every_layout_is_listed(
    fill: Fill, opened: Callable[..., S3Source], prefix: str, organisation: str
) -> None:
    root = f"{prefix}AWSLogs/{organisation}"
    wanted, other = trail(root), noise(f"{prefix}AWSLogs/")
    fill([*wanted, *other])
    source = opened()
    for start in ("", f"{prefix}AWSLogs", root):
        source.prefix = start
        before = sum(source.ignored.values())
        assert keys(source) == wanted, start
        passed_by = sum(source.ignored.values()) - before
        assert passed_by == sum(key.startswith(start) for key in other)


SELECTIONS: list[tuple[Selection, set[str], set[str], range]] = [
    # the selection, and the accounts, regions and days of March whose files it should give
    (Selection(since=date(2024, 3, 9)), {ONE, TWO}, REGIONS, range(9, 11)),
    (Selection(until=date(2024, 3, 2)), {ONE, TWO}, REGIONS, range(1, 4)),
    (Selection(date(2024, 3, 4), date(2024, 3, 5)), {ONE, TWO}, REGIONS, range(4, 7)),
    (Selection(accounts=frozenset({TWO})), {TWO}, REGIONS, range(1, 11)),
    (Selection(regions=frozenset({"us-east-1"})), {ONE, TWO}, {"us-east-1"}, range(1, 11)),
    (Selection(since=date(2025, 1, 1)), {ONE, TWO}, REGIONS, range(0)),
    (Selection(accounts=frozenset({"000000000000"})), set(), REGIONS, range(1, 11)),
    (
        Selection(date(2024, 3, 4), date(2024, 3, 4), frozenset({ONE}), frozenset({"eu-west-1"})),
        {ONE},
        {"eu-west-1"},
        range(4, 6),
    ),
]


def chosen(root: str, accounts: set[str], regions: set[str], days: range) -> list[str]:
    """The keys of the trail that lie in these, by an own reading of the key."""
    found = []
    for key in trail(root):
        account, _, region, _, _, day, _ = key.removeprefix(root).split("/")
        if account in accounts and region in regions and int(day) in days:
            found.append(key)
    return found


@pytest.mark.parametrize(("prefix", "organisation"), LAYOUTS[1:3])
def test_selections_below_a_prefix_and_an_organisation(
    fill: Fill, opened: Callable[..., S3Source], prefix: str, organisation: str
) -> None:
    root = f"{prefix}AWSLogs/{organisation}"
    fill([*trail(root), *noise(f"{prefix}AWSLogs/"), "other/.hidden"])
    source = opened()
    for selection, accounts, regions, days in SELECTIONS:
        wanted = chosen(root, accounts, regions, days)
        for start in ("", f"{root}{ONE}/CloudTrail"):
            source.prefix = start
            found = keys(source, selection)
            assert found == [key for key in wanted if key.startswith(start)], (selection, start)


@pytest.mark.parametrize(("prefix", "organisation"), LAYOUTS[1:3])
def test_the_days_of_a_bucket_are_those_of_its_files(
    fill: Fill, opened: Callable[..., S3Source], prefix: str, organisation: str
) -> None:
    root = f"{prefix}AWSLogs/{organisation}"
    region = f"{root}{TWO}/CloudTrail/eu-west-1/"
    assert inventory_of(opened()) == Inventory()
    earlier, later = (f"{region}{day}/{TWO}_0.json.gz" for day in ("2023/12/31", "2025/01/02"))
    fill([*trail(root), earlier, later, f"{region}notes/9999.json.gz", *noise(f"{prefix}AWSLogs/")])
    for start, first, last in (
        ("", date(2023, 12, 31), date(2025, 1, 2)),
        (f"{root}{ONE}/", date(2024, 3, 1), date(2024, 3, 10)),
        (f"{region}2024/03/", date(2024, 3, 1), date(2024, 3, 10)),
        (f"{region}2025/", date(2025, 1, 2), date(2025, 1, 2)),
    ):
        found = inventory_of(opened(start))
        assert (found.first, found.last) == (first, last), start


@pytest.mark.parametrize(("prefix", "organisation"), LAYOUTS[3:])
def test_a_selection_from_every_depth(
    fill: Fill, opened: Callable[..., S3Source], prefix: str, organisation: str
) -> None:
    root = f"{prefix}AWSLogs/{organisation}"
    fill([*trail(root), *noise(f"{prefix}AWSLogs/"), "other/.hidden"])
    source = opened()
    for selection, accounts, regions, days in (SELECTIONS[2], SELECTIONS[-1]):
        wanted = chosen(root, accounts, regions, days)
        for start in (
            prefix,
            prefix[:4],
            f"{prefix}AWSLogs",
            f"{prefix}AWSLogs/",
            root,
            f"{root}{ONE}/",
            f"{root}{TWO}/",
            f"{root}{ONE}/CloudTrail/",
            f"{root}{ONE}/CloudTrail/eu-",
            f"{root}{ONE}/CloudTrail/eu-west-1/",
            f"{root}{ONE}/CloudTrail/eu-west-1/2024/",
            f"{root}{ONE}/CloudTrail/eu-west-1/2024/0",
            f"{root}{ONE}/CloudTrail/eu-west-1/2024/03/05/",
            f"{root}{ONE}/CloudTrail/eu-west-1/2024/03/05/{ONE}_",
        ):
            source.prefix = start
            found = keys(source, selection)
            assert found == [key for key in wanted if key.startswith(start)], (selection, start)


def test_thousands_of_keys_are_paged(fill: Fill, opened: Callable[..., S3Source]) -> None:
    wanted = sorted(
        f"AWSLogs/{ONE}/CloudTrail/eu-west-1/2024/03/{1 + number % 28:02}/{number:05}.json.gz"
        for number in range(3500)
    )
    fill(wanted)
    source = opened()
    made = requests_of(source)
    assert keys(source) == wanted
    assert len(made) == 4
    assert not any("Delimiter" in request for request in made)


def test_a_named_key_is_read_whatever_its_name(fill: Fill, opened: Callable[..., S3Source]) -> None:
    fill(["exports/events.txt", "exports/events.txt.json", *noise()])
    assert keys(opened("exports/events.txt")) == ["exports/events.txt", "exports/events.txt.json"]
    digest = noise()[2]
    assert keys(opened(digest)) == [digest]
    assert keys(opened(digest), Selection(since=date(2024, 1, 1))) == [digest]


def test_a_bucket_in_no_layout_is_read_by_its_names(
    fill: Fill, opened: Callable[..., S3Source]
) -> None:
    fill(["2024-03.json", "a/b/c/x.jsonl", "a/y.gz", "a/z.csv", "empty/"])
    for selection in (ALL, Selection(since=date(2024, 1, 1), accounts=frozenset({ONE}))):
        source = opened()
        expected = ["2024-03.json", "a/b/c/x.jsonl", "a/y.gz", "a/z.csv"]
        assert keys(source, selection) == expected
        assert source.ignored == {"folder marker": 1}


def test_keys_of_any_characters(fill: Fill, opened: Callable[..., S3Source]) -> None:
    wanted = sorted(
        f"odd/{name}.json" for name in ("a b", "é+%41", "snow☃", "a&b=<c>", 'q"uote', "a\\xff")
    )
    fill(wanted)
    source = opened("odd/")
    found = list(source.objects(ALL))
    assert sorted(keys(source)) == wanted
    assert all(source.open(item).read() == BODY for item in found)


def test_only_what_matters_is_listed(fill: Fill, opened: Callable[..., S3Source]) -> None:
    """A year of two accounts and two regions; a week of one of each is asked for."""
    days = [date.fromordinal(date(2023, 1, 1).toordinal() + number) for number in range(365)]
    fill(
        f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}/{number:02}.json.gz"
        for account in (ONE, TWO)
        for region in ("eu-west-1", "us-east-1")
        for day in days
        for number in range(3)
    )
    source = opened()
    made = requests_of(source)
    week = Selection(date(2023, 6, 1), date(2023, 6, 7), frozenset({ONE}), frozenset({"eu-west-1"}))
    found = keys(source, week)
    assert len(found) == 24  # the week's days and the one after
    assert {key.split("/2023/")[0] for key in found} == {f"AWSLogs/{ONE}/CloudTrail/eu-west-1"}
    # the bucket, AWSLogs/, the account, CloudTrail/, the folders of the region, the year and the
    # month for what lies beside the days, and one page from the first day on
    assert [request["Prefix"] for request in made] == [
        "",
        "AWSLogs/",
        f"AWSLogs/{ONE}/",
        f"AWSLogs/{ONE}/CloudTrail/",
        f"AWSLogs/{ONE}/CloudTrail/eu-west-1/",
        f"AWSLogs/{ONE}/CloudTrail/eu-west-1/2023/",
        f"AWSLogs/{ONE}/CloudTrail/eu-west-1/2023/06/",
        f"AWSLogs/{ONE}/CloudTrail/eu-west-1/",
    ]
    assert made[-1]["StartAfter"] == f"AWSLogs/{ONE}/CloudTrail/eu-west-1/2023/06/01/"


def test_a_folder_of_no_service_is_listed_beside_those_of_cloudtrail(
    fill: Fill, opened: Callable[..., S3Source]
) -> None:
    own = f"AWSLogs/{ONE}/cloudtrail-firehose/2024/03/01/10/trail-1-2024-03-01-10-00-00-5"
    fill([own, *noise()])
    source = opened()
    made = requests_of(source)
    assert keys(source, ALL) == keys(source, Selection(since=date(2024, 3, 1))) == [own]
    assert not any("Config" in request["Prefix"] for request in made)


def test_listing_stops_behind_the_last_day(fill: Fill, opened: Callable[..., S3Source]) -> None:
    root = f"AWSLogs/{ONE}/CloudTrail/eu-west-1/"
    fill(f"{root}2024/03/{day:02}/{n:03}.json.gz" for day in range(1, 29) for n in range(300))
    source = opened(root)
    made = requests_of(source)
    found = keys(source, Selection(date(2024, 3, 10), date(2024, 3, 11)))
    assert len(found) == 900
    assert len(made) == 4  # three for what lies beside years, months and days


@pytest.mark.parametrize("start", ["", "AWSLogs/", f"AWSLogs/{ONE}/CloudTrail/eu-west-1/"])
def test_what_has_no_day_is_in_every_selection_of_days(
    fill: Fill, opened: Callable[..., S3Source], start: str
) -> None:
    region = f"AWSLogs/{ONE}/CloudTrail/eu-west-1/"
    undated = [f"{region}000000.gz", f"{region}merged/a.json.gz", f"{region}z", "AWSLogs/old/x.gz"]
    undated = [key for key in undated if key.startswith(start)]
    days = [f"{region}2024/03/{day:02}/a.json.gz" for day in range(1, 6)]
    fill([*undated, *days, f"AWSLogs/{TWO}/CloudTrail/eu-west-1/z.json"])
    source = opened(start)
    only = frozenset({ONE})
    for selection, wanted in (
        (Selection(since=date(2024, 3, 4), accounts=only), days[3:]),
        (Selection(until=date(2024, 3, 1), accounts=only), days[:2]),
        (Selection(date(2024, 3, 2), date(2024, 3, 2), accounts=only), days[1:3]),
        (Selection(until=date(2020, 1, 1), accounts=only), []),
        (Selection(since=date(2030, 1, 1), accounts=only), []),
    ):
        assert sorted(keys(source, selection)) == sorted([*undated, *wanted]), selection


@pytest.mark.parametrize("start", ["", "2024/", "2024/0", "2024/03/"])
def test_what_lies_in_a_months_or_years_folder_is_in_every_selection_that_overlaps_it(
    fill: Fill, opened: Callable[..., S3Source], start: str
) -> None:
    region = f"AWSLogs/{ONE}/CloudTrail/eu-west-1/"
    march = [f"{region}2024/03/{name}" for name in ("00.gz", "3/x.gz", "all/x.gz", "merged.gz")]
    april = [f"{region}2024/04/{name}" for name in ("0.gz", "merged.gz")]
    year = [f"{region}2024/{name}" for name in ("0.gz", "05x/x.gz", "year.gz")]
    unpadded = [f"{region}2024/3/merged.gz"]
    other = [f"{region}2023/year.gz", f"{region}2025/year.gz", f"{region}2024/02/merged.gz"]
    days = [f"{region}2024/03/{day:02}/a.json.gz" for day in range(1, 32)]
    fill([*march, *april, *year, *unpadded, *other, *days])
    source = opened(f"{region}{start}")
    for selection, wanted in (
        (Selection(date(2024, 3, 10), date(2024, 3, 20)), [*march, *year, *unpadded, *days[9:21]]),
        (Selection(date(2024, 3, 5), date(2024, 3, 5)), [*march, *year, *unpadded, *days[4:6]]),
        (
            Selection(date(2024, 3, 31), date(2024, 4, 30)),
            [*march, *april, *year, *unpadded, *days[30:]],
        ),
        (
            Selection(since=date(2024, 3, 10)),
            [*march, *april, *year, *unpadded, *days[9:], other[1]],
        ),
        (Selection(until=date(2024, 3, 3)), [*march, *year, *unpadded, *days[:4], *other[::2]]),
        (Selection(since=date(2025, 7, 1)), other[1:2]),
    ):
        chosen_keys = [
            key
            for key in wanted
            if key.startswith(f"{region}{start}") and not ("/03/3/" in key and selection.since)
        ]
        found = [
            key for key in keys(source, selection) if "/03/3/" not in key or not selection.since
        ]
        assert sorted(found) == sorted(chosen_keys), selection


def test_a_folder_that_names_no_region_is_in_every_selection_of_regions(
    fill: Fill, opened: Callable[..., S3Source]
) -> None:
    merged = [f"AWSLogs/{ONE}/CloudTrail/all/2024/03/02/a.json.gz"]
    fill([*merged, *trail()])
    found = keys(opened(), Selection(regions=frozenset({"us-east-1"})))
    assert [key for key in found if "/us-east-1/" not in key] == merged


def test_foreign_folders_are_looked_into_at_little_cost(
    fill: Fill, opened: Callable[..., S3Source]
) -> None:
    """A trail beside a table of hourly folders: those are not descended one by one."""
    fill(
        [
            f"table/year=2024/month={month:02}/day={day:02}/hour={hour:02}/part.parquet"
            for month in range(1, 7)
            for day in range(1, 29)
            for hour in range(24)
        ]
    )
    fill(trail("deep/er/AWSLogs/"))
    source = opened()
    made = requests_of(source)
    found = keys(source, Selection(since=date(2024, 3, 10)))
    named = [key for key in found if not key.endswith(".parquet")]
    assert len(named) == 16
    assert len(found) - len(named) == 6 * 28 * 24  # their first bytes decide
    assert len(made) < 40


def test_what_lies_beside_the_years_is_listed_behind_a_mark_where_it_is_asked_for(
    fill: Fill, opened: Callable[..., S3Source]
) -> None:
    region = f"AWSLogs/{ONE}/CloudTrail/eu-west-1/"
    fill([f"{region}000000.gz", *(f"{region}2024/03/0{day}/a.json.gz" for day in range(1, 6))])
    source = opened()
    for beside, number in ((True, 2), (False, 1)):
        found = source.objects(
            Selection(since=date(2024, 3, 1)), lambda _: f"{region}2024/03/05/", beside=beside
        )
        assert len(list(found)) == number
