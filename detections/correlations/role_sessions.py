"""Counts the sessions of a role together: the events that no session alone accounts for.

Whoever may assume a role chooses the names of its sessions and opens as many as they like, so an
intruder who changes the session every few calls stays below what is counted by ARN. A correlation
`by_role` is therefore also evaluated over the sessions of each role and address together. There,
an event is left out if its session alone, from that address, meets the condition around it: it is
part of what is found by ARN, and nothing is found twice.

An event at time t is in a window that ends by t + timespan, so what happens to it is known then:
events pass with that delay, still in order of time. All events of two timespans are held, which is
no more than the windows by ARN hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from detections.correlations.correlation import Correlation
from detections.correlations.occurrences import Occurrence
from detections.correlations.window_counts import WindowTally
from detections.finding import GroupKey


class _Session:
    """The windows of one session in a group."""

    __slots__ = ("_held", "_instant", "_met", "_tally", "_timespan")

    def __init__(self, timespan: int, tally: WindowTally) -> None:
        self._timespan = timespan
        self._tally = tally
        self._held: deque[Occurrence] = deque()
        self._instant: list[Occurrence] = []
        self._met: deque[int] = deque()
        """The ends of the windows that meet the condition."""

    def add(self, event: Occurrence) -> None:
        """Add an event, not earlier than the last."""
        self._settle(event.time)
        self._instant.append(event)

    def accounts_for(self, time: int, now: int) -> bool:
        """Whether a window that contains a time meets the condition; `now` is later than all such
        windows. Times are asked for in order."""
        self._settle(now)
        while self._met and self._met[0] < time:
            self._met.popleft()
        return bool(self._met) and self._met[0] <= time + self._timespan

    def is_over(self, now: int) -> bool:
        """Whether no window can contain any of its events any more."""
        last = self._instant or self._held
        return not last or last[-1].time < now - 2 * self._timespan

    def _settle(self, now: int) -> None:
        """Evaluate the window of the last time, if that is over."""
        if not self._instant or self._instant[0].time >= now:
            return
        end = self._instant[0].time
        start = end - self._timespan
        while self._held and self._held[0].time < start:
            self._tally.leave(self._held.popleft())
        self._tally.enter(end, self._instant)
        self._held.extend(self._instant)
        self._instant = []
        if self._tally.holds(start):
            self._met.append(end)


def left_over(
    events: Iterable[tuple[GroupKey, Occurrence]], correlation: Correlation
) -> Iterator[tuple[GroupKey, Occurrence]]:
    """The events, by time, of which no session accounts for any."""
    timespan = correlation.timespan
    sessions: dict[tuple[GroupKey, str], _Session] = {}
    waiting: deque[tuple[GroupKey, Occurrence]] = deque()
    swept: int | None = None

    def known(now: int) -> Iterator[tuple[GroupKey, Occurrence]]:
        while waiting and waiting[0][1].time + timespan < now:
            key, event = waiting.popleft()
            if not sessions[key, event.session].accounts_for(event.time, now):
                yield key, event

    for key, event in events:
        yield from known(event.time)
        swept = event.time if swept is None else swept
        if event.time - swept > timespan:
            swept = event.time
            for each in [each for each in sessions if sessions[each].is_over(swept)]:
                del sessions[each]
        session = sessions.get((key, event.session))
        if session is None:
            session = sessions[key, event.session] = _Session(timespan, correlation.tally())
        session.add(event)
        waiting.append((key, event))
    if waiting:
        yield from known(waiting[-1][1].time + timespan + 1)
