"""The exit codes of all commands, and which one each error ends a command with.

| code | means |
|---|---|
| 0 | success |
| 1 | incomplete: something was left out or failed |
| 2 | usage error: a flag, a setting, a rule; a path, a name or a namespace that does not exist |
| 3 | the cluster, Dashboards or the local engine can't be reached, or refused |
| 4 | `detect --fail-on LEVEL`: a rule of that level or above found something |
| 130 | interrupted by Ctrl-C or SIGTERM (`trailhound run` ends with 0 after the first one) |
"""

from __future__ import annotations

from enum import IntEnum

import typer
from typer.exceptions import TyperException

from trailhound.errors import (
    ClusterError,
    DashboardsError,
    EngineError,
    MissingIndexError,
    NoEventsIndexError,
    RuleError,
    SourceNotFoundError,
    UsageError,
)


class ExitCode(IntEnum):
    """The exit codes, stable for calling programs."""

    SUCCESS = 0
    INCOMPLETE = 1
    USAGE = 2
    CLUSTER = 3
    FOUND = 4
    INTERRUPTED = 130


_BY_CLASS: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (typer.Abort, ExitCode.INTERRUPTED),
    (TyperException, ExitCode.USAGE),
    (UsageError, ExitCode.USAGE),
    (RuleError, ExitCode.USAGE),
    (SourceNotFoundError, ExitCode.USAGE),
    (NoEventsIndexError, ExitCode.USAGE),
    (MissingIndexError, ExitCode.USAGE),
    (ClusterError, ExitCode.CLUSTER),
    (DashboardsError, ExitCode.CLUSTER),
    (EngineError, ExitCode.CLUSTER),
)
"""The first class that an error is an instance of decides; other errors are `INCOMPLETE`."""


def exit_code(error: BaseException) -> ExitCode:
    """The exit code for an error that ends a command.

    >>> exit_code(UsageError("no such flag")), exit_code(ValueError("?"))
    (<ExitCode.USAGE: 2>, <ExitCode.INCOMPLETE: 1>)
    """
    for kind, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    return ExitCode.INCOMPLETE
