"""Errors that are none of the tree, nor the cluster's: faults of the program.

Each is named with the place in our code that it came from, so that it can be reported from a log or
a status. `Skipped` keeps one odd item from ending a step: it is left out, counted and named.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trailhound.errors import TrailhoundError
from trailhound.plural import plural

_ROOT: Final = Path(__file__).resolve().parents[1]
_PACKAGES: Final = frozenset({"trailhound", "ingest", "enrich", "detections", "dashboards"})
_LONGEST: Final = 300
"""The most characters kept of an error's own text, which may hold what an event has."""
_MOST_NAMED: Final = 1_000
"""Items whose names are kept, so that one is counted once however often it is met."""
HOW_TO_SEE: Final = "`run.log_level: debug` logs its traceback"
WITH_DEBUG: Final = "run it again with --debug and report what it prints"


def is_internal(error: BaseException) -> bool:
    """Whether an error is a fault of the program.

    >>> is_internal(TypeError("x")), is_internal(TrailhoundError("x")), is_internal(MemoryError())
    (True, False, False)
    """
    if not isinstance(error, Exception) or isinstance(error, TrailhoundError | MemoryError):
        return False
    # By name: importing the client takes longer than showing the help.
    return not type(error).__module__.startswith("opensearchpy")


def place_of(error: BaseException) -> str:
    """The innermost line of our code that an error came through, as `folder/file.py:line`; empty
    if there is none."""
    found, at = "", error.__traceback__
    while at is not None:
        path = Path(at.tb_frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and (inner := path.relative_to(_ROOT)).parts[0] in _PACKAGES:
            found = f"{inner.as_posix()}:{at.tb_lineno}"
        at = at.tb_next
    return found


def internal_error(error: BaseException, hint: str = WITH_DEBUG) -> TrailhoundError:
    """A fault of the program in a sentence that says where it came from.

    >>> internal_error(KeyError("seen_until")).message
    "internal error (please report it): KeyError: 'seen_until'"
    """
    text, place = str(error)[:_LONGEST], place_of(error)
    reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    at = f" (at {place})" if place else ""
    return TrailhoundError(f"internal error (please report it): {reason}{at}", hint=hint)


class Skipped:
    """What steps left out because of internal errors. Each item counts once."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._names: set[tuple[str, str]] = set()
        self._last = ""
        self.number = 0

    @contextmanager
    def around(self, kind: str, name: str) -> Iterator[None]:
        """Leave out the item, a `kind` such as `event`, if the block ends with an internal
        error."""
        try:
            yield
        except Exception as error:
            if not is_internal(error):
                raise
            self._add(kind, name, error)

    def _add(self, kind: str, name: str, error: Exception) -> None:
        if (kind, name) in self._names:
            return
        if len(self._names) < _MOST_NAMED:
            self._names.add((kind, name))
        self.number += 1
        reason = internal_error(error).message
        self._last = f"the {kind} {name}: {reason}"
        self._log.error("skipped the %s %s: %s; %s", kind, name, reason, HOW_TO_SEE, exc_info=error)

    def sentence(self) -> str:
        """How many were left out, and the last of them; empty for none."""
        if not self.number:
            return ""
        last = ", the last " if self.number > 1 else ": "
        return f"skipped {plural(self.number, 'item')}{last}{self._last}"
