"""A thread's fault is seen, and is not its end."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.helpers.queues import PATIENCE
from trailhound import threads
from trailhound.backoff import Backoff
from trailhound.threads import Beside, SupervisedThread, in_order, supervised_threads


def status(name: str) -> threads.ThreadStatus:
    (found,) = [each for each in supervised_threads() if each.name == name]
    return found


def test_a_thread_that_fails_is_started_again_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_BACKOFF", Backoff(0.05, 60.0))
    stopping, worked, calls = threading.Event(), threading.Event(), []

    def work() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise (ValueError if len(calls) == 1 else SystemExit)("broken")
        worked.set()
        stopping.wait()

    thread = SupervisedThread(work, "restarted", stopping)
    thread.start()
    assert worked.wait(PATIENCE)
    assert status("restarted").restarts == 2
    assert status("restarted").fault == "SystemExit: broken"
    monkeypatch.setattr(threads, "_RECENT", -60.0)
    assert status("restarted").fault == ""
    stopping.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert "restarted" not in [each.name for each in supervised_threads()]


def test_a_thread_that_ends_by_itself_is_shown() -> None:
    stopping = threading.Event()
    thread = SupervisedThread(lambda: None, "ended", stopping)
    thread.start()
    thread.join(PATIENCE)
    assert status("ended").fault == "it has ended"
    stopping.set()


def test_a_thread_that_waits_to_be_started_again_ends_when_told_to() -> None:
    stopping, failed = threading.Event(), threading.Event()

    def work() -> None:
        failed.set()
        raise OSError("gone")

    thread = SupervisedThread(work, "waiting", stopping)
    thread.start()
    assert failed.wait(PATIENCE)
    stopping.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def named(name: str) -> list[threading.Thread]:
    """The threads of `in_order` that have not ended."""
    return [each for each in threading.enumerate() if each.name.startswith(f"{name}-")]


def test_calls_at_once_are_as_many_as_were_asked_for_and_in_order() -> None:
    both = threading.Barrier(2)  # passed only by two at once
    at_once, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        both.wait(PATIENCE)
        with lock:
            at_once -= 1
        return number * 2

    assert list(in_order(work, range(10), 2, "pair")) == [number * 2 for number in range(10)]
    assert most == 2


@pytest.mark.parametrize("broken", [True, False], ids=["an error", "closed"])
def test_after_an_error_or_an_early_end_no_further_call_is_made(broken: bool) -> None:
    made: list[int] = []

    def work(number: int) -> int:
        made.append(number)
        time.sleep(0.05)  # all of them would take minutes
        if broken and number == 1:
            raise ValueError("broken")
        return number

    results = in_order(work, range(5_000), 2, "ended")
    assert next(results) == 0
    if broken:
        with pytest.raises(ValueError, match="broken"):
            next(results)
        assert not named("ended")
    results.close()
    for each in named("ended"):
        each.join(PATIENCE)
    assert len(made) < 5_000


def test_an_interrupted_command_waits_for_no_call() -> None:
    hangs, go = threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number:
            hangs.set()
            go.wait(PATIENCE)
        return number

    results = in_order(work, range(5), 2, "hangs")
    assert next(results) == 0
    assert hangs.wait(PATIENCE)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))

    def interrupted() -> None:
        timer.start()
        next(results)

    # Not that of the tests' session, which would end.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    left = named("hangs")
    assert left
    assert all(each.daemon for each in left)  # the process ends without them
    go.set()
    for each in left:
        each.join(PATIENCE)


def _fail() -> int:
    raise ValueError("the task's")


def test_a_task_beside_its_caller_is_waited_for_and_what_it_raises_is_raised() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        return 1 if go_on.wait(PATIENCE) else 0

    with Beside[int]("test") as beside:
        assert beside.end() is None
        beside.begin(work)
        assert begun.wait(PATIENCE)  # and the caller goes on
        go_on.set()
        assert (beside.end(), beside.end()) == (1, None)
        beside.begin(_fail)
        with pytest.raises(ValueError, match="the task's"):
            beside.end()
    with pytest.raises(ValueError, match="the task's"), Beside[int]("test") as beside:
        beside.begin(_fail)


def test_an_error_of_the_caller_waits_for_its_task_and_comes_first() -> None:
    ended = threading.Event()

    def work() -> int:
        caller_fails.wait(PATIENCE)
        ended.set()
        return _fail()

    def call() -> None:
        with Beside[int]("test") as beside:
            beside.begin(work)
            caller_fails.set()
            raise KeyError("the caller's")

    caller_fails = threading.Event()
    with pytest.raises(KeyError, match="the caller's"):
        call()
    assert ended.is_set()


def test_an_interrupted_caller_does_not_wait_for_its_task() -> None:
    go_on = threading.Event()

    def call() -> None:
        with Beside[bool]("test") as beside:
            beside.begin(lambda: go_on.wait(PATIENCE))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call()
    assert not go_on.is_set()
    go_on.set()
