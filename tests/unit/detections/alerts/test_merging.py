"""Findings in any order, in any batches, again and again: what is counted stays the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.alerts import merging as group_module
from detections.alerts.burst import (
    FULL,
    Burst,
    Fact,
    beyond,
    burst_of,
    digest,
    pack,
    union,
    unpack,
)
from detections.alerts.merging import (
    AlertMerger,
    Directory,
    Entry,
    StoredAlert,
    alert_id,
    intervals,
)
from detections.alerts.nearness import Nearness
from detections.finding import EVIDENCE, Finding
from trailhound.state.alert_groups import AlertGroup

START = datetime(2025, 3, 1, tzinfo=UTC)
GROUP = (("user.name", "ada"),)
SCHEDULES = 400
"""Orders of the writers' requests that are tried."""


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def event(second: int, name: str = "") -> Finding:
    return Finding("r", (name or f"e{second}",), 1, at(second), at(second), GROUP)


def burst(seconds: Iterable[int], *, shown: int = EVIDENCE) -> Finding:
    times = sorted(seconds)
    names = tuple(f"e{second}" for second in times)
    return Finding("r", names[:shown], len(names), at(times[0]), at(times[-1]), GROUP)


class Shelf:
    """Alerts of one rule and group, kept in memory as the index would keep them."""

    def __init__(self, gap: int, *, plain: bool = True, full: int = FULL, window: int = 0) -> None:
        self.nearness = Nearness(timedelta(seconds=gap), timedelta(seconds=window))
        self.plain = plain
        self.full = full
        self.head = AlertGroup(group="g")
        self.alerts: dict[str, Burst] = {}
        self.closed: set[str] = set()
        self.merged: set[str] = set()
        self.versions: Counter[str] = Counter()

    def record(self, *findings: Finding, lose: bool = False) -> None:
        """With `lose`, its writer dies after the directory was written."""
        finish(self.writer(*findings, lose=lose))

    def writer(self, *findings: Finding, lose: bool = False) -> Iterator[None]:
        """Records findings as `Recorder` does. Stops before each document that it reads or writes,
        so that others may come first."""
        done = False
        while not done:
            done = yield from self._attempt(findings, lose=lose)

    def _attempt(self, findings: Sequence[Finding], *, lose: bool) -> Generator[None, None, bool]:
        facts = {
            name: Fact(at(int(name[1:].partition(".")[0])), {"principal": frozenset({name})})
            for finding in findings
            for name in finding.events
        }
        bursts = [burst_of(finding, facts) for finding in findings]
        head = self.head
        directory = Directory.read(head)
        versions = {}
        merger = AlertMerger("r", GROUP, self.nearness, self.plain, directory, {}, facts)
        for name in {
            name
            for since, until in intervals(bursts, self.nearness.reach)
            for name in directory.near(since, until, self.nearness)
        }:
            yield
            merger.alerts[name], versions[name] = self._known(name), self.versions[name]
        ready = merger.complete_mergers()
        if ready:
            merger.merge(bursts)
        yield
        written = directory.write("g", "r")
        if written != head:
            if self.head is not head:
                return False
            self.head = written
        if lose:
            return True
        for names, write in ((merger.changed, self._write), (merger.absorbed, self._merge)):
            whole = True
            for name in sorted(names):
                yield
                if self.versions[name] != versions.get(name, 0):
                    whole = False
                    continue
                write(name, merger)
                self.versions[name] += 1
            if not whole:
                return False
        return ready

    def _write(self, name: str, merger: AlertMerger) -> None:
        assert name not in self.merged, "a merged alert changes no more"
        known = merger.alerts[name]
        assert known is not None
        before = self.alerts.get(name, known.burst)
        if name in self.closed:
            assert known.burst.known < before.known, "a closed alert counts no more events"
        self.alerts[name] = known.burst

    def _merge(self, name: str, merger: AlertMerger) -> None:
        entry = merger.directory.entries[name]
        self.alerts.setdefault(name, Burst(entry.first, entry.last, 0, frozenset()))
        self.closed.add(name)
        self.merged.add(name)

    def _known(self, name: str) -> StoredAlert | None:
        if name not in self.alerts:
            return None
        closed = name in self.closed
        full = self.plain and self.alerts[name].count >= self.full
        return StoredAlert(self.alerts[name], closed or full, name in self.merged)

    def close(self, number: int) -> None:
        open_ones = sorted(set(self.alerts) - self.closed)
        if open_ones:
            self.close_alert(open_ones[number % len(open_ones)])

    def close_alert(self, name: str) -> None:
        self.closed.add(name)
        self.versions[name] += 1

    def entry(self, name: str) -> Entry:
        return Directory.read(self.head).entries[name]

    @property
    def standing(self) -> dict[str, Burst]:
        return {name: each for name, each in self.alerts.items() if name not in self.merged}

    def spans(self) -> list[tuple[float, float, int]]:
        return sorted(
            (
                (each.first - START).total_seconds(),
                (each.last - START).total_seconds(),
                each.count,
            )
            for each in self.standing.values()
        )


