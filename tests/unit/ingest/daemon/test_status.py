"""A daemon's faults: reported while they last, and left out afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.daemon import status
from ingest.daemon.status import CurrentFaults
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from trailhound.cluster.waiting import BLOCKED_CODES


def test_without_a_fault_nothing_is_reported() -> None:
    faults = CurrentFaults()
    assert (faults.waiting_for, faults.failing) == ("", "")
    assert (faults.deferred(), faults.unreachable()) == ([], {})


def test_a_fault_is_reported_until_it_is_over() -> None:
    faults = CurrentFaults()
    faults.wait(60.0, "busy")
    faults.session_failed("ValueError: x")
    faults.defer("s3://b/one", "disk full")
    faults.defer("s3://b/two", "disk full")
    faults.not_fetched("queue", "s3://b/one", "no network")
    assert (faults.waiting_for, faults.failing) == ("busy", "ValueError: x")
    assert faults.deferred() == ["disk full", "disk full"]
    assert faults.unreachable() == {"queue": "no network"}
    faults.read("s3://b/one")
    faults.fetched("queue", "s3://other/two")
    assert faults.unreachable() == {"queue": "no network"}, "another bucket of the queue"
    faults.fetched("queue", "s3://b/two")
    assert faults.deferred() == ["disk full"]
    assert faults.unreachable() == {}


def test_a_source_is_faulty_once_several_objects_in_a_row_are_denied() -> None:
    faults = CurrentFaults()
    for uri in ("a", "b", "a", "a"):
        faults.denied("queue", uri, f"{uri}: denied")
    assert faults.unreachable() == {}, "two objects, one of them tried again"
    faults.denied("other", "c", "c: denied")
    assert faults.unreachable() == {}
    faults.denied("queue", "c", "c: denied")
    faults.denied("queue", "d", "d: denied")
    assert faults.unreachable().keys() == {"queue"}
    faults.opened("queue", "e")
    assert faults.unreachable() == {}


LAYOUT = "s3://b/AWSLogs/{}/CloudTrail/{}/2024/03/01/{}.json.gz"


@pytest.mark.parametrize(
    ("denied", "opened"),
    [
        (
            LAYOUT.format("222233334444", "eu-west-1", "{}"),
            LAYOUT.format("111122223333", "eu-west-1", "{}"),
        ),
        (
            LAYOUT.format("111122223333", "eu-west-1", "{}"),
            LAYOUT.format("111122223333", "us-east-1", "{}"),
        ),
        ("s3://b/one/firehose-{}", "s3://b/two/firehose-{}"),
        ("s3://b/firehose/{}", "s3://c/firehose/{}"),
    ],
    ids=["account", "region", "folder", "bucket"],
)
def test_what_opens_elsewhere_does_not_hide_a_folder_that_is_denied(
    denied: str, opened: str
) -> None:
    faults = CurrentFaults()
    for number in range(3):
        assert faults.unreachable() == {}
        faults.denied("queue", denied.format(number), "denied")
        faults.opened("queue", opened.format(number))
    assert faults.unreachable() == {"queue": "denied"}
    faults.opened("queue", denied.format(9))
    assert faults.unreachable() == {}


def test_one_denied_object_in_each_of_several_folders_is_a_source_that_is_denied() -> None:
    faults = CurrentFaults()
    for region in ("eu-west-1", "eu-west-2", "eu-west-3"):
        faults.denied("queue", LAYOUT.format("111122223333", region, "x"), "denied")
    assert faults.unreachable() == {"queue": "denied"}


def progress(uri: str, *dead: str, indexed: int = 0, duplicates: int = 0) -> ObjectProgress:
    """An object whose records all have an outcome; `dead` are the codes of its dead letters."""
    run = ObjectProgress(TrailObject(uri, "", 1), lambda _: None)
    run.read(len(dead) + indexed + duplicates)
    for code in dead:
        run.dead_letter(code, f"why {code} " + "x" * 5_000)
    run.record("indexed", indexed)
    run.record("duplicates", duplicates)
    return run


def test_no_event_gets_in_once_several_objects_in_a_row_brought_dead_letters_alone() -> None:
    faults = CurrentFaults()
    for uri in ("a", "b", "a", "a"):
        faults.stored(progress(uri, "strict", "strict", "other"))
    assert faults.refused == "", "two objects, one of them brought again"
    faults.stored(progress("c", duplicates=3))
    faults.stored(progress("d", "strict", duplicates=3))
    faults.stored(progress("e"))
    assert faults.refused == "", "objects that show nothing"
    faults.stored(progress("f", *["other"] * 9))
    assert "most of all other (13): why other x" in faults.refused
    assert "21 dead letters" in faults.refused
    assert len(faults.refused) < 500
    faults.stored(progress("g", duplicates=1))
    assert faults.refused, "nothing got in"
    faults.stored(progress("h", "strict", indexed=1))
    assert faults.refused == ""
    for uri in ("i", "j"):
        faults.stored(progress(uri, "strict"))
    assert faults.refused == "", "counted anew"


def test_objects_that_cannot_be_read_let_no_event_in_either() -> None:
    faults = CurrentFaults()
    for uri in "abc":
        run = progress(uri)
        run.finish_reading("no gzip stream")
        faults.stored(run)
    assert "3 objects could not be read: no gzip stream" in faults.refused
    archived = progress("d")
    archived.archived = True
    archived.finish_reading("it is in an archive tier")
    faults.stored(archived)
    faults.stored(progress("e", "strict"))
    assert "3 objects could not be read: no gzip stream; 1 dead letter" in faults.refused
    faults.stored(progress("f", indexed=1))
    assert faults.refused == ""


def test_the_same_broken_objects_tried_again_are_no_outage() -> None:
    faults = CurrentFaults()

    def tried(names: str) -> None:
        for uri in names:
            run = progress(uri)
            run.finish_reading("no gzip stream")
            faults.stored(run)

    tried("abc")
    assert faults.refused, "for the first time, it may be one"
    tried("abc")
    assert faults.refused, "nothing got in meanwhile"
    faults.stored(progress("d", indexed=1))
    tried("abcab")
    assert faults.refused == ""
    tried("ef")
    assert faults.refused == ""
    tried("g")
    assert "3 objects could not be read" in faults.refused


def test_nearly_none_is_none() -> None:
    faults = CurrentFaults()
    for uri in "abc":
        faults.stored(progress(uri, *["day_closed"] * 99, indexed=1))
    assert "297 dead letters, most of all day_closed" in faults.refused
    faults.stored(progress("d", *["day_closed"] * 8, indexed=1))
    assert faults.refused == "", "some get in"


@pytest.mark.parametrize("code", BLOCKED_CODES)
def test_late_objects_of_days_that_take_no_writes_are_no_fault(code: str) -> None:
    faults, now = CurrentFaults(), datetime.now(UTC)

    def bring(days: int, *dead: str) -> None:
        day = f"{now - timedelta(days=days):%Y/%m/%d}"
        for name in "abc":
            uri = f"s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/{day}/{name}.json.gz"
            faults.stored(progress(uri, *dead))

    bring(30, code, code)
    assert faults.refused == "", "the retention has made that day read-only"
    bring(30, code, "strict")
    assert f"most of all {code}" in faults.refused, "something else refuses events too"
    faults.stored(progress("d", indexed=1))
    bring(0, code)
    assert f"most of all {code}" in faults.refused, "today takes no writes"


def test_a_fault_that_does_not_recur_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = CurrentFaults()
    faults.session_failed("ValueError: x")
    faults.defer("s3://b/one", "disk full")
    faults.not_fetched("queue", "s3://b/one", "no network")
    for uri in "abc":
        faults.denied("other", uri, "denied")
    shown = ("_FAULT_SHOWN", "_DEFERRED_SHOWN", "_UNREACHABLE_SHOWN", "_DENIED_SHOWN", "_GRACE")
    for name in shown:
        monkeypatch.setattr(status, name, -1.0)
    faults.wait(0.0, "busy")
    assert (faults.waiting_for, faults.failing) == ("", "")
    assert (faults.deferred(), faults.unreachable()) == ([], {})
