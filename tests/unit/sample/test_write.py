"""A sample's files: exact counts, the same bytes for the same spec, CloudTrail's own layout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from ingest.objects import Selection
from ingest.reading.recognise import kind_of
from ingest.sources.local import LocalSource
from tests.unit.sample import trails
from trailhound.errors import UsageError
from trailhound.sample import SampleSpec, write_sample
from trailhound.sample.spec import Layout

SMALL = SampleSpec(events=3_000, seed=11)
NAME = re.compile(
    r"AWSLogs/(?:o-[0-9a-f]{10}/)?(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/"
    r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/"
    r"(?P=account)_CloudTrail_(?P=region)_(?P=year)(?P=month)(?P=day)T\d{4}Z_[0-9A-Za-z]{16}"
    r"\.json(\.gz)?"
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sample") / "trail"
    write_sample(directory, SMALL)
    return directory


def test_the_same_spec_gives_the_same_files(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", SMALL)
    first, second = trails.files(sample), trails.files(tmp_path / "again")
    assert [path.relative_to(sample) for path in first] == [
        path.relative_to(tmp_path / "again") for path in second
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.stat().st_mtime_ns for path in first] == [
        path.stat().st_mtime_ns for path in second
    ]
    assert trails.labels(sample) == trails.labels(tmp_path / "again")


def test_hash_seeds_do_not_matter(sample: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from trailhound.sample import *; "
        "write_sample(Path(sys.argv[1]), SampleSpec(events=3_000, seed=11))"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "trail")],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
    )
    first, second = trails.files(sample), trails.files(tmp_path / "trail")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first] == [path.name for path in second]


def test_another_seed_gives_another_trail(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "other", SampleSpec(events=3_000, seed=12))
    ids = {event["eventID"] for event in trails.events(sample)}
    assert not ids & {event["eventID"] for event in trails.events(tmp_path / "other")}


def test_it_is_written_over_itself_but_over_nothing_else(sample: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trails.files(sample)}
    write_sample(sample, SMALL)
    assert {path: path.stat().st_mtime_ns for path in trails.files(sample)} == before
    with pytest.raises(UsageError, match="something other than this sample"):
        write_sample(sample, SampleSpec(events=3_000, seed=12))
    assert {path: path.stat().st_mtime_ns for path in trails.files(sample)} == before


def test_a_reader_of_the_folder_lists_the_trail_alone(sample: Path) -> None:
    source = LocalSource(str(sample))
    listed = [item.uri for item in source.objects(Selection())]
    assert sorted(listed) == [str(path.resolve()) for path in trails.files(sample)]
    assert source.ignored == {}


def test_a_sample_of_an_earlier_release_is_still_known(tmp_path: Path) -> None:
    """There the labels were beside `AWSLogs`."""
    trail = tmp_path / "trail"
    write_sample(trail, SampleSpec(events=500))
    labels = trail / "labels.json"
    (trail / ".sample/labels.json").rename(labels)
    (trail / ".sample").rmdir()
    write_sample(trail, SampleSpec(events=500))
    assert sorted(each.name for each in trail.iterdir()) == ["AWSLogs", "labels.json"]
    assert kind_of(labels.read_bytes()) == "labels of a Trailhound sample"
    with pytest.raises(UsageError, match="something other than this sample"):
        write_sample(trail, SampleSpec(events=501))


@pytest.mark.parametrize("events", [1, 2, 62, 63, 64, 999, 2_500])
def test_there_are_exactly_so_many_events(tmp_path: Path, events: int) -> None:
    summary = write_sample(tmp_path / "trail", SampleSpec(events=events))
    found = trails.events(tmp_path / "trail")
    assert len(found) == summary.events == summary.records == events
    assert len({event["eventID"] for event in found}) == events
    assert summary.files == len(trails.files(tmp_path / "trail"))


def test_the_summary_counts_what_is_there(tmp_path: Path) -> None:
    seen: list[int] = []
    summary = write_sample(tmp_path / "trail", SMALL, seen.append)
    paths = trails.files(tmp_path / "trail")
    found = trails.events(tmp_path / "trail")
    assert sum(seen) == summary.records
    assert len(seen) == summary.files == len(paths)
    assert summary.bytes == sum(path.stat().st_size for path in paths)
    assert summary.uncompressed_bytes == sum(len(trails.content(path)) for path in paths)
    addresses = {
        event["sourceIPAddress"]
        for event in found
        if not event["sourceIPAddress"].endswith(".amazonaws.com")
    } - {"AWS Internal"}
    assert summary.distinct_addresses == len(addresses)
    arns = {event["userIdentity"].get("arn") for event in found} - {None}
    assert summary.distinct_arns == len(arns)


@pytest.mark.parametrize(
    ("layout", "head"),
    [
        ("plain", r"AWSLogs/\d{12}"),
        ("organization", r"AWSLogs/o-[0-9a-f]{10}/\d{12}"),
        ("prefixed", r"security/trails/AWSLogs/\d{12}"),
    ],
)
@pytest.mark.parametrize("compressed", [True, False])
def test_files_are_named_as_cloudtrail_does(
    tmp_path: Path, layout: Layout, head: str, compressed: bool
) -> None:
    spec = SampleSpec(events=200, layout=layout, compressed=compressed)
    write_sample(tmp_path / "trail", spec)
    for path in trails.files(tmp_path / "trail"):
        name = path.relative_to(tmp_path / "trail").as_posix()
        assert re.match(head + "/CloudTrail/", name)
        match = NAME.search(name)
        assert match
        assert (path.suffix == ".gz") is compressed
        assert b"\n" not in trails.content(path)
        for record in trails.records(path):
            assert record["recipientAccountId"] == match["account"]
            assert record["awsRegion"] == match["region"]


def test_all_accounts_regions_and_days_are_used(tmp_path: Path) -> None:
    spec = SampleSpec(
        events=4_000,
        accounts=4,
        days=3,
        start=date(2024, 2, 28),
        regions=("eu-west-1", "us-west-2"),
    )
    write_sample(tmp_path / "trail", spec)
    found = trails.events(tmp_path / "trail")
    assert {event["eventTime"][:10] for event in found} == {
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    }
    assert len({event["recipientAccountId"] for event in found}) == 4
    assert {event["awsRegion"] for event in found} == {"eu-west-1", "us-west-2"}
    iam = {event["awsRegion"] for event in found if event["eventSource"] == "iam.amazonaws.com"}
    assert iam == {"eu-west-1"}


def test_files_are_delivered_minutes_after_their_last_event(sample: Path) -> None:
    for path in trails.files(sample):
        times = [record["eventTime"] for record in trails.records(path)]
        assert times == sorted(times)
        stamp = path.name.split("_")[3]
        delivered = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}"
        assert delivered > times[-1][:16]


@pytest.mark.parametrize(("size", "expected"), [(10, 300), (500, 6), (5_000, 1)])
def test_files_hold_exactly_as_many_events_as_asked(
    tmp_path: Path, size: int, expected: int
) -> None:
    spec = SampleSpec(events=3_000, events_per_file=size, attacks=False)
    write_sample(tmp_path / "trail", spec)
    sizes = Counter(len(trails.records(path)) for path in trails.files(tmp_path / "trail"))
    assert sizes == {min(size, 3_000): expected}


def test_only_one_file_is_smaller_where_events_do_not_divide(tmp_path: Path) -> None:
    write_sample(tmp_path / "trail", SampleSpec(events=1_234, events_per_file=100))
    sizes = Counter(len(trails.records(path)) for path in trails.files(tmp_path / "trail"))
    assert sizes == {100: 12, 34: 1}


def test_sizes_vary_where_none_is_asked(sample: Path) -> None:
    sizes = {len(trails.records(path)) for path in trails.files(sample)}
    assert len(sizes) > 5


def test_duplicates_are_the_same_bytes_in_another_file(tmp_path: Path) -> None:
    spec = SampleSpec(events=2_000, duplicates=0.2, events_per_file=50)
    summary = write_sample(tmp_path / "trail", spec)
    assert (summary.events, summary.records) == (2_000, 2_400)
    where: dict[str, list[tuple[Path, bytes]]] = {}
    for path in trails.files(tmp_path / "trail"):
        raw = trails.content(path).removeprefix(b'{"Records":[').removesuffix(b"]}")
        lines = re.split(rb'(?<=\}),(?=\{"eventVersion":"1)', raw)
        parsed = trails.records(path)
        assert len(lines) == len(parsed) <= 50
        for line, record in zip(lines, parsed, strict=True):
            where.setdefault(record["eventID"], []).append((path, line))
    copies = Counter(len(places) for places in where.values())
    assert copies == {1: 1_600, 2: 400}
    for places in where.values():
        assert len({path for path, _ in places}) == len(places)
        assert len({line for _, line in places}) == 1


def test_everything_can_be_delivered_twice(tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "trail", SampleSpec(events=700, duplicates=1.0))
    assert summary.records == len(trails.events(tmp_path / "trail")) == 1_400


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"events": 0}, "at least 1 of events"),
        ({"days": 0}, "at least 1 of days"),
        ({"accounts": -1}, "at least 1 of accounts"),
        ({"events_per_file": 0}, "cannot hold 0"),
        ({"duplicates": 1.5}, "share of duplicates"),
        ({"layout": "flat"}, "no layout"),
        ({"regions": ()}, "at least one region"),
        ({"regions": ("us-east-1", "us-east-1")}, "each named once"),
        ({"regions": ("../../etc",)}, "not the name of a region"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        SampleSpec(**wrong)  # type: ignore[arg-type]
    assert refused.value.hint


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write a sample") as refused:
        write_sample(tmp_path / "file", SMALL)
    assert refused.value.hint


def test_an_interrupted_sample_is_completed(sample: Path, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "trail", SMALL, stop)
    assert len(trails.files(tmp_path / "trail")) == 1
    write_sample(tmp_path / "trail", SMALL)
    again = [path.read_bytes() for path in trails.files(tmp_path / "trail")]
    assert again == [path.read_bytes() for path in trails.files(sample)]


def test_days_are_cut_at_midnight(sample: Path) -> None:
    for path in trails.files(sample):
        days = {record["eventTime"][:10] for record in trails.records(path)}
        assert len(days) == 1
    starts = sorted({event["eventTime"][:10] for event in trails.events(sample)})
    assert all(later > earlier for earlier, later in pairwise(starts))
    assert len(starts) == SMALL.days
