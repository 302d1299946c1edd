"""Selections as a user types them: adjoining parts, and what is said of typing errors."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.backfill.plan import plan
from ingest.objects import Selection
from ingest.sources import open_source
from tests.helpers.clock import lasting_today
from tests.helpers.ports import own_port
from tests.helpers.processes import printed, run
from tests.helpers.trails import (
    backfill,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.objects import object_id, short_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ONE, TWO, THREE = "111122223333", "222233334444", "333344445555"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def day_folder(root: Path, day: date, account: str = ONE, region: str = "us-east-1") -> Path:
    return root / f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}"


def two_days(root: Path) -> int:
    """Four days of folders; in each the half is of the day before. How many records."""
    number = 0
    for day in (date(2025, 3, 2) + timedelta(days=each) for each in range(4)):
        before = day - timedelta(days=1)
        times = [f"{before}T23:5{each}:00Z" for each in range(5)]
        times += [f"{day}T12:0{each}:00Z" for each in range(5)]
        write_trail(day_folder(root, day), [record(eventTime=each) for each in times])
        number += len(times)
    return number


def test_two_adjoining_windows_lose_nothing(settings: Settings, tmp_path: Path) -> None:
    trail = tmp_path / "trail"
    number = two_days(trail)
    first = run(settings, "backfill", trail, "--until", "2025-03-03", "--json")
    assert first.returncode == 0, first.stderr.decode()
    assert printed(first.stdout)["filtered"] == 5  # of the folder of the day after
    second = run(settings, "backfill", trail, "--since", "2025-03-04")
    assert second.returncode == 0, second.stderr.decode()
    said = second.stdout.decode()
    assert "1 object read again: an earlier run had read them by another selection" in said
    assert "5 records selected by their folder's name only: day 2025-03-03 (5)" in said
    assert len(documents(connect(settings), settings)) == number
    third = run(settings, "backfill", trail, "--json")
    report = printed(third.stdout)
    assert (report["objects"], report["skipped_objects"]) == (0, 4)


def test_a_forced_run_over_a_part_narrows_nothing(settings: Settings, tmp_path: Path) -> None:
    client, trail = connect(settings), tmp_path / "trail"
    number = two_days(trail)
    assert backfill(settings, trail).counts.indexed == number
    forced = backfill(settings, trail, force=True, until=date(2025, 3, 4))
    assert (forced.counts.duplicates, forced.counts.filtered) == (number - 5, 5)
    assert backfill(settings, trail).objects == 0
    # The counts of the object of 5 March are of its part: an event that it lacks is found still.
    day = Names(settings.prefix).day("2025.03.05")
    lost = next(
        key for key, each in documents(client, settings).items() if "-05T" in each["eventTime"]
    )
    client.delete(index=day, id=lost, refresh=True)
    found = printed(run(settings, "reconcile", trail, "--json").stdout)
    assert [(each["kind"], each["events"]) for each in found["findings"]] == [("partial", 1)]


@pytest.mark.parametrize(
    ("selected", "sections"),
    [
        ({"since": date(2025, 3, 4)}, {}),
        ({"since": date(2025, 3, 3), "until": date(2025, 3, 3)}, {}),
        ({"accounts": frozenset({ONE})}, {}),
        ({"regions": frozenset({"us-east-1"})}, {}),
        ({}, {"filter": [{"eventName": "CreateUser"}]}),
        ({}, {"retention": {"days": "from 4 March 2025 on"}}),
    ],
)
def test_whatever_was_left_out_is_in_after_a_run_without_it(
    settings: Settings, tmp_path: Path, selected: dict[str, Any], sections: dict[str, Any]
) -> None:
    trail = tmp_path / "trail"
    number = two_days(trail)
    write_trail(
        trail / "exports",
        [
            record(recipientAccountId=each, awsRegion=region, eventTime="2025-03-03T10:00:00Z")
            for each in (ONE, TWO, THREE)
            for region in ("us-east-1", "eu-west-1")
        ],
    )
    if "retention" in sections:
        sections = {"retention": {"days": (lasting_today() - date(2025, 3, 4)).days}}
    narrow = own_settings(settings.hosts[0], settings.namespace, settings.home, **sections)
    assert backfill(narrow, trail, **selected).counts.filtered > 0
    assert backfill(narrow, trail, **selected).objects == 0
    planned = plan(connect(settings), settings, [open_source(str(trail), settings)], Selection())
    wide = backfill(settings, trail)
    assert wide.objects_read_again == planned.objects_read_again > 0
    assert (wide.objects, wide.counts.filtered) == (planned.objects, 0)
    assert len(documents(connect(settings), settings)) == number + 6


def test_an_entry_of_the_last_release_that_was_filtered_is_read_again(
    settings: Settings, tmp_path: Path
) -> None:
    client = connect(settings)
    for name in ("whole", "filtered"):
        write_trail(tmp_path / "trail", [record()], name)
    for path in (tmp_path / "trail").iterdir():
        about = path.stat()
        entry = {
            "uri": str(path),
            "etag": f"{about.st_size}-{about.st_mtime_ns}",
            "size": about.st_size,
            "state": "done",
            "worker": "",
            "read": 1,
            "filtered": int(path.name.startswith("filtered")),
        }
        index = Names(settings.prefix).ledger
        client.index(index=index, id=object_id(str(path)), body=entry, refresh=True)
    report = backfill(settings, tmp_path / "trail")
    assert (report.objects, report.skipped_objects, report.objects_read_again) == (1, 1, 1)
    [source] = documents(client, settings).values()
    (file,) = (tmp_path / "trail").glob("filtered*")
    assert source["trail"]["object"] == short_id(str(file))


def test_the_folders_account_is_in_the_document_where_the_event_does_not_name_it(
    settings: Settings, tmp_path: Path
) -> None:
    odd = {"risk_score": 3}  # one of our names: the slow path
    both = [record(recipientAccountId=name, **more) for name in (ONE, TWO) for more in ({}, odd)]
    nameless = record()
    nameless.pop("recipientAccountId", None)
    write_trail(day_folder(tmp_path / "t", date(2025, 3, 1)), [*both, nameless])
    write_trail(tmp_path / "t/exports", [record(recipientAccountId=THREE)])
    assert backfill(settings, tmp_path / "t").counts.indexed == 6
    found = documents(connect(settings), settings).values()
    accounts = Counter(
        (each.get("recipientAccountId"), each["trail"].get("account")) for each in found
    )
    assert accounts == {(ONE, None): 2, (TWO, ONE): 2, (None, ONE): 1, (THREE, None): 1}


def ended(settings: Settings, *arguments: str | Path) -> tuple[int, str]:
    process = run(settings, *arguments)
    return process.returncode, " ".join((process.stdout + process.stderr).decode().split())


@pytest.mark.parametrize(("more", "tried"), [((), 3), (("--dry-run",), 3), (("--workers", "2"), 1)])
def test_an_account_or_region_that_is_not_there_is_named_with_those_that_are(
    settings: Settings, tmp_path: Path, more: tuple[str, ...], tried: int
) -> None:
    """Of several workers one selection is tried: each of them imports all of it anew."""
    trail = tmp_path / "trail"
    write_trail(day_folder(trail, date(2025, 3, 1)), [record()])
    write_trail(day_folder(trail, date(2025, 3, 1), TWO, "eu-west-1"), [record()])
    cases: list[tuple[tuple[str, ...], str]] = [
        (("--account", "12"), f"no account 12 in what was given: accounts found: {ONE}, {TWO}"),
        (
            ("--account", ONE, "--account", THREE),
            f"no account {THREE} in what was given: accounts found: {ONE}, {TWO}",
        ),
        (
            ("--region", "eu-wset-1"),
            "no region eu-wset-1 in what was given: regions found: eu-west-1, us-east-1",
        ),
    ]
    for flags, said in cases[:tried]:
        code, output = ended(settings, "backfill", trail, *flags, *more)
        assert (code, said in output) == (1, True), output
    # Both are there, on other days or in other places: nothing to read is no fault.
    code, output = ended(settings, "backfill", trail, "--account", TWO, "--since", "2025-04-01")
    assert code == 0, output
    assert "nothing to read in the selection" in output
    assert f"accounts found: {ONE}, {TWO}; days found: 2025-03-01 to 2025-03-01" in output


def test_records_say_which_accounts_an_export_has(settings: Settings, tmp_path: Path) -> None:
    write_trail(tmp_path / "exports", [record(), record(recipientAccountId=TWO)])
    code, output = ended(settings, "backfill", tmp_path / "exports", "--account", "12")
    assert code == 1
    assert f"no account 12 in what was given: accounts found: {ONE}, {TWO}" in output
    assert ended(settings, "backfill", tmp_path / "exports", "--account", TWO)[0] == 0
    assert ended(settings, "backfill", tmp_path / "exports", "--account", TWO)[0] == 0


def test_a_mistyped_region_of_what_was_read_already_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    write_trail(tmp_path / "exports", [record(awsRegion="eu-west-1")])
    assert ended(settings, "backfill", tmp_path / "exports")[0] == 0
    code, said = ended(settings, "backfill", tmp_path / "exports", "--region", "eu-wset-1")
    assert code == 1, said
    assert "the index has no event of it" in said
    assert ended(settings, "backfill", tmp_path / "exports", "--region", "eu-west-1")[0] == 0


def test_a_folder_in_the_wrong_case_is_named_with_the_one_there_is(
    settings: Settings, tmp_path: Path
) -> None:
    write_trail(tmp_path / "AWSLogs", [record()])
    code, output = ended(settings, "backfill", tmp_path / "awslogs")
    assert code == 2, output
    assert f"there is {tmp_path / 'AWSLogs'}" in output


def test_an_empty_place_and_a_second_night_are_no_faults(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    code, output = ended(settings, "backfill", tmp_path / "empty")
    assert (code, "the source is empty" in output) == (0, True)
    write_trail(tmp_path / "trail", [record()])
    assert ended(settings, "backfill", tmp_path / "trail")[0] == 0
    code, output = ended(settings, "backfill", tmp_path / "trail")
    assert (code, "1 already" in output) == (0, True)


def test_objects_none_of_which_can_be_used_are_a_fault(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "AWSLogs" / ONE / "Config" / "us-east-1"
    place.mkdir(parents=True)
    (place / "config.json.gz").write_bytes(b"x")
    code, output = ended(settings, "backfill", tmp_path / "AWSLogs")
    assert code == 1, output
    assert "none of them a CloudTrail log file" in output


def s3_settings(settings: Settings, endpoint: str) -> dict[str, str]:
    return {"TRAILHOUND_AWS__ENDPOINT_URL": endpoint, "TRAILHOUND_AWS__REGION": "us-east-1"}


def test_a_prefix_or_account_that_a_bucket_does_not_have(
    settings: Settings, s3: S3Client, bucket: str, s3_endpoint: str
) -> None:
    env = s3_settings(settings, s3_endpoint)
    empty = run(settings, "backfill", f"s3://{bucket}", env=env)
    assert empty.returncode == 0, empty.stderr.decode()
    for account, region in ((ONE, "us-east-1"), (TWO, "eu-west-1")):
        key = f"org/AWSLogs/{account}/CloudTrail/{region}/2025/03/01/{account}_CloudTrail_{region}"
        s3.put_object(
            Bucket=bucket, Key=f"{key}_20250301T1200Z_x.json.gz", Body=trail_bytes([record()])
        )
    cases: list[tuple[tuple[Any, ...], int, str]] = [
        ((f"s3://{bucket}/org/awslogs/",), 1, f"s3://{bucket}/org/awslogs/; there is org/AWSLogs/"),
        ((f"s3://{bucket}/Org",), 1, f"s3://{bucket}/Org; there is org/"),
        ((f"s3://{bucket}", "--account", "12"), 1, f"accounts found: {ONE}, {TWO}"),
        ((f"s3://{bucket}", "--region", "eu-wset-1"), 1, "regions found: eu-west-1, us-east-1"),
        (
            (f"s3://{bucket}", "--account", ONE, "--since", "2025-04-01"),
            0,
            f"accounts found: {ONE}, {TWO}; days found: 2025-03-01 to 2025-03-01",
        ),
        ((f"s3://{bucket}", "--account", ONE), 0, "1 object read"),
    ]
    for arguments, code, said in cases:
        process = run(settings, "backfill", *arguments, env=env)
        output = " ".join((process.stdout + process.stderr).decode().split())
        assert (process.returncode, said in output) == (code, True), (arguments, output)


def test_a_plan_says_that_the_cluster_does_not_answer(tmp_path: Path) -> None:
    write_trail(tmp_path / "trail", [record()])
    with own_port() as port:
        settings = own_settings(f"http://127.0.0.1:{port}", "dead", tmp_path / "home")
    code, output = ended(settings, "backfill", tmp_path / "trail", "--dry-run")
    assert code == 3, output
    assert "127.0.0.1" in output


def test_no_size_is_said_of_objects_whose_size_is_not_known(
    settings: Settings, tmp_path: Path
) -> None:
    for number in range(5):
        write_trail(tmp_path / "trail", [record()], f"f{number}").write_bytes(b"")
    code, output = ended(settings, "backfill", tmp_path / "trail", "--dry-run")
    assert code == 0
    assert "5 objects to read, 0 already" in output


def test_entries_say_by_what_they_were_read(settings: Settings, tmp_path: Path) -> None:
    write_trail(tmp_path / "e", [record(), record(recipientAccountId=TWO)])
    for account in (ONE, TWO, ONE):
        backfill(settings, tmp_path / "e", accounts=frozenset({account}))
    [entry] = ledger(connect(settings), settings)
    assert entry["kind"] == "object"
    assert entry["covered"] == [{"accounts": [ONE, TWO]}]
    assert backfill(settings, tmp_path / "e", accounts=frozenset({TWO})).skipped_objects == 1
