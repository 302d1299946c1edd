"""Whatever happens to the requests, every event is in the index once and counted once."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import pytest
from opensearchpy import OpenSearch

from bench.processes import launched
from ingest.backfill.backfill import Backfill
from ingest.deadletters.spool import SPOOL_FILE
from ingest.objects import Selection, Source, TrailObject
from ingest.run_report import RunReport
from ingest.sources import open_source
from tests.faults.proxy import (
    DROP,
    LOSE_REPLY,
    Answer,
    BusyItems,
    Delay,
    Fault,
    LargeItems,
    LyingItems,
    Proxy,
    Replace,
    Request,
    Script,
    bulk,
)
from tests.helpers.processes import (
    PROGRAM,
    environment,
    identity_holds,
    printed,
    run,
)
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
from trailhound.cluster import retry_policy
from trailhound.cluster.client import connect
from trailhound.settings import Settings

FILES, EACH = 12, 25
INGEST = {"batch_bytes": 64 * 1024, "batch_seconds": 60}
"""Small batches, so that a small trail makes some ten requests, and none made by the clock."""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the wait before a request is sent again, doubled as often: half of what these
    tests took was waiting. Commands in processes of their own wait as ever."""
    whole = retry_policy.BACKOFF
    tenth = replace(whole, first=whole.first / 10, longest=whole.longest / 10)
    monkeypatch.setattr(retry_policy, "BACKOFF", tenth)


@pytest.fixture
def client(engine: str, namespace: str, tmp_path: Path) -> OpenSearch:
    return prepared(own_settings(engine, namespace, tmp_path / "home"))


@pytest.fixture
def straight(engine: str, namespace: str, tmp_path: Path) -> Settings:
    """Settings that go to the engine itself."""
    return own_settings(engine, namespace, tmp_path / "home")


def through(proxy: Proxy, namespace: str, tmp_path: Path, **ingest: Any) -> Settings:
    return own_settings(proxy.url, namespace, tmp_path / "home", ingest=INGEST | ingest)


def trail_of(
    folder: Path, files: Sequence[Sequence[dict[str, Any]]] | None = None
) -> list[dict[str, Any]]:
    """A trail's files are written; all their records are returned, in order."""
    files = files or [events() for _ in range(FILES)]
    for number, records in enumerate(files):
        write_trail(folder, records, f"{number:03}")
    return [each for records in files for each in records]


def events(number: int = EACH) -> list[dict[str, Any]]:
    return [record(requestParameters={"x": "y" * 400}) for _ in range(number)]


def terms(report: RunReport) -> tuple[int, int, int, int]:
    each = report.counts
    assert each.holds
    return each.read, each.indexed, each.duplicates, each.dead_lettered


EVERYWHERE = range(1, 100)
SOME = (1, 3, 4, 7)


def at(fault: Fault, numbers: Sequence[int] = SOME) -> Script:
    return bulk(dict.fromkeys(numbers, fault))