def components(seconds: Iterable[int], gap: int) -> list[tuple[float, float, int]]:
    """The model: events in order, cut where the next is further away than the gap."""
    runs: list[list[int]] = []
    for second in sorted(set(seconds)):
        if runs and second - runs[-1][-1] <= gap:
            runs[-1].append(second)
        else:
            runs.append([second])
    return [(run[0], run[-1], len(run)) for run in runs]


def until(writer: Iterator[None], reached: Callable[[], bool]) -> None:
    """A writer's next steps, up to a state."""
    for _ in writer:
        if reached():
            break
    assert reached()


def finish(*writers: Iterator[None]) -> None:
    """All the other steps of writers."""
    for writer in writers:
        for _ in writer:
            pass


batches = st.lists(st.lists(st.integers(0, 120), min_size=1, max_size=8), min_size=1, max_size=10)


@given(batches, st.integers(0, 20), st.data())
def test_single_events_fall_into_runs_whatever_their_order(
    several: list[list[int]], gap: int, data: st.DataObject
) -> None:
    shelf = Shelf(gap)
    for seconds in several:
        lost = data.draw(st.booleans())
        if lost:
            shelf.record(*map(event, seconds), lose=True)
        shelf.record(*map(event, seconds))
    seen = {second for seconds in several for second in seconds}
    assert shelf.spans() == components(seen, gap)
    before = dict(shelf.alerts)
    shelf.record(*map(event, sorted(seen)))
    assert shelf.alerts == before, "once more, and nothing changes"
    for each in shelf.standing.values():
        names = [name for _, name, *_ in each.evidence]
        assert len(names) == each.count
        assert each.entities["principal"] == frozenset(names)


@given(batches, st.data())
def test_bursts_that_overlap_are_one_and_count_each_event_once(
    several: list[list[int]], data: st.DataObject
) -> None:
    shelf = Shelf(0, plain=False)
    for seconds in several:
        shelf.record(burst(set(seconds)))
        if data.draw(st.booleans()):
            shelf.record(burst(set(data.draw(st.sampled_from(several)))))
    joined: list[set[int]] = []
    for seconds in (*several, *several):
        own = set(seconds)
        apart = [each for each in joined if max(each) < min(own) or max(own) < min(each)]
        joined = [*apart, own.union(*(each for each in joined if each not in apart))]
    seen = set().union(*joined)
    shelf.record(*(burst(set(seconds)) for seconds in several))
    expected = sorted((min(each), max(each), len(each)) for each in joined)
    assert shelf.spans() == expected
    assert sum(count for *_, count in expected) == len(seen)


