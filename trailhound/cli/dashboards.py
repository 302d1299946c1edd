"""`trailhound dashboards build | import | export | open`."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of
from trailhound.cli.options import Config, Json, Namespace, settings_from
from trailhound.cli.screen import out, plural, safe, say, write_bytes
from trailhound.errors import DashboardsError, UsageError

with late_imports():
    from dashboards import build as files
    from dashboards import ndjson, shipped
    from dashboards.imported import Imported
    from dashboards.kibana import for_kibana
    from dashboards.server import DashboardsServer
    from trailhound.settings import Settings


app = typer.Typer(
    no_args_is_help=True,
    help="Dashboards for OpenSearch Dashboards and Kibana: import, export, open.",
)

_SERVER = "OpenSearch Dashboards or Kibana"


class Product(StrEnum):
    """The server the dashboards are on."""

    OPENSEARCH = "opensearch"
    ELASTICSEARCH = "elasticsearch"


Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Address of the server. Default: the setting dashboards.url.",
        rich_help_panel=_SERVER,
    ),
]
Username = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="User name. The password comes from TRAILHOUND_DASHBOARDS__PASSWORD or "
        "dashboards.password_file.",
        rich_help_panel=_SERVER,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Tenant of the security plugin.", rich_help_panel=_SERVER),
]
Workspace = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="Workspace: the id after `/w/` in the address.", rich_help_panel=_SERVER
    ),
]
Since = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="Start of the time range: now-30d, 2025-03-03.",
    ),
]
Until = Annotated[str, typer.Option(metavar="TIME", help="End of the time range. Default: now.")]


def _settings(
    config: Path | None, namespace: str | None, url: str | None, **more: str | None
) -> Settings:
    given: dict[str, Any] = {key: value for key, value in (("url", url), *more.items()) if value}
    return settings_from(config, namespace=namespace, dashboards=given)


@app.command("build")
def build(
    directory: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder to write to. Default: the folder of the shipped files.",
        ),
    ] = None,
    product: Annotated[
        Product, typer.Option(help="For OpenSearch Dashboards, or for Kibana 8 and 9.")
    ] = Product.OPENSEARCH,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Write the `.ndjson` files from the code in `dashboards/`, and print which are new or changed.

    Each holds one dashboard and all objects it needs. It can also be imported by hand: in
    Dashboards under Dashboards Management, Saved objects, Import. With a namespace, the names of
    the indices and the ids of the objects start with it.

    Example: `trailhound dashboards build -o /tmp/dashboards`
    """
    folder = directory or files.FOLDER
    if product is Product.ELASTICSEARCH and folder == files.FOLDER:
        raise UsageError(
            "the shipped files are for OpenSearch Dashboards",
            hint="name a folder for Kibana's: -o DIR; `trailhound dashboards import` asks the "
            "server which it is",
        )
    # The shipped files depend on no settings, unless some were named.
    named = config is not None or namespace or folder != files.FOLDER
    prefix = settings_from(config, namespace=namespace).prefix if named else ""
    if prefix and folder == files.FOLDER:
        raise UsageError(
            "the shipped files are for every namespace",
            hint="name a folder for those of one: -o DIR; `trailhound dashboards import` takes "
            "--namespace",
        )
    done = files.write(folder, kibana=product is Product.ELASTICSEARCH, prefix=prefix)
    for path in done:
        out.print(safe(path))
    numbers = [f"{plural(n, 'file')} {what}" for what, n in sorted(Counter(done.values()).items())]
    say(f"{', '.join(numbers) or 'no file changed'} in {folder}")


LISTING = Listing[Imported](
    "objects",
    (
        Column("outcome", lambda each: each.outcome, "did", ColumnType.ENTIRE),
        Column("type", lambda each: each.kind, "kind", ColumnType.ENTIRE),
        Column("title", lambda each: each.title, "title", whole=True),
        Column("detail", lambda each: each.detail, "why", whole=True),
        Column("id", lambda each: each.id, "id", ColumnType.ID, priority=1),
    ),
    lambda each: {
        "type": each.kind,
        "id": each.id,
        "title": each.title,
        "outcome": each.outcome,
        "detail": each.detail,
    },
    empty="nothing to import",
)


