"""One holder at a time, and soon another when it is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.running.scheduler import Job, Scheduler, Turn
from tests.faults.proxy import DROP, Fault, Proxy, Request
from tests.helpers.queues import until
from tests.helpers.trails import own_settings
from trailhound.app.daemon.scheduled_jobs import ScheduledJobs
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.retention import enforce
from trailhound.settings import RetentionSettings, Settings
from trailhound.state.jobs import Jobs
from trailhound.state.leases import Lease, LeaseState

SECONDS = 9.0
"""Of each lease, which is renewed every 1.5 s and lost after 7.2: a machine that halts a process
for five seconds loses none."""


def lease(settings: Settings, owner: str, url: str = "") -> Lease:
    if url:
        cluster = settings.cluster.model_copy(update={"hosts": [url]})
        settings = settings.model_copy(update={"cluster": cluster})
    ledger = templates.Names(settings.prefix).ledger
    return Lease(connect(settings), ledger, "x", owner=owner, seconds=SECONDS)


def renewed(client: OpenSearch, settings: Settings, times: int = 1) -> None:
    """Wait until the lease was written so many times more."""
    ledger = templates.Names(settings.prefix).ledger
    seen: set[int] = set()

    def enough() -> bool:
        seen.add(client.get(index=ledger, id="lease-x")["_seq_no"])
        return len(seen) > times

    until(enough, "a renewal")


@contextmanager
def watched(leases: list[Lease]) -> Iterator[list[int]]:
    """How many held it, looked at all the time; the largest number is first at the end."""
    most = [0]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.002):
            most[0] = max(most[0], sum(each.held for each in leases))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def test_one_of_three_holds_it_and_another_follows(client: OpenSearch, settings: Settings) -> None:
    leases = [lease(settings, f"owner-{number}") for number in range(3)]
    terms = []
    with watched(leases) as most:
        for each in leases:
            each.start()
        left = list(leases)
        while left:
            until(lambda: any(each.held for each in left), "a holder")
            (holder,) = [each for each in left if each.held]
            terms.append(holder.term)
            renewed(client, settings)
            assert holder.held
            holder.stop()
            left.remove(holder)
    assert most == [1]
    assert terms == sorted(set(terms))


def test_a_holder_that_is_cut_off_counts_itself_out_before_another_begins(
    client: OpenSearch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    cut = threading.Event()

    def script(_: Request) -> Fault | None:
        return DROP if cut.is_set() else None

    with Proxy(settings.hosts[0], script) as proxy, ExitStack() as stack:
        first, second = lease(settings, "first", proxy.url), lease(settings, "second")
        first.start()
        stack.callback(first.stop)
        until(lambda: first.held, "the first to hold it")
        second.start()
        stack.callback(second.stop)
        with watched([first, second]) as most:
            renewed(client, settings)
            assert first.held
            cut.set()
            until(lambda: second.held, "the second to take over")
            cut.clear()
            renewed(client, settings, times=7)  # for longer than the first one waits for it
            assert second.held
            assert not first.held
        assert most == [1]
        assert second.term > first.term
    *_, said = [each.getMessage() for each in caplog.records if "lost the lease" in each.msg]
    assert said.startswith("lost the lease x: it was not renewed in time: OpenSearch at http://")
    assert "ConnectionError" not in said
    assert said.endswith("; another daemon takes over what it is for")


@pytest.mark.usefixtures("client")
def test_a_holder_says_that_another_process_took_it(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    first = lease(settings, "first")
    first.start()
    try:
        until(lambda: first.held, "the first to hold it")
        taken = LeaseState(name="x", owner="second", term=first.term + 1)
        ledger = templates.Names(settings.prefix).ledger
        connect(settings).index(index=ledger, id=taken.identifier, body=taken.document())
        until(lambda: not first.held, "the first to notice it")
        until(lambda: "lost the lease x" in caplog.text, "a warning")
    finally:
        first.stop()
    assert "lost the lease x: second holds it; another daemon takes over" in caplog.text


def scheduler(settings: Settings, owner: str, jobs: list[Job]) -> Scheduler:
    return Scheduler(Jobs(connect(settings), settings), lease(settings, owner), jobs)


@pytest.mark.usefixtures("client")
def test_a_job_that_fails_stops_no_other_and_the_next_one_elected_goes_on(
    settings: Settings,
) -> None:
    runs: list[tuple[str, datetime | None]] = []
    turns: dict[str, Turn] = {}
    settled: list[tuple[str, bool, bool, bool]] = []

    def ledger() -> dict[str, Any]:
        index = templates.Names(settings.prefix).ledger
        found: dict[str, Any] = connect(settings).get(index=index, id="lease-x")["_source"]
        return found

    def broken(_: Turn) -> None:
        raise ValueError("it does not work")

    def cut_off(_: Turn) -> None:
        connect(own_settings("http://127.0.0.1:1", "x", settings.home)).info()

    def jobs(who: str) -> list[Job]:
        def work(turn: Turn) -> str | None:
            assert turn.holds_lease()
            runs.append((who, turn.last_success))
            turns[who] = turn
            return f"{who} left two calls out"

        def settle(seconds: float) -> None:
            state = LeaseState.parse("lease-x", ledger())
            settled.append((who, state.owner == who, turns[who].holds_lease(), seconds <= 10))

        failing = [Job("broken", 0.1, broken), Job("cut-off", 0.1, cut_off)]
        return [*failing, Job("good", 0.1, work, settle=settle)]

    one, two = scheduler(settings, "one", jobs("one")), scheduler(settings, "two", jobs("two"))
    one.start()
    until(lambda: len(runs) >= 3, "three runs")
    two.start()
    one.stop()
    done = len(runs)
    until(lambda: len(runs) >= done + 2, "runs of the other one")
    two.stop()
    ending = [(who, True, False, True) for who in ("one", "two")]
    assert settled == ending, "what a run left goes no further, and ends while the lease is held"
    assert {who for who, _ in runs[:done]} == {"one"}
    assert {who for who, _ in runs[done:]} == {"two"}
    assert runs[0][1] is None
    times = [moment for _, moment in runs[1:] if moment is not None]
    assert len(times) == len(runs) - 1
    assert times == sorted(set(times))
    entry = connect(settings).get(index=templates.Names(settings.prefix).ledger, id="job-broken")
    assert entry["_source"]["failures"] >= 3
    assert "it does not work" in entry["_source"]["last_error"]
    kept = Jobs(connect(settings), settings)
    assert kept.get("cut-off").last_error.startswith(
        "the cluster at http://127.0.0.1:1 cannot be reached: "
    )
    assert "(" not in kept.get("cut-off").last_error, "no exception within an exception"
    assert (kept.get("good").note, kept.get("broken").note) == ("two left two calls out", "")


@pytest.mark.parametrize("action", ["delete", "close"])
def test_days_behind_the_retention_go_and_nothing_else(
    action: str, client: OpenSearch, settings: Settings
) -> None:
    names = templates.Names(settings.prefix)
    today = date(2025, 3, 31)
    days = [today - timedelta(days=number) for number in (0, 29, 30, 31, 400)]
    for day in days:
        client.indices.create(index=names.day(f"{day:%Y.%m.%d}"))
    ours = {names.day(f"{day:%Y.%m.%d}") for day in days}
    foreign = {
        names.day("2020.01.01"),
        f"{settings.prefix}cloudtrail-2020.13.99",
        f"{settings.prefix}other",
    }
    client.indices.delete_index_template(name=f"{settings.prefix}trailhound-events")
    for index in foreign:
        client.indices.create(index=index)

    def there() -> dict[str, str]:
        rows = client.cat.indices(
            index=f"{settings.prefix}*", format="json", params={"expand_wildcards": "all"}
        )
        return {row["index"]: row["status"] for row in rows}

    assert enforce(client, settings, today).deleted == []
    wanted = RetentionSettings.model_validate({"days": 30, "action": action})
    kept = settings.model_copy(update={"retention": wanted})
    behind = {names.day("2025.02.28"), names.day(f"{days[-1]:%Y.%m.%d}")}
    report = enforce(client, kept, today)
    assert set(report.deleted + report.closed) == behind
    assert report.foreign == [names.day("2020.01.01")]
    again = enforce(client, kept, today)
    assert again.deleted == again.closed == []
    left = there()
    assert foreign <= left.keys()
    assert ours - behind <= left.keys()
    gone = {index for index in behind if left.get(index) != "close"}
    assert gone == (behind if action == "delete" else set())
    assert all(left[index] == "open" for index in (ours - behind) | foreign)
    assert datetime.now(UTC).date() > today


def test_a_daemon_without_a_job_does_not_keep_it_from_another(
    client: OpenSearch, settings: Settings
) -> None:
    """As where one daemon only ingests, and was started first."""
    off = settings.detections.model_copy(update={"scheduled": False})
    first = ScheduledJobs(client, settings.model_copy(update={"detections": off}), "first")
    retention = RetentionSettings.model_validate({"days": 400})
    second = ScheduledJobs(client, settings.model_copy(update={"retention": retention}), "second")
    first.start()
    try:
        until(lambda: all(first.leads().values()), "the lease of what both daemons do")
        second.start()
        until(lambda: second.leads()["detections"], "the lease of the rules")
        until(lambda: second.leads()["retention"], "the lease of retention")
        until(lambda: second.runs()["detections"].runs > 0, "a run of the rules")
        assert first.leads() == {"housekeeping": True}
        assert not second.leads()["housekeeping"]
    finally:
        first.stop()
        second.stop()
