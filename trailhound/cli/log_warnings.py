"""Warnings of the log, shown as a command's own; `-v` and `run` show the log itself."""

from __future__ import annotations

import logging

from trailhound.cli.screen import warn


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


def show_log_warnings() -> None:
    """Until a log is set up. Without a handler Python prints the bare message."""
    logger = logging.getLogger("trailhound")
    if not logger.handlers:
        logger.addHandler(_Shown(logging.WARNING))