@given(batches, st.integers(0, 20), st.lists(st.integers(0, 5), max_size=10))
def test_a_closed_alert_stays_and_every_event_is_counted_once(
    several: list[list[int]], gap: int, closings: list[int]
) -> None:
    shelf = Shelf(gap)
    for number, seconds in enumerate(several):
        shelf.record(*map(event, seconds))
        if number < len(closings):
            shelf.close(closings[number])
    seen = {f"e{second}" for seconds in several for second in seconds}
    for _ in range(2):
        shelf.record(*(event(int(name[1:])) for name in sorted(seen)))
        known = [each for burst in shelf.standing.values() for each in burst.known]
        assert sorted(known) == sorted(map(digest, seen))
        assert all(each.complete for each in shelf.standing.values())


DONE = object()
EARLIER, LATER, LATEST = (alert_id("r", GROUP, name) for name in ("e0", "e20", "e40"))


def test_an_alert_that_grew_while_it_was_merged_keeps_what_its_target_did_not_count() -> None:
    """The target is closed before the merger is completed."""
    shelf = Shelf(10)
    shelf.record(event(0), event(20))
    slow, joining = shelf.writer(event(30)), shelf.writer(event(10))
    until(slow, lambda: shelf.entry(LATER).last == at(30))
    until(joining, lambda: shelf.alerts[EARLIER].count == 3)
    until(slow, lambda: shelf.alerts[LATER].count == 2)
    shelf.close_alert(EARLIER)
    finish(joining, slow)
    assert shelf.spans() == [(0, 20, 3), (30, 30, 1)]


def test_an_alert_that_was_merged_before_it_was_written_is_not_written_any_more() -> None:
    shelf = Shelf(10)
    shelf.record(event(0))
    slow = shelf.writer(event(20))
    until(slow, lambda: len(shelf.head.alerts) == 2)
    shelf.record(event(10), event(20))
    finish(slow)
    assert shelf.spans() == [(0, 20, 3)]
    assert shelf.merged == {LATER}


@pytest.mark.parametrize("dies", [True, False])
def test_an_alert_merged_into_one_that_is_merged_counts_in_the_last(dies: bool) -> None:
    """The last one is closed before either merger is completed. `dies`: so does the writer that
    completes them, after the first of its writes."""
    shelf = Shelf(10)
    shelf.record(event(0), event(20), event(40))
    slow, joining = shelf.writer(event(30)), shelf.writer(event(10))
    until(slow, lambda: shelf.entry(LATEST).into == LATER)
    until(joining, lambda: shelf.alerts[EARLIER].count == 4)
    until(slow, lambda: shelf.alerts[LATER].count == 3)
    shelf.close_alert(EARLIER)
    until(joining, lambda: shelf.alerts[LATER].count == 1)
    if dies:
        shelf.record(event(30))
    else:
        finish(joining, slow)
    assert shelf.spans() == [(0, 40, 4), (30, 30, 1)]
    assert shelf.merged == {LATEST}


def test_whoever_comes_in_between_every_event_is_counted_once() -> None:
    for seed in range(SCHEDULES):
        chance = random.Random(seed)
        shelf = Shelf(10)
        seconds = [10 * number for number in range(chance.randint(4, 6))]
        shelf.record(*(event(each) for each in seconds[::2]))
        late = [*seconds[1::2], seconds[-1] + 10]
        writers = [
            shelf.writer(*map(event, chance.sample(late, chance.randint(1, 2)))) for _ in range(3)
        ]
        while writers:
            if not chance.randrange(12):
                shelf.close(chance.randrange(6))
            each = chance.choice(writers)
            if not chance.randrange(60) or next(each, DONE) is DONE:  # some die
                writers.remove(each)
        shelf.record(*map(event, [*seconds, late[-1]]))
        known = [each for burst in shelf.standing.values() for each in burst.known]
        expected = [digest(f"e{second}") for second in [*seconds, late[-1]]]
        assert sorted(known) == sorted(expected), f"schedule {seed}"


