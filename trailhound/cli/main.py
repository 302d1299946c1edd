"""`trailhound`: the group of all commands, and how every error is shown."""

from __future__ import annotations

import errno
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from trailhound import __version__
from trailhound.app.daemon.logs import set_up_verbose
from trailhound.cli import completion
from trailhound.cli.commands import Commands
from trailhound.cli.exit_codes import ExitCode, exit_code
from trailhound.cli.late_imports import put_off
from trailhound.cli.log_warnings import show_log_warnings
from trailhound.cli.named_commands import with_flags
from trailhound.cli.namespace_hint import name_namespaces
from trailhound.cli.partial_packages import import_in_part
from trailhound.cli.screen import (
    discard_unread,
    emit,
    err,
    fail,
    flush_stderr,
    prepare_streams,
    safe,
    set_quiet,
    silence_stdout,
    write,
)
from trailhound.cli.stopping import interrupted_by_sigterm, stopped
from trailhound.errors import TrailhoundError, UnusablePathError, UsageError

app = typer.Typer(
    name="trailhound",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,  # trailhound.cli.completion
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Read CloudTrail files into an index of enriched events, and run detection rules on it.

A first try, with nothing but Python:

    trailhound up                               # a local OpenSearch, no Docker
    trailhound init                             # index templates
    trailhound backfill s3://my-trail-bucket    # or a folder, a file, a glob, -

Every command takes `--url` for another cluster (OpenSearch or Elasticsearch), and reads
`trailhound.yaml` and `TRAILHOUND_*`. Exit codes: 0 success, 1 incomplete, 2 usage error, 3 cluster
unreachable or refusing, 130 interrupted. With `--json`, an error is an object on stdout too.""",
)


_NEW_OBJECTS = 20_000
"""New objects between two runs of the garbage collector. Python's default is 700."""


def _version(show: bool) -> None:
    if show:
        write(f"trailhound {__version__}\n")
        raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is not None:
        write(completion.script(completion.shell_of(shell, os.environ.get("SHELL"))))
        raise typer.Exit


def _install_completion(shell: str | None) -> None:
    if shell is not None:
        name = completion.shell_of(shell, os.environ.get("SHELL"))
        write(f"completion for {name} is in {completion.installed(name)}: start a new shell\n")
        raise typer.Exit


_SHELL = "|".join(completion.SHELLS)


@app.callback()
def _main(
    debug: Annotated[  # noqa: ARG001 - `main` looks for it
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print only results, warnings and errors: no progress, no notes."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log every step, including each request.")
    ] = False,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    show_completion: Annotated[  # noqa: ARG001
        str | None,
        typer.Option(
            metavar=_SHELL,
            callback=_show_completion,
            is_eager=True,
            help="Print the shell completion of commands, options, rules, ids and namespaces.",
        ),
    ] = None,
    install_completion: Annotated[  # noqa: ARG001
        str | None,
        typer.Option(
            metavar=_SHELL,
            callback=_install_completion,
            is_eager=True,
            help="Install shell completion. Default: for the shell of $SHELL.",
        ),
    ] = None,
) -> None:
    """The options before a command."""
    set_quiet(quiet)
    set_up_verbose(verbose)
    show_log_warnings()


def run() -> None:
    """The console script."""
    gc.set_threshold(_NEW_OBJECTS)
    # To look for plugins, pydantic reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    put_off()
    import_in_part()
    prepare_streams()
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:
        silence_stdout()
        err.print("error:", safe(f"the output can't be written: {error.strerror}"))
        code = code or ExitCode.INCOMPLETE
    flush_stderr()
    sys.exit(code)


def main(given: Sequence[str]) -> int:
    """Run a command line, without the program's name, and show the error that ends it, if any.

    `--debug`, `-q` and `-v` may be anywhere, `--config`, `--url` and `--namespace` also before the
    command. `trailhound.cli.exit_codes` decides the exit code of an error; a command whose result
    is incomplete raises its exit code; a signal makes it 130.
    """
    arguments = _ordered(given)
    debug = "--debug" in arguments or bool(os.environ.get("TRAILHOUND_DEBUG"))
    if completion.VARIABLE in os.environ:
        completion.prepare()
    with interrupted_by_sigterm():
        try:
            code = app(args=arguments, prog_name="trailhound", standalone_mode=False)
            if code == ExitCode.INTERRUPTED:  # raised by typer, without a message
                raise KeyboardInterrupt
        except SystemExit as ended_early:
            # Typer exits with 1 when the reader of a help page has closed the pipe.
            if not discard_unread():
                raise
            code = ExitCode.SUCCESS if ended_early.code == 1 else ended_early.code
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last handler
            if debug:
                for line in traceback.format_exc().splitlines():
                    err.print(safe(line))
            ended_by = as_error(error)
            name_namespaces(ended_by)
            code = exit_code(ended_by)
            _show(ended_by)
            if _for_programs(arguments):
                known = ended_by.known if isinstance(ended_by, TrailhoundError) else {}
                emit({"error": _as_object(ended_by) | {"exit_code": int(code)}, **known})
    ended = code if isinstance(code, int) else ExitCode.SUCCESS
    if stopped() and ended in (ExitCode.SUCCESS, ExitCode.INCOMPLETE):
        return ExitCode.INTERRUPTED
    return ended


