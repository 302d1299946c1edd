"""Options that every command takes, and the settings they make."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trailhound.cli import completion, dates
from trailhound.cli.common_flags import flags_of
from trailhound.cli.late_imports import late_imports
from trailhound.cli.named_commands import set_given

with late_imports():
    from trailhound.private_files import tighten
    from trailhound.settings import Check, Settings, load


if TYPE_CHECKING:
    from detections.span import Span

_CLUSTER = "Cluster"

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The cluster's address. Default: the setting cluster.hosts, else the local engine.",
        rich_help_panel=_CLUSTER,
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        metavar="NAME",
        help="Prefix the names of all indices and templates with NAME-.",
        autocompletion=completion.namespaces,
        rich_help_panel=_CLUSTER,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file. Default: trailhound.yaml, if it exists.",
        rich_help_panel=_CLUSTER,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=dates.time,
        metavar=dates.METAVAR,
        help="From this time: 7d, 36h (before now), 2025-03-01, or an ISO instant.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        parser=dates.time,
        metavar=dates.METAVAR,
        help="To this time; a date includes that day.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write it as an HTML page that needs no other file."
    ),
]
PAGE_EDGES = 300
"""The default number of edges on a page of the activity graph: more are hard to read."""
Accounts = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="ID", help="Only this account; may be repeated."),
]
Regions = Annotated[
    list[str] | None,
    typer.Option("--region", metavar="NAME", help="Only this region; may be repeated."),
]


_in_force: list[Settings] = []


def settings_in_force() -> Settings | None:
    """The settings that this command was given; None before they are read."""
    return _in_force[0] if _in_force else None


def settings_from(
    config: Path | None = None,
    url: str | None = None,
    namespace: str | None = None,
    check: Check | None = None,
    **more: dict[str, Any],
) -> Settings:
    """The settings, overridden by the common flags; `more` has flags of a section, by its name.

    Messages from now on name commands with these flags."""
    _in_force.clear()
    set_given(url=url, namespace=namespace, config=config)
    flags = {section: values for section, values in more.items() if values}
    flags |= flags_of(url, namespace)
    settings = load(config, flags, check)
    _in_force[:] = [settings]
    tighten(settings.home, settings.spool)
    return settings


def span_of(since: datetime | None, until: datetime | None) -> Span | None:
    """The span of event time of the options; None for all times."""
    from detections.span import BEGINNING, UNLIMITED, Span

    if since is None and until is None:
        return None
    return Span(
        dates.start_of(since) if since else BEGINNING,
        dates.end_of(until) if until else UNLIMITED,
    )


def history_span_of(since: datetime | None, until: datetime | None) -> Span:
    """The span of history of the options: without them all of it, events with an absurd time
    included. An `until` that is a date includes that day.

    Raises `UsageError` if `since` is not before `until`.
    """
    from detections.history import END
    from detections.span import BEGINNING, Span

    dates.check_order(since, until)
    return Span(since or BEGINNING, dates.end_of(until) if until else END)