def test_an_event_between_two_alerts_makes_them_one_that_keeps_the_earlier_name() -> None:
    shelf = Shelf(10)
    shelf.record(event(0), event(20))
    earlier, later = (alert_id("r", GROUP, name) for name in ("e0", "e20"))
    assert set(shelf.alerts) == {earlier, later}
    shelf.record(event(10))
    assert set(shelf.standing) == {earlier}
    assert shelf.merged == {later}
    shelf.record(event(30), event(20))
    assert shelf.spans() == [(0, 30, 4)]


def test_a_late_event_that_came_earlier_keeps_the_name() -> None:
    shelf = Shelf(10)
    shelf.record(event(20))
    shelf.record(event(12))
    assert set(shelf.alerts) == {alert_id("r", GROUP, "e20")}
    assert shelf.spans() == [(12, 20, 2)]


def test_new_activity_after_closing_is_a_new_alert_of_what_is_new() -> None:
    shelf = Shelf(0, plain=False)
    shelf.record(burst(range(0, 50, 10)))
    shelf.close(0)
    shelf.record(burst(range(0, 50, 10)))
    assert shelf.spans() == [(0, 40, 5)]
    shelf.record(burst(range(0, 80, 10)))
    shelf.record(burst(range(0, 80, 10)))
    assert shelf.spans() == [(0, 40, 5), (50, 70, 3)]


def test_alerts_of_windows_that_follow_are_one() -> None:
    shelf = Shelf(0, plain=False, window=100)
    shelf.record(burst([5]))
    shelf.record(burst([190]), burst([350]))
    assert shelf.spans() == [(5, 190, 2), (350, 350, 1)]
    shelf.record(burst([200, 210]))
    assert shelf.spans() == [(5, 350, 5)]


def test_a_full_alert_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_module, "FULL", 10)
    monkeypatch.setattr(group_module, "COUNTED", 14)
    shelf = Shelf(5, full=10)
    for _ in range(2):
        shelf.record(*map(event, range(30)))
        counts = [count for *_, count in shelf.spans()]
        assert sum(counts) == 30
        assert max(counts) <= 14
    shelf.record(event(30))
    assert sum(count for *_, count in shelf.spans()) == 31


def test_a_burst_of_more_events_than_are_named_is_counted_by_what_it_covers() -> None:
    shelf = Shelf(0, plain=False)
    shelf.record(burst(range(300), shown=100))
    shelf.record(burst(range(500), shown=100))
    shelf.record(burst(range(100, 200), shown=100))
    (alert,) = shelf.alerts.values()
    assert (alert.count, alert.exact, len(alert.evidence)) == (500, True, 200)
    shelf.record(burst(range(400, 600), shown=100))
    (alert,) = shelf.alerts.values()
    assert (alert.count, alert.exact) == (500, False), "at least so many"
    shelf.close(0)
    shelf.record(burst(range(700), shown=100))
    assert shelf.spans()[1][2] == 200
    shelf.record(burst(range(300), shown=100))
    assert len(shelf.alerts) == 2


@given(st.sets(st.integers(0, 500)), st.sets(st.integers(0, 500)))
def test_the_union_of_what_is_known_is_a_union_of_sets(one: set[int], other: set[int]) -> None:
    both = [burst_of(burst(each, shown=1000), {}) for each in (one, other) if each]
    if len(both) < 2:
        return
    made = union(*both)
    assert (made.count, made.exact) == (len(one | other), True)
    rest = beyond(both[0], both[1], {})
    assert (rest.count if rest else 0) == len(one - other)
    assert unpack(pack(made.known)) == made.known


def test_a_directory_lets_go_of_the_oldest_and_says_up_to_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_module, "ENTRIES", 3)
    shelf = Shelf(1)
    for second in range(0, 100, 10):
        shelf.record(event(second))
    kept = Directory.read(shelf.head)
    assert len(kept.entries) == 3
    assert kept.forgotten == at(60)