def _ordered(given: Sequence[str]) -> list[str]:
    """The command line with global options moved before the command.

    A completion option without a shell gets that of the environment.
    """
    end = given.index("--") if "--" in given else len(given)
    moved = [each for each in given[:end] if each in _ANYWHERE]
    rest = [each for each in given[:end] if each not in _ANYWHERE]
    rest = _after_command(rest)
    for place, each in enumerate(rest):
        if each in _NAMES_A_SHELL and rest[place + 1 :][:1] in ([], ["-h"], ["--help"]):
            rest.insert(place + 1, "")
            break
    return [*moved, *rest, *given[end:]]


def _after_command(given: Sequence[str]) -> list[str]:
    """The command line with options of the command moved from before its name to its end.

    >>> _after_command(["--config", "a.yaml", "--url=http://x", "alerts", "list"])
    ['alerts', 'list', '--config', 'a.yaml', '--url=http://x']
    """
    end = 0
    while end < len(given) and given[end].partition("=")[0] in _OF_EVERY_COMMAND:
        end += 1 if "=" in given[end] else 2
    return [*given[end:], *given[:end]] if end < len(given) else list(given)


_OF_EVERY_COMMAND = frozenset({"--config", "--url", "--namespace"})
_ANYWHERE = frozenset({"--debug", "--quiet", "-q", "--verbose", "-v"})
_NAMES_A_SHELL = frozenset({"--show-completion", "--install-completion"})


def _for_programs(arguments: Sequence[str]) -> bool:
    """Whether JSON was asked for on stdout: `--json`, `--output json` or `--output ndjson`."""
    given = {value for flag, value in pairwise(arguments) if flag == "--output"}
    given |= {each.partition("=")[2] for each in arguments if each.startswith("--output=")}
    return "--json" in arguments or bool(given & {"json", "ndjson"})


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Of a write to a file that is open, whose error does not name the file."""


def as_error(error: Exception | KeyboardInterrupt) -> BaseException:
    """An error as a command shows it: a `TrailhoundError`, a usage error or an interruption.

    Any other exception becomes an internal error.
    """
    if isinstance(error, TrailhoundError | TyperException | KeyboardInterrupt | typer.Abort):
        return error
    if type(error).__module__.startswith("opensearchpy"):
        # Imported here: it takes longer than showing the help.
        from trailhound.cluster.refusals import from_response

        return from_response(error)  # type: ignore[arg-type]
    if isinstance(error, OSError) and error.filename is not None:
        what, hint = os.fsdecode(error.filename), "check the path, its permissions and the disk"
        if isinstance(error, FileNotFoundError):
            return UsageError(f"{what}: no such file or folder", hint=hint)
        if isinstance(error, NotADirectoryError):
            return UsageError(f"{what}: not a folder, or below a file", hint=hint)
        return UnusablePathError(f"{what} can't be used: {error.strerror}", hint=hint)
    if isinstance(error, OSError) and error.errno in _FULL:
        return UnusablePathError(
            f"a file can't be written: {error.strerror}", hint="free disk space, or write elsewhere"
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return UsageError(
            "an argument is not valid UTF-8", hint="check the text that was pasted, and the locale"
        )
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return UsageError(
            "the home folder is not known", hint="set TRAILHOUND_HOME, and write paths without `~`"
        )
    # Imported here: so few commands need it, and each starts without.
    from trailhound.internal_errors import internal_error

    return internal_error(error)


def _show(error: BaseException) -> None:
    """Print an error on stderr, for people."""
    if isinstance(error, TrailhoundError):
        fail(error)
    elif isinstance(error, TyperException):
        _show_usage(error)
    else:
        err.print("interrupted")


def _as_object(error: BaseException) -> dict[str, str]:
    """An error as the JSON object that stdout gets with `--json`."""
    if isinstance(error, TrailhoundError):
        kind = "InternalError" if type(error) is TrailhoundError else type(error).__name__
        return {
            "kind": kind,
            "message": with_flags(error.message),
            "hint": with_flags(error.hint),
        }
    if isinstance(error, TyperException):
        return {"kind": "UsageError", "message": _suggested(error).format_message(), "hint": ""}
    return {"kind": "Interrupted", "message": "interrupted", "hint": ""}


def _show_usage(error: TyperException) -> None:
    """Print a usage error: the usage line and the fault. Typer's parser formats most of them."""
    show = getattr(_suggested(error), "show", None)
    if callable(show):
        with suppress(BrokenPipeError):
            show()
    else:
        err.print("error:", safe(error.format_message()))


def _suggested(error: TyperException) -> TyperException:
    """The error with a suggestion of the most similar option, worded like that for commands, and
    without the parser's own words."""
    near, given = getattr(error, "possibilities", None), getattr(error, "option_name", None)
    if near and given:
        best = get_close_matches(given, near, n=1, cutoff=0.0)
        error.message = f"No such option {given!r}. Did you mean {best[0]!r}?"
        error.possibilities = None  # type: ignore[attr-defined]
    error.message = error.message.replace("Value error, ", "", 1)
    return error


if __name__ == "__main__":
    run()
