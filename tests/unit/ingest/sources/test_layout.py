"""What a key or path is, and whether a selection wants it."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from ingest.objects import Selection, TrailObject
from ingest.sources.layout import NameClass, Place, classify, place_of, select, wanted

ACCOUNT = "111122223333"
DAY = date(2024, 3, 1)
FOLDER = f"{ACCOUNT}/CloudTrail/eu-west-1/2024/03/01/"
NAME = f"{ACCOUNT}_CloudTrail_eu-west-1_20240301T0210Z_Mu0KsOhtH1ar15ZZ.json.gz"
WHOLE = Place("CloudTrail", ACCOUNT, "eu-west-1", DAY)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"AWSLogs/{FOLDER}{NAME}", WHOLE),
        (f"AWSLogs/o-a1b2c3/{FOLDER}{NAME}", WHOLE),
        (f"any/prefix/AWSLogs/{FOLDER}x.json.gz", WHOLE),
        (f"o-a1b2c3/AWSLogs/o-a1b2c3/{FOLDER}x.json", WHOLE),
        (f"/srv/copy/{FOLDER}x.json.gz", WHOLE),
        (
            "CloudTrail/eu-west-1/2024/03/01/x.json.gz",
            Place("CloudTrail", None, "eu-west-1", DAY),
        ),
        (f"/flat/copy/{NAME}", WHOLE),
        (
            f"flat/{ACCOUNT}_CloudTrail-Digest_eu-west-1_my_trail_eu-west-1_20240301T021000Z.json.gz",
            Place("CloudTrail-Digest", ACCOUNT, "eu-west-1", DAY),
        ),
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail-Insight/us-gov-west-1/2024/03/01/x.json.gz",
            Place("CloudTrail-Insight", ACCOUNT, "us-gov-west-1", DAY),
        ),
        (f"AWSLogs/{ACCOUNT}/CloudTrail/x.json.gz", Place("CloudTrail", ACCOUNT)),
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2024/02/merged.json.gz",
            Place(
                "CloudTrail",
                ACCOUNT,
                "eu-west-1",
                days=(date(2024, 2, 1), date(2024, 2, 29)),
            ),
        ),
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2024/merged.json.gz",
            Place(
                "CloudTrail",
                ACCOUNT,
                "eu-west-1",
                days=(date(2024, 1, 1), date(2024, 12, 31)),
            ),
        ),
        (f"{ACCOUNT}/CloudTrail/eu-west-1/2024/03/{NAME}", WHOLE),
        (f"{ACCOUNT}/CloudTrail/eu-west-1/2024/3/1/x.gz", WHOLE),
        (
            f"{ACCOUNT}/CloudTrail/eu-west-1/2024/04/{NAME}",
            Place(
                "CloudTrail",
                ACCOUNT,
                "eu-west-1",
                days=(date(2024, 4, 1), date(2024, 4, 30)),
            ),
        ),
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2024/13/41/x.json.gz",
            Place("CloudTrail", ACCOUNT, "eu-west-1", None),
        ),
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/x.json.gz",
            Place("CloudTrail", ACCOUNT, "eu-west-1"),
        ),
        (f"AWSLogs/{ACCOUNT}/CloudTrail/all/x.json.gz", Place("CloudTrail", ACCOUNT)),
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail/all/2024/03/01/x.json.gz",
            Place("CloudTrail", ACCOUNT, None, DAY),
        ),
        ("exports/2024/03/01/x.json.gz", None),
        ("CloudTrail/x.json", None),
        ("MyCloudTrail/eu-west-1/2024/03/01/x.json", None),
    ],
)
def test_place(path: str, place: Place | None) -> None:
    assert place_of(path) == place


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (f"AWSLogs/{FOLDER}{NAME}", NameClass.TRAIL),
        (f"AWSLogs/{ACCOUNT}/CloudTrail-NetworkActivity/eu-west-1/2024/03/01/x.json.gz", "TRAIL"),
        (f"AWSLogs/{ACCOUNT}/CloudTrail-Aggregated/eu-west-1/2024/03/01/x.json.gz", "OTHER"),
        (f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/eu-west-1/2024/03/01/x.json.gz", "OTHER"),
        (f"AWSLogs/{ACCOUNT}/Config/eu-west-1/2024/3/1/ConfigHistory/x.json.gz", "OTHER"),
        (f"AWSLogs/{ACCOUNT}/elasticloadbalancing/eu-west-1/2024/03/01/x.log.gz", "OTHER"),
        (f"AWSLogs/{ACCOUNT}/vpcflowlogs/eu-west-1/2024/03/01/x.log.gz", "OTHER"),
        (f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/x.gz", "OTHER"),
        (f"AWSLogs/o-ab/{ACCOUNT}/WAFLogs/eu-west-1/x.gz", "OTHER"),
        (f"AWSLogs/{ACCOUNT}/GuardDuty/eu-west-1/2024/03/01/x.jsonl.gz", "OTHER"),
        (f"AWSLogs/{ACCOUNT}/NewService/{ACCOUNT}_NewService_eu-west-1_20240301T0000Z.gz", "OTHER"),
        (
            f"AWSLogs/{ACCOUNT}/cloudtrail-firehose/2024/03/01/10/trail-1-2024-03-01-10-00",
            "UNNAMED",
        ),
        (f"AWSLogs/o-ab/{ACCOUNT}/exports/2024.json.gz", "UNNAMED"),
        (f"AWSLogs/{ACCOUNT}/exports/{NAME}", "TRAIL"),
        (f"AWSLogs/{FOLDER}x.parquet", "UNNAMED"),
        (f"AWSLogs/{FOLDER}", "OTHER"),
        ("exports/events.json", "UNKNOWN"),
        ("exports/events.JSONL", "UNKNOWN"),
        ("exports/events.ndjson", "UNKNOWN"),
        ("exports/000000.gz", "UNKNOWN"),
        ("exports/events.jsonl.gz", "UNKNOWN"),
        ("exports/events.csv.gz", "UNNAMED"),
        ("exports/.hidden.json", "OTHER"),
        ("README.md", "UNNAMED"),
        ("", "OTHER"),
    ],
)
def test_classify(path: str, verdict: NameClass | str) -> None:
    assert classify(path)[0].name == (verdict if isinstance(verdict, str) else verdict.name)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), True),
        (Selection(since=DAY), True),
        (Selection(since=date(2024, 3, 2)), False),
        (Selection(until=DAY), True),
        (Selection(until=date(2024, 2, 29)), True),  # delivered past midnight
        (Selection(until=date(2024, 2, 28)), False),
        (Selection(until=date.max), True),
        (Selection(accounts=frozenset({ACCOUNT})), True),
        (Selection(accounts=frozenset({"000000000000"})), False),
        (Selection(regions=frozenset({"eu-west-1", "us-east-1"})), True),
        (Selection(regions=frozenset({"us-east-1"})), False),
    ],
)
def test_wanted(selection: Selection, expected: bool) -> None:
    assert wanted(WHOLE, selection) is expected


def test_what_is_not_known_is_wanted() -> None:
    strict = Selection(DAY, DAY, frozenset({"000000000000"}), frozenset({"us-east-1"}))
    assert wanted(None, strict)
    assert wanted(Place("CloudTrail"), strict)


def test_selection_covers_whole_days_of_events() -> None:
    selection = Selection(since=DAY, until=date(2024, 3, 2))
    days = [date(2024, 2, 29), DAY, date(2024, 3, 2), date(2024, 3, 3)]
    assert [selection.covers(day) for day in days] == [False, True, True, False]
    assert Selection().everything
    assert not Selection(regions=frozenset({"eu-west-1"})).everything


def test_sift_counts_what_is_no_trail_file_and_not_what_is_left_out() -> None:
    ignored: Counter[str] = Counter()
    listed = [
        "p/.DS_Store",
        f"p/AWSLogs/{FOLDER}{NAME}",
        f"p/AWSLogs/{FOLDER}",
        f"p/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2024/03/01/x.json.gz",
        f"p/AWSLogs/{ACCOUNT}/CloudTrail-Digest/us-east-1/2024/03/01/x.json.gz",
        "p/labels.json",
        "p/exports/lookup.json",
    ]
    found = select(
        listed,
        Selection(regions=frozenset({"eu-west-1"})),
        ignored,
        path=str,
        made=lambda name: TrailObject(name, "", 1),
    )
    expected = [listed[1], "p/labels.json", "p/exports/lookup.json"]
    assert [item.uri for item in found] == expected
    assert ignored == {"hidden file": 1, "folder marker": 1, "digest": 1}
