"""Dead letters tried again: what can be indexed now is, and every count is put right."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ingest.counts import Counts
from ingest.deadletters.dismissal import Dismissal, Dismissals
from ingest.deadletters.retry import Retry
from ingest.deadletters.selection import LetterSelection
from ingest.deadletters.spool import SPOOL_FILE
from tests.helpers.dead_letters import letter, retry, store
from tests.helpers.processes import printed, run
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.objects import object_id, short_id


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def test_what_can_be_indexed_now_leaves_the_dead_letters(
    settings: Settings, tmp_path: Path
) -> None:
    client = connect(settings)
    there, lost, hostile = record(), record(), record(requestParameters="text", risk_score=9)
    never = record(eventTime="never")
    path = write_trail(tmp_path / "trail", [there, never])
    backfill(settings, path)
    # As if three more records of it had been refused: one that is indexed, and two that are not.
    (entry,) = ledger(client, settings)
    for position, each in enumerate((there, lost, hostile), start=2):
        store(settings, json.dumps(each).encode(), str(path), position, entry["etag"])
    name = Names(settings.prefix).ledger
    client.update(
        index=name,
        id=object_id(str(path)),
        body={"doc": {"read": 5, "dead_lettered": 4}},
        refresh=True,
    )
    assert retry(settings) == Counts(read=4, indexed=2, duplicates=1, dead_lettered=1, filtered=0)
    found = documents(client, settings)
    assert found.keys() == {each["eventID"] for each in (there, lost, hostile)}
    assert found[lost["eventID"]]["trail"]["object"] == short_id(str(path))
    assert found[lost["eventID"]]["trail"]["position"] == 3
    (left,) = dead_letters(client, settings)
    assert left["code"] == "bad_event_time"
    (entry,) = ledger(client, settings)
    terms = {term: entry[term] for term in Counts().as_dict()}
    assert terms == Counts(read=5, indexed=3, duplicates=1, dead_lettered=1).as_dict()
    # Nothing changes by trying once more.
    assert retry(settings) == Counts(read=1, dead_lettered=1)
    assert len(dead_letters(client, settings)) == 1
    (entry,) = ledger(client, settings)
    assert entry["dead_lettered"] == 1


def test_letters_that_the_last_reading_did_not_bring_move_none_of_its_counts(
    settings: Settings, tmp_path: Path
) -> None:
    client = connect(settings)
    events, never = [record(), record()], record(eventTime="never")
    path = write_trail(tmp_path / "trail", [*events, never])
    backfill(settings, path)
    (before,) = ledger(client, settings)
    assert (before["indexed"], before["dead_lettered"]) == (2, 1)
    # Of an earlier reading, when their day took no writes; and of what was there before.
    for position, each in enumerate(events):
        for etag in (before["etag"], "former"):
            raw = json.dumps(each | {"awsRegion": etag}).encode()
            store(settings, raw, str(path), position, etag)
    assert retry(settings).dead_lettered == 1
    (after,) = ledger(client, settings)
    assert after == before
    assert len(dead_letters(client, settings)) == after["dead_lettered"]


def test_a_letter_past_retention_does_not_bring_its_deleted_day_back(
    settings: Settings, tmp_path: Path
) -> None:
    """The next run of the retention would delete it again, with all that was written to it."""
    client, names = connect(settings), Names(settings.prefix)
    trail = tmp_path / "trail"
    gone, there, today = "2025-03-01", "2025-03-02", f"{datetime.now(UTC):%Y-%m-%d}"
    for number, day in enumerate((there, there, gone, today)):
        write_trail(trail, [record(eventTime=f"{day}T12:00:00Z")], str(number))
        if number == 0:
            backfill(settings, trail)
            for each in (gone, today):
                client.indices.create(index=names.day(each.replace("-", ".")))
            blocked = {"index.blocks.write": True}
            client.indices.put_settings(index=names.days, body=blocked)
    assert backfill(settings, trail).counts.dead_lettered == 3
    client.indices.put_settings(index=names.days, body={"index.blocks.write": None})
    client.indices.delete(index=names.day(gone.replace("-", ".")))
    kept = settings.retention.model_copy(update={"days": 30})
    counts = retry(settings.model_copy(update={"retention": kept}))
    assert (counts.read, counts.indexed, counts.filtered) == (3, 2, 1)
    assert not client.indices.exists(index=names.day(gone.replace("-", ".")))
    assert len(documents(client, settings)) == 3
    assert dead_letters(client, settings) == []
    entries = [each for each in ledger(client, settings) if each["kind"] == "object"]
    assert sum(each["filtered"] for each in entries) == 1
    assert all(each["dead_lettered"] == 0 for each in entries)


def test_many_letters_are_tried_page_by_page(settings: Settings) -> None:
    for number in range(3):
        store(settings, json.dumps(record(eventTime=None)).encode(), "gone", number)
    client = connect(settings)
    lines = []
    for number in range(450):
        identifier, document = letter(json.dumps(record()).encode(), "many", number)
        lines += [{"create": {"_id": identifier}}, document]
    client.bulk(index=Names(settings.prefix).deadletter, body=lines, refresh=True)
    assert retry(settings) == Counts(read=453, indexed=450, dead_lettered=3)
    assert len(documents(client, settings)) == 450
    assert len(dead_letters(client, settings)) == 3


def spool(settings: Settings, name: str, *raws: bytes) -> Path:
    """A spool file with these letters."""
    settings.spool.mkdir(parents=True, exist_ok=True)
    path = settings.spool / name
    with path.open("ab") as file:
        for number, raw in enumerate(raws):
            identifier, document = letter(raw, "spooled", number)
            file.write(msgspec.json.encode(document | {"id": identifier, "refused": "413"}) + b"\n")
    return path


def test_the_spool_file_is_tried_too(settings: Settings) -> None:
    event, never = record(), record(eventTime="never")
    file = spool(settings, SPOOL_FILE, json.dumps(event).encode(), json.dumps(never).encode())
    with file.open("ab") as torn:
        torn.write(b'{"object":"spooled","position":7,"raw":"brok')  # a write that a crash cut off
    client = connect(settings)
    assert retry(settings) == Counts(read=2, indexed=1, dead_lettered=1)
    assert documents(client, settings).keys() == {event["eventID"]}
    assert [each["raw"] for each in dead_letters(client, settings)] == [json.dumps(never)]
    left = [path.read_bytes() for path in settings.spool.iterdir()]
    assert left == [b'{"object":"spooled","position":7,"raw":"brok\n']


def test_a_spool_file_whose_retry_was_cut_short_is_tried_again(settings: Settings) -> None:
    first, second = record(), record()
    spool(settings, "deadletters.retrying", json.dumps(first).encode())
    assert retry(settings) == Counts(read=1, indexed=1)
    spool(settings, "deadletters.retrying", json.dumps(first).encode())
    spool(settings, SPOOL_FILE, json.dumps(second).encode())
    assert retry(settings) == Counts(read=2, indexed=1, duplicates=1)
    assert documents(connect(settings), settings).keys() == {first["eventID"], second["eventID"]}
    assert list(settings.spool.iterdir()) == []


def test_the_command_tells_what_came_of_them(settings: Settings) -> None:
    store(settings, json.dumps(record()).encode(), "gone")
    ended = run(settings, "retry-deadletters", "--json")
    assert ended.returncode == 0, ended.stderr.decode()
    assert printed(ended.stdout).items() >= Counts(read=1, indexed=1).as_dict().items()
    store(settings, b"no record at all", "gone")
    left = run(settings, "retry-deadletters")
    assert left.returncode == 1
    assert "1 remains" in left.stdout.decode()


def test_a_letter_in_two_places_is_tried_once(settings: Settings) -> None:
    event, never = record(), record(eventTime="never")
    texts = [json.dumps(each).encode() for each in (event, never)]
    # A retry that was killed left its file; the same letters were spooled again, and stored.
    spool(settings, "deadletters.retrying", *texts)
    spool(settings, SPOOL_FILE, *texts)
    store(settings, texts[0], "spooled", 0)
    assert retry(settings) == Counts(read=2, indexed=1, dead_lettered=1)
    client = connect(settings)
    assert [each["raw"] for each in dead_letters(client, settings)] == [json.dumps(never)]
    assert documents(client, settings).keys() == {event["eventID"]}
    assert not list(settings.spool.glob("deadletters.*"))


def test_dismissed_letters_are_tried_only_if_asked_for(settings: Settings) -> None:
    """In the index and in the spool; what fails stays dismissed, and nothing is lost."""
    client = connect(settings)
    never, later = [record(eventTime="never") for _ in range(2)], [record() for _ in range(2)]
    for number, each in enumerate((never[0], later[0])):
        store(settings, json.dumps(each).encode(), "gone", number)
    file = spool(
        settings, SPOOL_FILE, *(json.dumps(each).encode() for each in (never[1], later[1]))
    )
    job = Dismissals(client, settings)
    dismissal = Dismissal("ada", datetime.now(UTC), "a test")
    assert job.set(job.select(LetterSelection(dismissed=False)), dismissal) == 4
    store(settings, json.dumps(record(eventTime="never")).encode(), "new")
    lines = file.read_bytes()
    enricher = enricher_from(settings, lambda _: None)
    tried = Retry(client, settings, enricher).run()
    assert (tried.counts, tried.dismissed) == (Counts(read=1, dead_lettered=1), 4)
    assert [json.loads(each) for each in file.read_bytes().splitlines()] == [
        json.loads(each) for each in lines.splitlines()
    ]
    asked = Retry(client, settings, enricher, dismissed=True).run()
    assert (asked.counts, asked.dismissed) == (Counts(read=5, indexed=2, dead_lettered=3), 0)
    assert documents(client, settings).keys() == {each["eventID"] for each in later}
    # The index takes the letter that it had rejected.
    left = {each["raw"]: each.get("dismissed") for each in dead_letters(client, settings)}
    assert left.pop(json.dumps(never[0])) == left.pop(json.dumps(never[1])) == dismissal.as_dict()
    assert list(left.values()) == [None]
    assert file.read_bytes() == b""


def test_what_fails_again_keeps_its_code(settings: Settings, tmp_path: Path) -> None:
    """What the reader of a file refused is no record of the same fault where it stands alone."""
    whole = json.dumps(record()).encode()
    faults = [b"1", b"[{}]", b'{"eventTime": }', json.dumps(record(eventTime="never")).encode()]
    file = tmp_path / "trail" / "a.json"
    file.parent.mkdir()
    file.write_bytes(b'{"Records":[' + b",".join([whole, *faults]) + b"]}")
    backfill(settings, file)
    before = {each["code"] for each in dead_letters(connect(settings), settings)}
    assert {"not_an_object", "broken_json", "bad_event_time"} <= before
    enricher = enricher_from(settings, lambda _: None)
    tried = Retry(connect(settings), settings, enricher).run()
    assert set(tried.codes) == before
    assert tried.counts.dead_lettered == len(faults)
