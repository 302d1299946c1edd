"""Fetching ahead: what is handed out, how much is held, and how it ends."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import pytest

from ingest.backfill.prefetch import LISTED_AHEAD, Prefetcher
from ingest.objects import WHOLE_BYTES, Selection, TrailObject
from ingest.sources.local import LocalSource
from trailhound.errors import (
    ObjectAccessDeniedError,
    ObjectUnreadableError,
    SourceError,
    SourceUnreachableError,
)

WAIT = 120.0
MIB = 1024 * 1024


class Shelf:
    """A far source whose every object can be held back, and which counts what is asked of it."""

    ignored: Mapping[str, int] = MappingProxyType({})

    def __init__(self, sizes: list[int]) -> None:
        self.items = [
            TrailObject(f"s3://b/{number}.json", "e", size) for number, size in enumerate(sizes)
        ]
        self.gates: dict[str, threading.Event] = {}
        self.faults: dict[str, Exception] = {}
        self.listed = 0
        self.closed = threading.Event()
        self.opened: list[str] = []
        self.opened_by: dict[str, str] = {}
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)

    def hold(self, *numbers: int) -> None:
        for number in numbers:
            self.gates[f"s3://b/{number}.json"] = threading.Event()

    def free(self, number: int) -> None:
        self.gates[f"s3://b/{number}.json"].set()

    def objects(self, selection: Selection) -> Iterator[TrailObject]:  # noqa: ARG002
        try:
            for item in self.items:
                self.listed += 1
                yield item
        finally:
            self.closed.set()

    def open(self, item: TrailObject) -> BinaryIO:
        with self.changed:
            self.opened.append(item.uri)
            self.opened_by[item.uri] = threading.current_thread().name
            self.changed.notify_all()
        if item.uri in self.gates:
            assert self.gates[item.uri].wait(WAIT)
        if item.uri in self.faults:
            raise self.faults[item.uri]
        return io.BytesIO(bytes(min(item.size, 100)))

    def head(self, item: TrailObject, size: int) -> bytes:
        with self.open(item) as stream:
            return stream.read(size)

    def wait_opened(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.opened) >= count, WAIT)


def prefetcher(shelf: Shelf, *, threads: int = 4, max_bytes: int = 32 * MIB) -> Prefetcher:
    return Prefetcher(shelf, shelf.objects(Selection()), threads=threads, max_bytes=max_bytes)


def numbers(handed: list[tuple[TrailObject, BinaryIO | SourceError]]) -> list[int]:
    return [int(item.uri.rsplit("/", 1)[-1].removesuffix(".json")) for item, _ in handed]


def test_every_object_is_handed_out_once_with_its_bytes() -> None:
    shelf = Shelf([number % 90 for number in range(3000)])
    with prefetcher(shelf) as ahead:
        sizes = {}
        for item, stream in ahead:
            assert not isinstance(stream, SourceError)
            assert item.uri not in sizes
            sizes[item.uri] = len(stream.read())
    assert sizes == {item.uri: item.size for item in shelf.items}
    assert len(shelf.opened) == 3000
    assert shelf.closed.is_set()


def test_nothing_to_fetch_ends_at_once() -> None:
    assert list(prefetcher(Shelf([]))) == []


def test_a_slow_object_holds_up_none_of_the_others() -> None:
    shelf = Shelf([10] * 50)
    shelf.hold(0)
    handed = []
    with prefetcher(shelf) as ahead:
        for pair in ahead:
            handed.append(pair)
            if len(handed) == 49:
                shelf.free(0)
    assert numbers(handed)[-1] == 0
    assert sorted(numbers(handed)) == list(range(50))


def test_objects_are_fetched_at_once_by_as_many_threads_as_given() -> None:
    shelf = Shelf([10] * 20)
    shelf.hold(*range(20))
    with prefetcher(shelf, threads=5) as ahead:
        iterator = iter(ahead)
        taken = threading.Thread(target=lambda: handed.append(next(iterator)))
        handed: list[object] = []
        taken.start()
        shelf.wait_opened(5)
        assert len(shelf.opened) == 5
        for number in range(20):
            shelf.free(number)
        taken.join(WAIT)
        assert len(handed) == 1
        assert len(list(iterator)) == 19


def test_bytes_held_stay_within_the_bound() -> None:
    shelf = Shelf([MIB] * 40)
    with prefetcher(shelf, threads=8, max_bytes=4 * MIB) as ahead:
        for count, _ in enumerate(ahead, start=1):
            # Handed out and done: count - 1. One is the consumer's, at most three wait or come.
            assert len(shelf.opened) <= count - 1 + 4
    assert len(shelf.opened) == 40


def test_an_object_larger_than_the_bound_still_comes_alone() -> None:
    shelf = Shelf([10, 5 * MIB, 10, 6 * MIB, 10])
    with prefetcher(shelf, max_bytes=MIB) as ahead:
        assert sorted(numbers(list(ahead))) == [0, 1, 2, 3, 4]


def test_large_objects_are_opened_when_their_turn_comes() -> None:
    shelf = Shelf([WHOLE_BYTES + 1] * 3)
    with prefetcher(shelf, max_bytes=MIB) as ahead:
        for count, (_, stream) in enumerate(ahead, start=1):
            assert not isinstance(stream, SourceError)
            assert len(shelf.opened) == count
    assert set(shelf.opened_by.values()) == {threading.current_thread().name}


def test_listing_does_not_run_away() -> None:
    shelf = Shelf([1] * (LISTED_AHEAD * 3))
    with prefetcher(shelf) as ahead:
        for count, _ in enumerate(ahead, start=1):
            assert shelf.listed <= count + LISTED_AHEAD


def test_one_object_s_error_is_handed_out_and_the_rest_goes_on() -> None:
    shelf = Shelf([10] * 10)
    shelf.faults = {
        "s3://b/3.json": ObjectAccessDeniedError("no", hint="ask"),
        "s3://b/5.json": OSError(5, "Input/output error"),
        "s3://b/7.json": ZeroDivisionError("a bug"),
    }
    with prefetcher(shelf) as ahead:
        got = {item.uri: stream for item, stream in ahead}
    assert isinstance(got["s3://b/3.json"], ObjectAccessDeniedError)
    assert isinstance(got["s3://b/5.json"], ObjectUnreadableError)
    assert "Input/output error" in str(got["s3://b/5.json"])
    assert isinstance(got["s3://b/7.json"], ObjectUnreadableError)
    assert "internal error" in str(got["s3://b/7.json"])
    assert sum(isinstance(stream, SourceError) for stream in got.values()) == 3


def test_what_ails_every_object_is_raised_at_once() -> None:
    shelf = Shelf([10] * 5000)
    shelf.faults = {"s3://b/0.json": SourceUnreachableError("expired")}
    with prefetcher(shelf) as ahead, pytest.raises(SourceUnreachableError):
        list(ahead)
    assert len(shelf.opened) < 5000
    assert shelf.closed.is_set()


def test_a_fault_of_listing_is_raised_after_what_was_listed() -> None:
    shelf = Shelf([10] * 30)

    def broken() -> Iterator[TrailObject]:
        yield from shelf.items
        raise SourceUnreachableError("the token has expired")

    handed: list[tuple[TrailObject, BinaryIO | SourceError]] = []
    with (
        Prefetcher(shelf, broken(), threads=4, max_bytes=MIB) as ahead,
        pytest.raises(SourceUnreachableError, match="expired"),
    ):
        handed.extend(ahead)
    assert sorted(numbers(handed)) == list(range(30))


def test_closing_early_ends_listing_and_threads() -> None:
    shelf = Shelf([10] * 10_000)
    ahead = prefetcher(shelf)
    for _ in ahead:
        break
    ahead.close()
    assert shelf.closed.wait(WAIT)
    assert shelf.listed < 10_000
    for thread in ahead._threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def test_closing_does_not_wait_for_a_request_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.backfill.prefetch._CLOSING_SECONDS", 0.05)
    shelf = Shelf([10] * 10)
    shelf.hold(1)
    ahead = prefetcher(shelf)
    iterator = iter(ahead)
    next(iterator)
    shelf.wait_opened(2)
    ahead.close()  # returns though object 1 is still held
    assert any(thread.is_alive() for thread in ahead._threads)
    assert list(iterator) == []
    shelf.free(1)
    for thread in ahead._threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def test_closing_before_the_first_object() -> None:
    shelf = Shelf([10])
    with prefetcher(shelf) as ahead:
        pass
    ahead.close()
    assert shelf.opened == []


def test_a_stream_is_closed_when_the_next_is_asked_for() -> None:
    shelf = Shelf([WHOLE_BYTES + 1] * 3)
    streams: list[BinaryIO] = []
    with prefetcher(shelf) as ahead:
        for _, stream in ahead:
            assert all(earlier.closed for earlier in streams)
            assert not isinstance(stream, SourceError)
            streams.append(stream)


def test_local_files_come_in_order_and_are_read_in_the_consumer(tmp_path: Path) -> None:
    for number in range(LISTED_AHEAD * 2):
        (tmp_path / f"{number:05}.json").write_bytes(b"%d" % number)
    (tmp_path / "99999.json").symlink_to(tmp_path / "nowhere")
    source = LocalSource(str(tmp_path))
    read = []
    with Prefetcher(source, source.objects(Selection()), threads=4, max_bytes=MIB) as ahead:
        assert len(ahead._threads) == 1
        for _, stream in ahead:
            read.append(type(stream).__name__ if isinstance(stream, SourceError) else stream.read())
    assert read == [*(b"%d" % number for number in range(LISTED_AHEAD * 2)), "ObjectNotFoundError"]


def test_a_large_local_file_is_streamed(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(WHOLE_BYTES + 1)
    source = LocalSource(str(tmp_path))
    with Prefetcher(source, source.objects(Selection()), threads=4, max_bytes=MIB) as ahead:
        for _, stream in ahead:
            assert not isinstance(stream, SourceError)
            assert stream.fileno() > 0


def test_a_signal_that_another_thread_got_is_handled_while_nothing_comes() -> None:
    """Handlers run in the main thread, which such a signal does not wake: a daemon without work
    would not stop, nor reload its settings."""
    handled = threading.Event()
    shelf = Shelf([])

    def nothing() -> Iterator[TrailObject]:
        time.sleep(0.3)  # the main thread waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        assert handled.wait(WAIT)
        yield from shelf.items

    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    try:
        with Prefetcher(shelf, nothing(), threads=1, max_bytes=MIB) as fetching:
            assert list(fetching) == []
    finally:
        signal.signal(signal.SIGUSR1, before)
