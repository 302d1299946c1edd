"""`trailhound run`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, Namespace, Url, settings_from
from trailhound.cli.screen import warn
from trailhound.errors import UsageError

with late_imports():
    from enrich.enricher import Enricher
    from trailhound.app.daemon import logs
    from trailhound.app.daemon.service import Service
    from trailhound.app.enrichment import LoadedEnricher, load_enricher
    from trailhound.app.settings_check import check, missing_folders, settings_warnings
    from trailhound.settings import Settings


_NO_FOLDER = (
    "check the path, or create it; one of `run.sources` in the settings may also come later"
)
LOG = logging.getLogger("trailhound")
_GRACE = 5.0
"""Seconds after `run.stop_seconds` to wait for a hanging request."""


def run(
    queue: Annotated[
        list[str] | None,
        typer.Option(metavar="QUEUE", help="An SQS queue that S3 notifies: URL, ARN or name."),
    ] = None,
    poll: Annotated[
        list[str] | None,
        typer.Option(metavar="s3://…", help="A bucket to list at intervals: s3://bucket/prefix."),
    ] = None,
    watch: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A folder to scan at intervals."),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address (HOST:PORT) of /healthz, /readyz and /metrics."
        ),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Ingest new trail files continuously from a queue, a bucket or a folder, and run the rules.

    Start any number of daemons, on one machine or many: they share the work. On SIGTERM or Ctrl-C
    a daemon finishes or hands back its work; a second signal stops it at once (exit code 130).
    SIGHUP reloads the rules and most settings; the log names those that need a restart.

    Example: `trailhound run --queue trail-notifications`
    """
    sources: list[dict[str, Any]] = [{"queue": name} for name in queue or ()]
    sources += [{"poll": place} for place in poll or ()]
    sources += [{"watch": str(folder)} for folder in watch or ()]
    for folder in watch or ():
        if not folder.expanduser().is_dir():
            raise UsageError(f"--watch {folder}: there is no such folder", hint=_NO_FOLDER)
    given: dict[str, Any] = {}
    if sources:
        given["sources"] = sources
    if listen is not None:
        given["listen"] = listen

    active: Enricher | None = None

    def load() -> tuple[Settings, LoadedEnricher]:
        nonlocal active
        settings = settings_from(config, url, namespace, check, run=given)
        loaded = load_enricher(settings, active)
        for problem in loaded.problems:
            (LOG.warning if active else warn)(str(problem))
        active = loaded.enricher
        return settings, loaded

    settings, loaded = load()
    for location, fault in missing_folders(settings):
        warn(f"{'.'.join(map(str, location))}: {fault}; it is waited for")
    for location, doubt in settings_warnings(settings):
        warn(f"{'.'.join(map(str, location))}: {doubt}")
    style = settings.run.log or ("console" if sys.stderr.isatty() else "json")
    logs.set_up(style, settings.run.log_level)
    service = Service(settings, loaded, load)
    _handle_signals(service, settings.run.stop_seconds)
    service.run()


def _handle_signals(service: Service, stop_seconds: float) -> None:
    def stop(_number: int, _frame: Any) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda _number, _frame: os._exit(ExitCode.INTERRUPTED))
        last = threading.Timer(stop_seconds + _GRACE, os._exit, args=(ExitCode.INTERRUPTED,))
        last.daemon = True
        last.start()
        # Not in the handler, which may have interrupted the holder of the lock that this needs.
        threading.Thread(target=service.stop, name="stop", daemon=True).start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: service.reload())
