"""How long a start is waited for: beyond its timeout too, while the engine's logs grow. On a slow
or loaded machine a start takes minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from trailhound.engine import node
from trailhound.errors import EngineError

QUIET_SECONDS: Final = 60.0
"""A process whose logs have not grown for so long does not start any more."""
MORE_SECONDS: Final = 600.0
"""Seconds of further waiting, at most."""
_HINT: Final = (
    "on a slow machine run the same command again: a second start is faster; or wait longer "
    "(`engine.start_timeout`, TRAILHOUND_ENGINE__START_TIMEOUT={:.0f})"
)

OnWait = Callable[[str], None]
"""Called with a sentence about what is waited for."""


class StartDeadline:
    """`seconds`: the time that a start has, from `begin`. All times are of a monotonic clock."""

    def __init__(
        self,
        folder: Path,
        seconds: float,
        begin: float,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        on_wait: OnWait = lambda _: None,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._quiet_seconds = quiet_seconds
        self._on_wait = on_wait
        self._deadline = begin + seconds
        self._longest = self._deadline + MORE_SECONDS
        self._grown = begin
        self._bytes = -1
        self._extended = False

    def is_over(self, now: float) -> bool:
        """Whether to wait no longer. Looks at the logs."""
        logs = (node.log_file(self._folder), node.console_file(self._folder))
        size = sum(each.stat().st_size for each in logs if each.exists())
        if size != self._bytes:  # a log that is rolled over becomes smaller
            self._bytes, self._grown = size, now
        if now < self._deadline:
            return False
        if now >= self._longest or now - self._grown > self._quiet_seconds:
            return True
        if not self._extended:
            self._extended = True
            self._on_wait(
                f"not ready after {self._seconds:.0f} s, but its log grows: waiting up to "
                f"{MORE_SECONDS / 60:.0f} minutes more"
            )
        return False

    def error(self, now: float) -> EngineError:
        """Of a start that took too long: the engine was not ready by now."""
        waited = now - self._deadline + self._seconds
        hint = _HINT.format(max(300.0, 2 * waited))
        return node.explain(
            self._folder, f"the engine was not ready within {waited:.0f} s", hint=hint
        )
