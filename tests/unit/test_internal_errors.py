"""A fault of the program says where it came from, and one odd item does not end a step."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from opensearchpy.exceptions import ConnectionTimeout

from detections.incidents.creations import token
from trailhound.errors import ClusterUnreachableError
from trailhound.internal_errors import Skipped, internal_error

LOG = logging.getLogger("trailhound.test")


def test_the_innermost_line_of_ours_is_named() -> None:
    with pytest.raises(TypeError) as caught:
        token("key", None, "x")  # type: ignore[arg-type]
    said = internal_error(caught.value).message
    assert said.startswith("internal error (please report it): TypeError: sequence item 1")
    assert "(at detections/incidents/creations.py:" in said


class Lines(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    handler = Lines()
    LOG.addHandler(handler)
    yield handler.lines
    LOG.removeHandler(handler)


def test_an_odd_item_is_counted_once_and_named(logged: list[str]) -> None:
    skipped = Skipped(LOG)
    done = []
    for _ in range(2):
        for name, value in (("a", "1"), ("b", "x"), ("c", "3")):
            with skipped.around("event", name):
                done.append(int(value))
    assert (done, skipped.number) == ([1, 3, 1, 3], 1)
    assert skipped.sentence().startswith("skipped 1 item: the event b: internal error")
    (line,) = logged
    assert "skipped the event b: internal error" in line
    assert "run.log_level: debug" in line


@pytest.mark.parametrize("error", [ClusterUnreachableError("away"), ConnectionTimeout("x", "", "")])
def test_what_is_no_fault_of_the_program_ends_the_step(error: Exception) -> None:
    skipped = Skipped(LOG)
    with pytest.raises(type(error)), skipped.around("event", "a"):
        raise error
    assert skipped.sentence() == ""
