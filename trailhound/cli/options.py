"""Options that every command takes, and the settings they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trailhound.cli import completion
from trailhound.private_files import tighten
from trailhound.settings import Check, Settings, load

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


def settings_from(
    config: Path | None = None,
    url: str | None = None,
    namespace: str | None = None,
    check: Check | None = None,
    **more: dict[str, Any],
) -> Settings:
    """Settings with the common flags on top; `more` holds flags of a section, by its name."""
    flags = {section: values for section, values in more.items() if values}
    flags |= flags_of(url, namespace)
    settings = load(config, flags, check)
    tighten(settings.home, settings.spool)
    return settings


def flags_of(url: str | None, namespace: str | None) -> dict[str, Any]:
    """The common flags that were given, as the settings they stand for."""
    flags: dict[str, Any] = {}
    if url:
        flags["cluster"] = {"hosts": [url]}
    if namespace is not None:
        flags["namespace"] = namespace
    return flags
