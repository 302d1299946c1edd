"""A wall clock that is wrong, and that steps, for a whole Python process.

Python imports this before anything else where its folder is on PYTHONPATH. `TRAILHOUND_TEST_CLOCK`
names a file with the seconds to add to the wall clock now. The monotonic clock stays as it is,
as it does where an administrator or NTP steps a machine's clock.

`datetime.datetime` stays the class that it is: msgspec and others know it by identity, and would
refuse to read documents into the fields of a subclass.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import os
import time
from typing import Any

_real_time, _real_time_ns = time.time, time.time_ns


def _offset() -> float:
    try:
        with open(os.environ["TRAILHOUND_TEST_CLOCK"], encoding="ascii") as file:  # noqa: PTH123
            return float(file.read() or 0)
    except (OSError, KeyError, ValueError):
        return 0.0


def _now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    return cls.fromtimestamp(time.time(), tz)


def _utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
    return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)


def _replace(kind: type, name: str, method: Any) -> None:
    """Set a class method of a class that Python itself takes for immutable."""
    (members,) = gc.get_referents(kind.__dict__)
    members[name] = classmethod(method)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


if "TRAILHOUND_TEST_CLOCK" in os.environ:
    time.time = lambda: _real_time() + _offset()
    time.time_ns = lambda: _real_time_ns() + int(_offset() * 1e9)
    _replace(datetime.datetime, "now", _now)
    _replace(datetime.datetime, "utcnow", _utcnow)
