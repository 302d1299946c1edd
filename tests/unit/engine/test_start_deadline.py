"""A start on a slow machine is waited for while its logs grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from trailhound.engine import node
from trailhound.engine.start_deadline import MORE_SECONDS, StartDeadline


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def deadline(tmp_path: Path, said: list[str]) -> StartDeadline:
    """A start at second 1,000 that has 120 seconds, and 60 after each line of its log."""
    return StartDeadline(tmp_path, 120, 1_000, quiet_seconds=60, on_wait=said.append)


def grow(folder: Path) -> None:
    with node.log_file(folder).open("a") as log:
        log.write("[INFO ][o.o.n.Node] initialized\n")


def test_it_is_waited_for_while_its_log_grows(
    deadline: StartDeadline, tmp_path: Path, said: list[str]
) -> None:
    assert not deadline.is_over(1_119)
    assert said == []
    for second in range(1_125, 1_600, 50):
        grow(tmp_path)
        assert not deadline.is_over(second)
    assert said == ["not ready after 120 s, but its log grows: waiting up to 10 minutes more"]
    assert not deadline.is_over(1_635)
    assert deadline.is_over(1_636)


def test_not_for_ever(deadline: StartDeadline, tmp_path: Path) -> None:
    end = 1_120 + int(MORE_SECONDS)
    for second in range(1_100, end, 10):
        grow(tmp_path)
        assert not deadline.is_over(second)
    grow(tmp_path)
    assert deadline.is_over(end)


def test_one_whose_log_does_not_grow_is_given_up(deadline: StartDeadline, said: list[str]) -> None:
    assert not deadline.is_over(1_001)
    assert not deadline.is_over(1_119)
    assert deadline.is_over(1_120)
    assert said == []


def test_the_error_says_what_helps(deadline: StartDeadline, tmp_path: Path) -> None:
    grow(tmp_path)
    error = deadline.error(1_200)
    assert "the engine was not ready within 200 s; the end of its log:" in error.message
    for words in ("run the same command again", "START_TIMEOUT=400", "engine.start_timeout"):
        assert words in error.hint
    assert str(node.log_file(tmp_path)) in error.hint
