"""The daemon's log on stderr: one line per object, for people or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

from trailhound.control_characters import escape_control_characters


def set_up(style: Literal["console", "json"], level: str) -> None:
    """Send Trailhound's log to stderr in this style. Calling it again replaces the style."""
    logger = logging.getLogger("trailhound")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if style == "json" else Console())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False


def set_up_verbose(verbose: bool) -> None:
    """For `-v`: log from `info` on, and each request to the cluster.

    Not `verbose`: undo what an earlier command of this process set up.
    """
    requests = logging.getLogger("trailhound.requests")
    if verbose:
        set_up("console", "info")
        requests.setLevel(logging.DEBUG)
    elif requests.level:
        requests.setLevel(logging.NOTSET)
        logging.getLogger("trailhound").handlers.clear()


class Lines(logging.Formatter):
    """One JSON object per line: `time` (UTC), `level`, `logger`, `message`, and the given fields,
    which replace none of these. With `debug`, `traceback` is that of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _when(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if lines := _traceback(record):
            line["traceback"] = "\n".join(lines)
        line |= {name: value for name, value in _fields(record).items() if name not in line}
        return json.dumps(line, default=str)


class Console(logging.Formatter):
    """`HH:MM:SS level message name=value …`; what would act or hide, as in keys, made visible. With
    `debug`, the traceback of an error is on further lines, which are indented."""

    def format(self, record: logging.LogRecord) -> str:
        words = [
            f"{_when(record):%H:%M:%S}",
            f"{record.levelname.lower():<7}",
            record.getMessage(),
            *(f"{name}={value}" for name, value in _fields(record).items()),
        ]
        return "\n  ".join(map(escape_control_characters, [" ".join(words), *_traceback(record)]))


def _when(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _traceback(record: logging.LogRecord) -> list[str]:
    """The lines of a record's traceback, with `debug`; it is long, and most readers need none."""
    if record.exc_info is None or not logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
        return []
    return [
        line
        for part in traceback.format_exception(record.exc_info[1])
        for line in part.splitlines()
    ]


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the caller gave as `extra={"fields": {…}}`."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields
