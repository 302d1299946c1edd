"""A backfill from files to documents: what is read, what is skipped, and how each is counted."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import msgspec
import pytest

from ingest import canonical
from ingest.backfill.backfill import Backfill
from ingest.backfill.plan import plan
from ingest.backfill.small_objects import SMALL
from ingest.counts import Counts
from ingest.objects import Selection, TrailObject
from ingest.repair.record import OUR_NAMES
from ingest.repair.restore import restore
from ingest.run_report import RunReport
from ingest.sources import open_source
from ingest.sources.local import LocalSource
from tests.faults.proxy import Proxy, Request
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.errors import SourceUnreachableError
from trailhound.settings import Settings
from trailhound.state.objects import short_id


def counts(report: RunReport) -> tuple[int, int, int, int, int]:
    """read, indexed, duplicates, dead-lettered, filtered."""
    each = report.counts
    return each.read, each.indexed, each.duplicates, each.dead_lettered, each.filtered


def restored(source: dict[str, Any]) -> bytes:
    """The canonical text of the record in a document."""
    return restore(msgspec.json.encode(source))


def identities_of_ledger(entries: list[dict[str, Any]]) -> Counts:
    """The ledger's counts in all; each object's own identity is checked on the way."""
    total = Counts()
    for entry in entries:
        each = Counts(**{name: entry[name] for name in Counts().as_dict()})
        each.check(entry["uri"])
        total.add(each)
    return total


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def test_files_become_documents_once(settings: Settings, namespace: str, trail: Path) -> None:
    client = connect(settings)
    files = {
        f"f{number}": [
            record(eventTime=f"2025-03-0{1 + number % 3}T12:00:{second:02}Z")
            for second in range(20)
        ]
        for number in range(5)
    }
    for name, records in files.items():
        write_trail(trail, records, name)
    (trail / "notes.txt").write_text("no trail file")

    report = backfill(settings, trail)
    assert counts(report) == (100, 100, 0, 0, 0)
    assert (report.objects, report.skipped_objects, report.failed_objects) == (5, 0, 0)
    assert report.ignored_kinds == {"text": 1}
    assert report.complete
    assert report.bytes == sum(path.stat().st_size for path in trail.glob("*.gz"))

    found = documents(client, settings)
    sent = {each["eventID"]: each for records in files.values() for each in records}
    assert found.keys() == sent.keys()
    by_id = {short_id(str(path)): path.name.removesuffix(".json.gz") for path in trail.glob("*.gz")}
    for identifier, source in found.items():
        written = {key: value for key, value in source.items() if key not in OUR_NAMES}
        assert written == sent[identifier]
        name = by_id[source["trail"]["object"]]
        assert files[name][source["trail"]["position"]]["eventID"] == identifier
        assert source["trail"]["integrity"] == "unverified"
    content = {
        str(path): hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        for path in trail.glob("*.gz")
    }
    kept = {entry["uri"]: entry["sha256"] for entry in ledger(client, settings)}
    assert content.items() <= kept.items(), "as CloudTrail's digests have it"
    indices = client.indices.get_alias(index=f"{namespace}-cloudtrail-*")
    assert sorted(indices) == [f"{namespace}-cloudtrail-2025.03.0{day}" for day in (1, 2, 3)]
    assert all(f"{namespace}-cloudtrail" in each["aliases"] for each in indices.values())

    entries = ledger(client, settings)
    assert Counter(entry["state"] for entry in entries) == {"done": 5, "skipped": 1}
    assert identities_of_ledger(entries) == report.counts

    again = backfill(settings, trail)
    assert (again.objects, again.skipped_objects) == (0, 5)
    assert counts(again) == (0, 0, 0, 0, 0)

    forced = backfill(settings, trail, force=True)
    assert (forced.objects, forced.skipped_objects) == (5, 0)
    assert counts(forced) == (100, 0, 100, 0, 0)
    assert documents(client, settings) == found


def test_a_changed_file_is_read_again(settings: Settings, trail: Path) -> None:
    first, second = record(), record()
    write_trail(trail, [first])
    backfill(settings, trail)
    write_trail(trail, [first, second])
    report = backfill(settings, trail)
    assert (report.objects, report.skipped_objects) == (1, 0)
    assert counts(report) == (2, 1, 1, 0, 0)
    assert len(documents(connect(settings), settings)) == 2


def test_an_event_delivered_twice_is_one_document(settings: Settings, trail: Path) -> None:
    event, other = record(), record()
    write_trail(trail, [event, other, event], "a")
    write_trail(trail, [event], "b")
    report = backfill(settings, trail)
    assert counts(report) == (4, 2, 2, 0, 0)
    assert report.conflicts == 0
    assert documents(connect(settings), settings).keys() == {event["eventID"], other["eventID"]}


def test_an_event_is_one_document_in_whatever_format_it_comes(
    settings: Settings, trail: Path
) -> None:
    event = record(
        userIdentity={"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
        additionalEventData={"é": "\u2028 ü", "n": 1.5, "list": [1, None, True]},
    )
    turned = dict(reversed(event.items()))
    formats: dict[str, bytes] = {
        "1.json.gz": trail_bytes([event]),
        "2.json": trail_bytes([json.dumps(turned, indent=2).encode()], compressed=False),
        "3.jsonl": json.dumps(turned, ensure_ascii=False).encode() + b"\n",
        "4.json": json.dumps([event]).encode(),
        "5.json": json.dumps(
            {"Events": [{"EventId": event["eventID"], "CloudTrailEvent": json.dumps(turned)}]}
        ).encode(),
        "6.json.gz": gzip.compress(
            json.dumps(
                {
                    "messageType": "DATA_MESSAGE",
                    "logGroup": "trail",
                    "logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(event)}],
                }
            ).encode()
        ),
        "7.json": json.dumps(
            {
                "id": str(uuid.uuid4()),
                "detail-type": "AWS API Call via CloudTrail",
                "source": "aws.iam",
                "detail": turned,
            }
        ).encode(),
    }
    trail.mkdir()
    for name, content in formats.items():
        (trail / name).write_bytes(content)
    report = backfill(settings, trail)
    assert counts(report) == (7, 1, 6, 0, 0), report.as_dict()
    assert report.conflicts == 0
    found = documents(connect(settings), settings)
    assert found.keys() == {event["eventID"]}
    assert restored(found[event["eventID"]]) == canonical.canonical(json.dumps(event).encode())


def test_another_record_under_a_taken_id_is_kept_and_marked(
    each_engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    harmless = record(eventName="DescribeInstances", eventSource="ec2.amazonaws.com")
    forged = harmless | {"eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com"}
    close = harmless | {"readOnly": True}
    closer = harmless | {"readOnly": 1}
    write_trail(trail, [harmless], "a")
    assert counts(backfill(settings, trail)) == (1, 1, 0, 0, 0)
    write_trail(trail, [forged, close, closer, harmless], "b")
    report = backfill(settings, trail)
    assert counts(report) == (4, 3, 1, 0, 0)
    assert report.conflicts == 3
    found = documents(client, settings)
    expected = {harmless["eventID"]: harmless}
    for each in (forged, close, closer):
        digest = canonical.digest(json.dumps(each).encode())
        expected[f"{harmless['eventID']}-{digest[:32]}"] = each
    assert {key: restored(source) for key, source in found.items()} == {
        key: canonical.canonical(json.dumps(each).encode()) for key, each in expected.items()
    }
    marks = {key: source["trail"].get("conflict") for key, source in found.items()}
    assert marks.pop(harmless["eventID"]) is None
    assert set(marks.values()) == {harmless["eventID"]}
    # The conflicting ones are known again, whichever of them comes first.
    again = backfill(settings, trail, force=True)
    assert counts(again) == (5, 0, 5, 0, 0)
    assert documents(client, settings).keys() == found.keys()


def test_ids_that_are_none_never_merge_events(settings: Settings, trail: Path) -> None:
    odd: list[Any] = ["1", "redacted", "", None, 7, {"a": 1}, "x" * 4000, 'q"uo\\te\n', "ü/é ?#"]
    records = [record(eventID=value, requestParameters={"n": n}) for n in (1, 2) for value in odd]
    missing = [record(requestParameters={"n": n}) for n in (1, 2)]
    for each in missing:
        del each["eventID"]
    write_trail(trail, records + missing, "a")
    write_trail(trail, list(reversed(records + missing)), "b")
    number = len(records) + 2
    report = backfill(settings, trail)
    assert counts(report) == (2 * number, number, number, 0, 0), report.as_dict()
    found = documents(connect(settings), settings)
    assert sorted(restored(source) for source in found.values()) == sorted(
        canonical.canonical(json.dumps(each).encode()) for each in records + missing
    )
    assert sum(key.startswith("1-") for key in found) == 2
    assert sum(key.startswith("redacted-") for key in found) == 2


BAD_TIMES: dict[str, list[Any]] = {
    "missing_event_time": [None, ""],
    "bad_event_time": ["yesterday", "2025-02-30T00:00:00Z", {"a": 1}, [1]],
    "absurd_event_time": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 3],
}


def test_records_without_a_day_are_dead_letters(settings: Settings, trail: Path) -> None:
    good, timeless = record(), record()
    del timeless["eventTime"]
    bad = [record(eventTime=value) for values in BAD_TIMES.values() for value in values]
    items: list[dict[str, Any] | bytes] = [good, timeless, *bad, b"[1]", b'"text"']
    path = write_trail(trail, items)
    report = backfill(settings, trail)
    assert counts(report) == (len(items), 1, 0, len(items) - 1, 0)
    assert not report.complete
    client = connect(settings)
    assert documents(client, settings).keys() == {good["eventID"]}
    letters = {letter["position"]: letter for letter in dead_letters(client, settings)}
    assert sorted(letters) == list(range(1, len(items)))
    for position, letter in letters.items():
        item = items[position]
        raw = item if isinstance(item, bytes) else json.dumps(item).encode()
        assert letter["raw"].encode() == raw
        assert letter["object"] == str(path)
        assert letter["reason"]
    codes = [letters[position]["code"] for position in sorted(letters)]
    assert codes[0] == "missing_event_time"
    assert set(codes[:10]) <= set(BAD_TIMES)
    assert codes[-2:] == ["not_an_object"] * 2
    assert sum(report.dead_letter_codes.values()) == len(letters)
    (entry,) = ledger(client, settings)
    assert (entry["state"], entry["dead_lettered"]) == ("done", len(letters))
    # A second reading makes no second letter.
    again = backfill(settings, trail, force=True)
    assert counts(again) == (len(items), 0, 1, len(items) - 1, 0)
    assert len(dead_letters(client, settings)) == len(letters)


def test_noise_is_dropped_and_counted(
    engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(
        engine,
        namespace,
        tmp_path / "home",
        filter=[{"eventSource": "kms.amazonaws.com", "eventName": ["Decrypt"]}],
    )
    client = prepared(settings)
    noise = [record(eventSource="kms.amazonaws.com", eventName="decrypt") for _ in range(3)]
    hostile = record(eventSource="kms.amazonaws.com", eventName="Decrypt", risk_score=1)
    kept = [record(eventSource="kms.amazonaws.com", eventName="DisableKey"), record()]
    write_trail(trail, [*noise, hostile, *kept])
    report = backfill(settings, trail)
    assert counts(report) == (6, 2, 0, 0, 4)
    assert report.complete
    assert documents(client, settings).keys() == {each["eventID"] for each in kept}
    assert identities_of_ledger(ledger(client, settings)) == report.counts


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ({"since": "2025-03-02"}, {"b", "c", "d"}),
        ({"until": "2025-03-02"}, {"a", "b", "d"}),
        ({"since": "2025-03-02", "until": "2025-03-02"}, {"b", "d"}),
        ({"accounts": frozenset({"222233334444"})}, {"d"}),
        ({"regions": frozenset({"us-east-1"})}, {"a", "b", "d"}),
    ],
)
def test_a_selection_is_of_events(
    selection: dict[str, Any], wanted: set[str], settings: Settings, trail: Path
) -> None:
    records = {
        "a": record(eventTime="2025-03-01T23:59:59Z"),
        "b": record(eventTime="2025-03-02T00:00:00Z"),
        "c": record(eventTime="2025-03-03T00:00:00Z", awsRegion="eu-west-1"),
        "d": record(eventTime="2025-03-02T23:59:59Z", recipientAccountId="222233334444"),
    }
    write_trail(trail, list(records.values()))
    made: dict[str, Any] = {
        key: date.fromisoformat(value) if isinstance(value, str) else value
        for key, value in selection.items()
    }
    report = backfill(settings, trail, **made)
    assert counts(report) == (4, len(wanted), 0, 0, 4 - len(wanted))
    found = documents(connect(settings), settings)
    assert found.keys() == {records[name]["eventID"] for name in wanted}


def test_events_beyond_the_retention_are_left_out(
    engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home", retention={"days": 10})
    client = prepared(settings)
    now = datetime.now(UTC)
    ages = {days: now - timedelta(days=days) for days in (0, 9, 12, 4000)}
    records = {days: record(eventTime=f"{at:%Y-%m-%dT%H:%M:%SZ}") for days, at in ages.items()}
    write_trail(trail, list(records.values()))
    report = backfill(settings, trail)
    assert counts(report) == (4, 2, 0, 0, 2)
    assert documents(client, settings).keys() == {records[n]["eventID"] for n in (0, 9)}
    assert len(client.indices.get(index=f"{namespace}-cloudtrail-*")) <= 2


def limited(settings: Settings, limit: int, *sources: Path) -> RunReport:
    job = Backfill(
        connect(settings),
        settings,
        enricher_from(settings, lambda _: None),
        selection=Selection(),
        limit=limit,
    )
    return job.run([open_source(str(source), settings) for source in sources])


def test_a_limit_is_of_objects_and_the_rest_comes_later(settings: Settings, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for number in range(4):
        write_trail(one, [record()], f"{number}")
        write_trail(two, [record()], f"{number}")
    assert limited(settings, 3, one, two).objects == 3
    assert limited(settings, 3, one, two).objects == 3
    client = connect(settings)
    assert {entry["state"] for entry in ledger(client, settings)} <= {"done", "released"}
    last = limited(settings, 3, one, two)
    assert (last.objects, last.skipped_objects) == (2, 6)
    assert len(documents(client, settings)) == 8


def test_sources_that_overlap_are_read_once(settings: Settings, trail: Path) -> None:
    for number in range(3):
        write_trail(trail / "AWSLogs", [record()], f"{number}")
    report = backfill(settings, trail, trail / "AWSLogs", trail / "AWSLogs" / "0.json.gz")
    assert counts(report) == (3, 3, 0, 0, 0)
    assert (report.objects, report.skipped_objects) == (3, 4)


def test_a_dry_run_tells_what_would_be_read_and_writes_nothing(
    settings: Settings, trail: Path
) -> None:
    client = connect(settings)
    paths = [write_trail(trail, [record()], f"{number}") for number in range(3)]
    backfill(settings, paths[0])
    before = ledger(client, settings), documents(client, settings)
    found = plan(client, settings, [open_source(str(trail), settings)], Selection())
    assert (found.objects, found.skipped_objects) == (2, 1)
    assert found.bytes == sum(path.stat().st_size for path in paths[1:])
    forced = plan(
        client, settings, [open_source(str(trail), settings)], Selection(), force=True, limit=2
    )
    assert (forced.objects, forced.skipped_objects) == (2, 0)
    assert (ledger(client, settings), documents(client, settings)) == before


def test_namespaces_do_not_mix(engine: str, namespace: str, tmp_path: Path, trail: Path) -> None:
    names = (f"{namespace}-x", f"{namespace}-y")
    mine, theirs = (own_settings(engine, name, tmp_path / "home") for name in names)
    client = prepared(mine)
    prepared(theirs)
    event = record()
    path = write_trail(trail, [event, record(eventTime=None)])
    assert counts(backfill(mine, path)) == (2, 1, 0, 1, 0)
    assert documents(client, theirs) == {}
    assert dead_letters(client, theirs) == []
    assert ledger(client, theirs) == []
    assert counts(backfill(theirs, path)) == (2, 1, 0, 1, 0)


def test_objects_that_cannot_be_read_are_failed_and_tried_again(
    settings: Settings, trail: Path
) -> None:
    whole = trail_bytes([record(eventName=f"Call{number}" * 40) for number in range(200)])
    good = record()
    write_trail(trail, [good], "a")
    (trail / "b.json.gz").write_bytes(whole[: len(whole) // 2])
    (trail / "c.json").write_bytes(b'{"hello": "world"}')
    (trail / "d.json.gz").write_bytes(b"")
    (trail / "e.json").symlink_to(trail / "nowhere.json")
    report = backfill(settings, trail)
    assert report.failed_objects == 3
    assert report.ignored_kinds == {"other JSON": 1}
    assert not report.complete
    assert {Path(uri).name for uri, _ in report.failures} == {
        "b.json.gz",
        "d.json.gz",
        "nowhere.json",
    }
    client = connect(settings)
    entries = {Path(entry["uri"]).name: entry for entry in ledger(client, settings)}
    assert entries["a.json.gz"]["state"] == "done"
    assert (entries["c.json"]["state"], entries["c.json"]["reason"]) == ("skipped", "other JSON")
    for name in ("b.json.gz", "d.json.gz", "nowhere.json"):
        assert entries[name]["state"] == "failed", name
        assert name in entries[name]["reason"]
    identities_of_ledger(list(entries.values()))
    before = entries["b.json.gz"]["indexed"]
    assert 0 < before < 200
    (trail / "b.json.gz").write_bytes(whole)
    again = backfill(settings, trail)
    assert (again.objects, again.skipped_objects, again.failed_objects) == (3, 1, 2)
    assert again.ignored_kinds == {"other JSON": 1}
    assert counts(again) == (200, 200 - before, before, 0, 0)
    assert len(documents(client, settings)) == 201


def test_a_file_deleted_after_it_was_listed_does_not_stop_the_rest(
    settings: Settings, trail: Path
) -> None:
    for number in range(4):
        write_trail(trail, [record()], f"{number}")
    source = open_source(str(trail), settings)
    listed = list(source.objects(Selection()))
    Path(listed[1].uri).unlink()

    class Listed:
        """The same source, its listing as it was before the file went."""

        ignored: Mapping[str, int] = MappingProxyType({})
        open = staticmethod(source.open)
        head = staticmethod(source.head)

        def objects(self, selection: Selection) -> Any:  # noqa: ARG002
            return iter(listed)

    job = Backfill(
        connect(settings),
        settings,
        enricher_from(settings, lambda _: None),
        selection=Selection(),
    )
    report = job.run([Listed()])
    assert (report.objects, report.failed_objects) == (4, 1)
    assert counts(report) == (3, 3, 0, 0, 0)
    hint = "it cannot be read any more"
    assert report.failures == [
        (listed[1].uri, f"{listed[1].uri}: deleted since it was listed; {hint}")
    ]


def test_what_was_read_before_its_source_is_lost_is_indexed(
    settings: Settings, trail: Path
) -> None:
    """Small objects are begun some at a time, and a large one lies between them."""
    for number in range(5):
        write_trail(trail, [record()], f"{number}")
    write_trail(trail, [record()], "9-last")
    large = write_trail(trail, [record(userAgent=secrets.token_hex(200_000))], "2-large")
    assert large.stat().st_size > SMALL

    class Lost(LocalSource):
        """A folder of which nothing more can be had at its last object."""

        def open(self, item: TrailObject) -> BinaryIO:
            if "9-last" in item.uri:
                raise SourceUnreachableError("the login has expired", hint="renew it")
            return super().open(item)

    client = connect(settings)
    job = Backfill(client, settings, enricher_from(settings, lambda _: None), selection=Selection())
    with pytest.raises(SourceUnreachableError):
        job.run([Lost(str(trail))])
    assert len(documents(client, settings)) == 6
    states = Counter(entry["state"] for entry in ledger(client, settings))
    assert states == {"done": 6, "released": 1}


def test_records_of_a_file_with_a_wrong_checksum_are_marked_corrupt(
    settings: Settings, trail: Path
) -> None:
    write_trail(trail, [record(eventName="Whole")], "whole")
    path = write_trail(trail, [record(), record(risk_score=1)], "changed")
    stored = bytearray(path.read_bytes())
    stored[-6] ^= 1  # a byte of the checksum
    path.write_bytes(stored)
    report = backfill(settings, trail)
    assert (report.failed_objects, counts(report)) == (1, (3, 3, 0, 0, 0))
    found = [
        (source["eventName"], source["trail"]["integrity"])
        for source in documents(connect(settings), settings).values()
    ]
    assert sorted(found) == [
        ("CreateUser", "corrupt"),
        ("CreateUser", "corrupt"),
        ("Whole", "unverified"),
    ]


def test_the_first_request_is_small_and_the_cluster_begins_early(
    settings: Settings, namespace: str, tmp_path: Path
) -> None:
    for number in range(6):
        records = [record(requestParameters={"text": "y" * 30_000}) for _ in range(40)]
        write_trail(tmp_path / "large", records, f"a{number}")
    sizes: list[int] = []

    def note(request: Request) -> None:
        if request.of_events:
            sizes.append(len(request.body))

    with Proxy(settings.hosts[0], note) as proxy:
        ingest = {"batch_seconds": 60, "in_flight": 1}
        backfill(
            own_settings(proxy.url, namespace, tmp_path / "home", ingest=ingest), tmp_path / "large"
        )
    # The files' sizes: 1.2 MB each, and the sixth is left at the end.
    assert [round(size / 1_200_000) for size in sizes] == [1, 2, 3]