@app.command("import")
def import_(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WHAT]...",
            help="Names of shipped dashboards, or .ndjson files. Default: all shipped ones.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace objects that already exist.")
    ] = False,
    since: Since = "",
    until: Until = "",
    url: Url = None,
    username: Username = None,
    tenant: Tenant = None,
    workspace: Workspace = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Import dashboards: all shipped ones, or those named.

    With a namespace, the names of the indices and the ids of the objects start with it. Objects
    that already exist are kept unchanged, unless --overwrite is given.

    Examples: `trailhound dashboards import`,
    `trailhound dashboards import overview alerts --url https://dashboards.example --overwrite`
    """
    form = form_of(output, json)
    settings = _settings(
        config, namespace, url, username=username, tenant=tenant, workspace=workspace
    )
    lines = ndjson.namespaced(shipped.chosen(what or []), settings.prefix)
    server = DashboardsServer(settings.dashboards)
    if server.is_kibana():
        lines = for_kibana(lines)
    done = server.import_objects(ndjson.timed(lines, since, until), overwrite=overwrite)
    failed = [each for each in done if each.outcome == "failed"]
    if form is not Form.TABLE:
        LISTING.show(done, form)
    else:
        _show(done, server.base)
    if failed:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _show(done: list[Imported], where: str) -> None:
    notable = [each for each in done if each.outcome == "failed" or each.kind == "dashboard"]
    LISTING.show(notable)
    counts = Counter(each.outcome for each in done)
    outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in counts.items())
    say(f"{plural(len(done), 'object')} to {where}: {outcomes}")
    if counts["kept"]:
        say("objects that already existed were kept unchanged: --overwrite replaces them")


@app.command("export")
def export(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Names of shipped dashboards, or ids of others. Default: all shipped ones.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write to. Default: stdout."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every dashboard on the server, not only Trailhound's.")
    ] = False,
    url: Url = None,
    username: Username = None,
    tenant: Tenant = None,
    workspace: Workspace = None,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Export dashboards from the server, with all objects they refer to, as `.ndjson`.

    Example: `trailhound dashboards export overview -o mine.ndjson`
    """
    settings = _settings(
        config, namespace, url, username=username, tenant=tenant, workspace=workspace
    )
    names = [] if every else [*(what or shipped.NAMES)]
    wanted = [("dashboard", shipped.object_id(name, settings.prefix)) for name in names]
    content = DashboardsServer(settings.dashboards).export_objects(wanted)
    if output is None:
        write_bytes(content.rstrip(b"\n") + b"\n")
        return
    output.write_bytes(content)
    say(f"{plural(len(content.splitlines()), 'object')} in {output}")


@app.command("open")
def open_(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Name of a shipped dashboard, or an id.")
    ] = "overview",
    browser: Annotated[
        bool, typer.Option("--browser/--print", help="Open a browser, or only print the address.")
    ] = True,
    since: Since = "",
    until: Until = "",
    url: Url = None,
    tenant: Tenant = None,
    workspace: Workspace = None,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Print a dashboard's address, and open it in a browser.

    Example: `trailhound dashboards open alerts --since now-30d`
    """
    settings = _settings(config, namespace, url, tenant=tenant, workspace=workspace)
    server = DashboardsServer(settings.dashboards)
    _require_dashboard(server, name)
    address = server.address_of(shipped.object_id(name, settings.prefix), since, until)
    say(address)
    if browser:
        typer.launch(address)


def _require_dashboard(server: DashboardsServer, name: str) -> None:
    """Check that a name is a shipped dashboard's or the id of one on the server.

    Raises `UsageError` with the valid names, also where Dashboards can't be reached.
    """
    if name in shipped.NAMES:
        return
    asked = ""
    try:
        if server.has_dashboard(name):
            return
    except DashboardsError as error:
        asked = f", and it can't be looked up as an id: {error.message}"
    raise UsageError(
        f"no dashboard is called {name!r}{asked}",
        hint=f"choose one of {', '.join(shipped.NAMES)}, or give the id of a dashboard",
    )