FAULTS: dict[str, Script] = {
    "429": at(Answer(429)),
    "502": at(Answer(502)),
    "503": at(Answer(503)),
    "504": at(Answer(504)),
    "connection lost before": at(DROP),
    "reply lost": at(LOSE_REPLY),
    "reply lost thrice": at(LOSE_REPLY, (2, 3, 4, 5, 6)),
    "502 after the work": at(Replace(502)),
    "504 after the work": at(Replace(504)),
    "some documents refused as too many": at(BusyItems(3)),
    "all documents refused as too many": at(BusyItems(1)),
    "503 for documents that are in": at(LyingItems(4)),
    "slow": at(Delay(0.3), EVERYWHERE),
    "half of it lost, then busy": bulk({1: LOSE_REPLY, 2: BusyItems(2), 3: LOSE_REPLY, 5: DROP}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_event_is_indexed_once_and_counted_as_indexed(
    name: str, client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    sent = trail_of(tmp_path / "trail")
    with Proxy(straight.hosts[0], FAULTS[name]) as proxy:
        report = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
    assert any(fault for _, fault in proxy.seen), "the fault was never met"
    assert terms(report) == (len(sent), len(sent), 0, 0), report.as_dict()
    assert (report.objects, report.failed_objects, report.conflicts) == (FILES, 0, 0)
    assert documents(client, straight).keys() == {each["eventID"] for each in sent}
    assert dead_letters(client, straight) == []
    assert {entry["state"] for entry in ledger(client, straight)} == {"done"}


@pytest.mark.parametrize("name", ["reply lost thrice", "502 after the work", "slow"])
def test_true_duplicates_are_told_from_lost_replies(
    name: str, client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    once = [events() for _ in range(FILES // 2)]
    twice = [[*records, records[0]] for records in once]
    trail_of(tmp_path / "trail", [*twice, *once])
    with Proxy(straight.hosts[0], FAULTS[name]) as proxy:
        report = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
    number = EACH * FILES // 2
    copies = number + FILES // 2
    assert terms(report) == (number + copies, number, copies, 0), report.as_dict()
    assert len(documents(client, straight)) == number


def test_a_body_that_is_too_large_is_split(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    sent = trail_of(tmp_path / "trail")

    def script(request: Request) -> Fault | None:
        return Answer(413) if request.of_events and len(request.body) > 9_000 else None

    with Proxy(straight.hosts[0], script) as proxy:
        report = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
    assert terms(report) == (len(sent), len(sent), 0, 0)
    assert documents(client, straight).keys() == {each["eventID"] for each in sent}


def test_one_event_that_is_too_large_for_the_gateway_is_kept_in_the_spool(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    big = record(requestParameters={"x": "y" * 30_000})
    sent = trail_of(tmp_path / "trail", [[*events(3), big, *events(3)]])

    def script(request: Request) -> Fault | None:
        return Answer(413) if len(request.body) > 20_000 else None

    with Proxy(straight.hosts[0], script) as proxy:
        settings = through(proxy, namespace, tmp_path)
        report = backfill(settings, tmp_path / "trail")
    assert terms(report) == (7, 6, 0, 1)
    assert report.spooled == 1
    assert documents(client, straight).keys() == {
        each["eventID"] for each in sent if each is not big
    }
    (line,) = (straight.spool / SPOOL_FILE).read_bytes().splitlines()
    assert json.loads(json.loads(line)["raw"]) == big


def test_an_event_that_is_nested_deep_costs_no_other_where_it_gets_no_reply(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    """An engine whose thread dies of a few hundred levels never answers the request."""
    levels = b'{"a":' * 300
    inner: dict[str, Any] = {}
    for _ in range(300):
        inner = {"a": inner}
    deep = record(requestParameters=inner)
    sent = trail_of(tmp_path / "trail", [[*events(3), deep, *events(3)], [deep], events(3)])

    def script(request: Request) -> Fault | None:
        # Repaired, they are text within text: their quotes are escaped.
        return DROP if levels in request.body.replace(b" ", b"") else None

    with Proxy(straight.hosts[0], script) as proxy:
        report = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
    assert terms(report) == (11, 10, 1, 0), report.as_dict()
    assert documents(client, straight).keys() == {each["eventID"] for each in sent}


def test_a_request_refused_for_one_event_costs_that_event_alone(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    files = [events() for _ in range(4)]
    marked = files[2][7]
    marked["requestParameters"]["marker"] = "SELECT"
    sent = trail_of(tmp_path / "trail", files)

    def script(request: Request) -> Fault | None:
        return Answer(400) if request.of_events and b"SELECT" in request.body else None

    with Proxy(straight.hosts[0], script) as proxy:
        report = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
    assert terms(report) == (len(sent), len(sent) - 1, 0, 1)
    (letter,) = dead_letters(client, straight)
    assert json.loads(letter["raw"]) == marked
    assert "the proxy says so" in letter["reason"]
    refused = [fault for _, fault in proxy.seen if fault]
    assert len(refused) < 20, "halving takes a logarithm, not a request for each event"


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_too_large_for_the_memory_of_a_node_is_a_dead_letter(
    whole: bool, client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    """Its 429 never ends, however long one waits. Others of its request are written."""
    files = [events() for _ in range(4)]
    large = files[2][7]
    large["requestParameters"]["document"] = "y" * 200_000
    sent = trail_of(tmp_path / "trail", files)
    memory = LargeItems(20_000, whole)

    def script(request: Request) -> Fault | None:
        return memory if "_bulk" in request.path else None

    with Proxy(straight.hosts[0], script) as proxy:
        settings = through(proxy, namespace, tmp_path)
        report = backfill(settings, tmp_path / "trail")
    assert terms(report) == (len(sent), len(sent) - 1, 0, 1)
    assert report.spooled == 1, "the index of the dead letters has no more memory"
    assert report.dead_letter_codes == {"too_large": 1}
    found = documents(client, straight)
    assert found.keys() == {each["eventID"] for each in sent} - {large["eventID"]}


def test_claims_and_finished_objects_survive_lost_replies(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    sent = trail_of(tmp_path / "trail", [[record(), record(eventTime="never")] for _ in range(3)])
    count = {"other": 0}

    def script(request: Request) -> Fault | None:
        if request.method == "POST" and (
            request.path.startswith(("/_mget", f"/{namespace}-trailhound"))
            or (request.path.startswith("/_bulk") and not request.of_events)
        ):
            count["other"] += 1
            return (LOSE_REPLY, None, Replace(503), None, DROP)[count["other"] % 5]
        return None

    with Proxy(straight.hosts[0], script) as proxy:
        report = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
        assert terms(report) == (6, 3, 0, 3), report.as_dict()
        again = backfill(through(proxy, namespace, tmp_path), tmp_path / "trail")
        assert (again.objects, again.skipped_objects) == (0, 3)
    assert len(documents(client, straight)) == len(sent) // 2
    assert len(dead_letters(client, straight)) == 3
    assert {entry["state"] for entry in ledger(client, straight)} == {"done"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_at_once(
    seed: int, client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    once = [events(15) for _ in range(8)]
    once[3][2]["requestParameters"] = "not an object"
    once[4][3]["eventTime"] = "never"
    conflict = record(eventID=once[0][0]["eventID"], eventName="StopLogging")
    sent = trail_of(tmp_path / "trail", [*once, [*once[1], conflict]])
    faults: list[Fault] = [
        *(Answer(status) for status in (429, 502, 503, 504)),
        *(DROP, LOSE_REPLY, LOSE_REPLY, Replace(504), Delay(0.1)),
    ]
    of_documents: list[Fault] = [BusyItems(2), LyingItems(3)]

    def script(request: Request) -> Fault | None:
        if request.method != "POST" or dice.random() > 0.3:
            return None
        return dice.choice(faults + of_documents if request.of_events else faults)

    with Proxy(straight.hosts[0], lambda _: None) as proxy:
        settings = through(proxy, namespace, tmp_path)
        job = Backfill(
            connect(settings),
            settings,
            enricher_from(settings, lambda _: None),
            selection=Selection(),
        )
        proxy.script = script
        report = job.run([open_source(str(tmp_path / "trail"), settings)])
    distinct = 8 * 15 + 1
    assert terms(report) == (len(sent), distinct - 1, len(sent) - distinct, 1), report.as_dict()
    assert report.conflicts == 1
    assert len(documents(client, straight)) == distinct - 1


def test_the_gate_narrows_at_429_and_widens_again(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    trail_of(tmp_path / "trail", [events() for _ in range(60)])
    limits: list[int] = []
    jobs: list[Backfill] = []

    def script(request: Request) -> Fault | None:
        if not request.number:
            return None
        limits.append(jobs[0].pipeline.sender.limiter.limit)
        return Answer(429) if request.number in (3, 4) else None

    with Proxy(straight.hosts[0], script) as proxy:
        settings = through(proxy, namespace, tmp_path, in_flight=3)
        jobs.append(
            Backfill(
                connect(settings),
                settings,
                enricher_from(settings, lambda _: None),
                selection=Selection(),
            )
        )
        report = jobs[0].run([open_source(str(tmp_path / "trail"), settings)])
    assert report.retries == 2
    assert limits[0] == 3
    assert min(limits) == 1
    assert limits[-1] > 1, limits


class Slow:
    """A folder that takes its time over each file, and a `pause` over the one named `last`."""

    ignored: Mapping[str, int] = MappingProxyType({})

    def __init__(self, source: Source, pause: float) -> None:
        self._source = source
        self._pause = pause

    def objects(self, selection: Selection) -> Iterator[TrailObject]:
        return self._source.objects(selection)

    def open(self, item: TrailObject) -> BinaryIO:
        time.sleep(self._pause if "last" in item.uri else 0.1)
        return self._source.open(item)

    def head(self, item: TrailObject, size: int) -> bytes:
        return self._source.head(item, size)


def test_a_batch_sent_by_the_clock_at_the_very_end_is_not_lost(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    # One request under way, one waiting, and the clock's thread with a third when reading ends.
    sent = trail_of(tmp_path / "trail", [events(2) for _ in range(3)])
    write_trail(tmp_path / "trail", [], "last")
    with Proxy(straight.hosts[0], at(Delay(1.2), EVERYWHERE)) as proxy:
        settings = through(
            proxy, namespace, tmp_path, batch_seconds=0.01, in_flight=1, prefetch_threads=1
        )
        for pause in (0.25, 0.35):
            job = Backfill(
                connect(settings),
                settings,
                enricher_from(settings, lambda _: None),
                selection=Selection(),
                force=True,
            )
            report = job.run([Slow(open_source(str(tmp_path / "trail"), settings), pause)])
            assert report.counts.read == len(sent)
    assert len(documents(client, straight)) == len(sent)


def test_giving_up_is_exit_code_3_and_loses_nothing(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    sent = trail_of(tmp_path / "trail")
    with Proxy(straight.hosts[0], at(Answer(503), range(3, 1000))) as proxy:
        settings = through(proxy, namespace, tmp_path)
        ended = run(
            settings,
            *("backfill", tmp_path / "trail", "--json"),
            env={
                "TRAILHOUND_INGEST__GIVE_UP_AFTER": "1.5",
                "TRAILHOUND_INGEST__BATCH_BYTES": "65536",
            },
        )
    said = ended.stderr.decode()
    assert ended.returncode == 3, said
    assert "gave up" in said
    assert "to resume" in said
    assert "Traceback" not in said
    assert json.loads(ended.stdout)["error"]["exit_code"] == 3
    before = documents(client, straight)
    assert 0 < len(before) < len(sent)
    assert dead_letters(client, straight) == []
    again = run(straight, "backfill", tmp_path / "trail", "--json")
    assert again.returncode == 0, again.stderr.decode()
    report = printed(again.stdout)
    assert identity_holds(report)
    found = documents(client, straight)
    assert found.keys() == {each["eventID"] for each in sent}
    assert all(found[key] == source for key, source in before.items())


def peak_memory(settings: Settings, trail: Path) -> int:
    """Bytes that a backfill held at most, whose every event bulk is refused until it gives up."""
    variables = {
        "TRAILHOUND_INGEST__GIVE_UP_AFTER": "4",
        "TRAILHOUND_INGEST__BATCH_BYTES": "262144",
    }
    with tempfile.TemporaryFile() as output:
        command = [*PROGRAM, "backfill", str(trail)]
        used = launched(command, environment(settings, variables), output, output)
    assert used.code == 3
    return int(used.peak_mb * 2**20)


def test_memory_does_not_grow_with_what_waits(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    page = trail_bytes([record(requestParameters={"x": "y" * 2_000}) for _ in range(500)])
    for folder, files in (("small", 4), ("big", 80)):
        (tmp_path / folder).mkdir()
        for number in range(files):
            (tmp_path / folder / f"{number:03}.json.gz").write_bytes(page)
    with Proxy(straight.hosts[0], at(Answer(503), range(1, 1000))) as proxy:
        settings = through(proxy, namespace, tmp_path)
        small = peak_memory(settings, tmp_path / "small")
        big = peak_memory(settings, tmp_path / "big")
    # 80 files hold 100 MB of events, inflated; a tenth of that would show.
    assert big - small < 10_000_000, (small, big)


def _too_large(request: Request) -> Fault | None:
    return Answer(413) if len(request.body) > 20_000 else None


def test_a_record_is_spooled_once_however_often_its_object_is_read(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    trail_of(tmp_path / "trail", [[record(requestParameters={"x": "y" * 30_000})]])
    with Proxy(straight.hosts[0], _too_large) as proxy:
        settings = through(proxy, namespace, tmp_path)
        for _ in range(2):
            report = backfill(settings, tmp_path / "trail", force=True)
            assert terms(report) == (1, 0, 0, 1)
    assert len((straight.spool / SPOOL_FILE).read_bytes().splitlines()) == 1


def test_a_spool_that_cannot_be_written_fails_its_object_and_no_other(
    client: OpenSearch, straight: Settings, namespace: str, tmp_path: Path
) -> None:
    """What needs the spool is named and read again by the next run; the rest is in."""
    big = record(requestParameters={"x": "y" * 30_000})
    trail_of(tmp_path / "trail", [[*events(2), big], events(3)])
    straight.spool.parent.mkdir(parents=True, exist_ok=True)
    straight.spool.touch()
    with Proxy(straight.hosts[0], _too_large) as proxy:
        settings = through(proxy, namespace, tmp_path)
        report = backfill(settings, tmp_path / "trail")
        assert (report.failed_objects, len(documents(client, straight))) == (1, 5)
        ((_, reason),) = report.failures
        assert str(straight.spool) in reason
        assert "Not a directory" in reason
        straight.spool.unlink()
        report = backfill(settings, tmp_path / "trail")
    assert terms(report) == (3, 0, 2, 1)
    assert len((straight.spool / SPOOL_FILE).read_bytes().splitlines()) == 1
