"""`trailhound`: the commands put together, and every error made readable."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from trailhound import __version__
from trailhound.cli.commands import Commands
from trailhound.cli.screen import err, fail, safe
from trailhound.errors import TrailhoundError

app = typer.Typer(
    name="trailhound",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""CloudTrail files in, an enriched OpenSearch index out.

A first try, with nothing but Python:

    trailhound up                               # a local OpenSearch, no Docker
    trailhound init                             # index templates
    trailhound backfill s3://my-trail-bucket    # or a folder, a file, a glob, -

Every command takes `--url` to work on another OpenSearch, and reads `trailhound.yaml`
and `TRAILHOUND_*`. Exit codes: 0 all in, 1 something was left out, 2 wrong use,
3 cluster unreachable.""",
)


def _version(show: bool) -> None:
    if show:
        sys.stdout.write(f"trailhound {__version__}\n")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The options before a command."""


def run() -> None:
    """The console script. `--debug` may stand anywhere."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1 or bool(os.environ.get("TRAILHOUND_DEBUG"))
    try:
        code = app(args=arguments, prog_name="trailhound", standalone_mode=False)
    except TyperException as error:
        _show_usage(error)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        err.print("interrupted")
        code = 1
    except TrailhoundError as error:
        fail(error)
        code = error.exit_code
        if debug:
            traceback.print_exc()
    except BrokenPipeError:
        # Whoever read our output has gone: nothing more to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:  # noqa: BLE001 - the last line of defence before a user
        if debug:
            traceback.print_exc()
        err.print("error:", safe(f"a fault in Trailhound: {type(error).__name__}: {error}"))
        err.print("  try: run it again with --debug and report what it prints")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _show_usage(error: TyperException) -> None:
    """Wrong use of a flag: the usage line and the fault. Typer's parser knows how to show most."""
    show = getattr(error, "show", None)
    if callable(show):
        show()
    else:
        err.print("error:", safe(error.format_message()))


if __name__ == "__main__":
    run()
