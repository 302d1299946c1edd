"""A wall clock that is wrong, and that steps, for a whole Python process.

Python imports this before anything else where its folder is on PYTHONPATH. `TRAILHOUND_TEST_CLOCK`
names a file with the seconds to add to the wall clock now. The monotonic clock stays as it is,
as it does where an administrator or NTP steps a machine's clock.
"""

from __future__ import annotations

import datetime
import os
import time

_real_time, _real_time_ns = time.time, time.time_ns
_Real = datetime.datetime


def _offset() -> float:
    try:
        with open(os.environ["TRAILHOUND_TEST_CLOCK"], encoding="ascii") as file:  # noqa: PTH123
            return float(file.read() or 0)
    except (OSError, KeyError, ValueError):
        return 0.0


class _Instances(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Real)


class SteppedDatetime(_Real, metaclass=_Instances):
    """`datetime.datetime` whose now is that of the stepped clock."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return _Real.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> datetime.datetime:  # type: ignore[override]
        return _Real.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)


if "TRAILHOUND_TEST_CLOCK" in os.environ:
    time.time = lambda: _real_time() + _offset()
    time.time_ns = lambda: _real_time_ns() + int(_offset() * 1e9)
    datetime.datetime = SteppedDatetime  # type: ignore[misc]
