"""A thread's fault is seen, and is not its end."""

from __future__ import annotations

import threading

import pytest

from trailhound import threads
from trailhound.backoff import Backoff
from trailhound.threads import SupervisedThread, supervised_threads


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
    assert worked.wait(30)
    assert status("restarted").restarts == 2
    assert status("restarted").fault == "SystemExit: broken"
    monkeypatch.setattr(threads, "_RECENT", -60.0)
    assert status("restarted").fault == ""
    stopping.set()
    thread.join(30)
    assert not thread.is_alive()
    assert "restarted" not in [each.name for each in supervised_threads()]


def test_a_thread_that_ends_by_itself_is_shown() -> None:
    stopping = threading.Event()
    thread = SupervisedThread(lambda: None, "ended", stopping)
    thread.start()
    thread.join(30)
    assert status("ended").fault == "it has ended"
    stopping.set()


def test_a_thread_that_waits_to_be_started_again_ends_when_told_to() -> None:
    stopping, failed = threading.Event(), threading.Event()

    def work() -> None:
        failed.set()
        raise OSError("gone")

    thread = SupervisedThread(work, "waiting", stopping)
    thread.start()
    assert failed.wait(30)
    stopping.set()
    thread.join(30)
    assert not thread.is_alive()
