"""`trailhound graph`: who called what on which target, as edges or as a page."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.empty_results import explain_empty_span
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note, note_left_off
from trailhound.cli.options import (
    PAGE_EDGES,
    Config,
    Html,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    settings_from,
    span_of,
)
from trailhound.cli.screen import plural, say, warn
from trailhound.cli.skipped_days import end_with_skipped, not_searched, skipped_days
from trailhound.cli.stages import show_stages

with late_imports():
    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.graph import build
    from detections.investigation.named_nodes import resolve
    from trailhound.app.search.activity import activity_of, activity_page_of, check_page, left_out
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.report.render.activity import write_activity

_DEFAULT_LIMIT = 50

Row = dict[str, Any]


def _calls(row: Row) -> list[str]:
    return [f"{name} ×{count:,}" if count > 1 else name for name, count in row["calls"].items()]


LISTING = Listing[Row](
    "edges",
    (
        Column("risk", lambda each: each["risk_score"], "risk", ColumnType.NUMBER),
        Column("from", lambda each: each["from"], "from", whole=True),
        Column("to", lambda each: each["to"], "to", whole=True),
        Column("calls", lambda each: list(each["calls"]), "calls", priority=1, shown=_calls),
        Column("count", lambda each: each["count"], "events", ColumnType.NUMBER),
        Column("failed", lambda each: each["failed"], "failed", ColumnType.NUMBER, priority=2),
        Column("first", lambda each: each["first"], "first (UTC)", ColumnType.INSTANT, priority=4),
        Column("last", lambda each: each["last"], "last (UTC)", ColumnType.INSTANT, priority=3),
        Column("addresses", lambda each: each["addresses"], "from address", priority=5),
        Column("user_agents", lambda each: each["user_agents"], "with", priority=6),
        Column("events", lambda each: each["events"], "event ids", priority=7),
    ),
    dict,
    empty="no edge of the graph matches",
)
"""`trailhound graph`."""


def graph(
    nodes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NODE]...", help="Nodes to start from. Default: the complete graph."
        ),
    ] = None,
    hops: Annotated[
        int,
        typer.Option(
            "--hops", min=1, max=5, metavar="N", help="Edges up to N hops away from the nodes."
        ),
    ] = 2,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help=f"Show at most N edges. Default: {_DEFAULT_LIMIT}; {PAGE_EDGES} on a page.",
        ),
    ] = None,
    html: Html = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show who called what on which target, as a graph: an edge is all calls between two nodes.

    Nodes are written as for `trailhound paths`: `user:ada`, `role:Ops@ACCOUNT`, `s3:*`. The edges
    nearest to them come first, then those of the highest risk score. Exits with 1 if a day could
    not be searched.

    Examples:

    `trailhound graph user:ada --since 7d`

    `trailhound graph user:ada --html graph.html`
    """
    dates.check_order(since, until)
    form = form_of(output, json)
    most = limit or (PAGE_EDGES if html is not None else _DEFAULT_LIMIT)
    if html is not None:
        check_page(html, most)
    settings = settings_from(config, url, namespace)
    span = span_of(since, until)
    wanted = nodes or []
    with cluster_errors(settings.hosts[0]), show_stages("graph") as stage:
        client = connect(settings)
        days = daily_indices(client, settings)
        index = EventIndex(client, days, groups_page=20_000)
        index.refresh()
        stage("building the graph", 0, 0)
        made = build(
            index,
            span.query() if span else None,
            keys=[each.removeprefix("key:") for each in wanted if each.startswith("key:")],
            addresses=[each.removeprefix("ip:") for each in wanted if each.startswith("ip:")],
            risk=True,
        )
        nothing = "" if len(made.graph) else explain_empty_span(client, days, span)
        centre = [] if nothing else [node for each in wanted for node in resolve(made, each)]
        found = activity_of(index, made, span, centre=centre, hops=hops, most=most, progress=stage)
        title = f"Activity graph{' of ' + ', '.join(wanted) if wanted else ''}"
        if html is not None:
            page = activity_page_of(
                found,
                title,
                client=client,
                settings=settings,
                span=span,
                notes=not_searched(days.skipped_in(span)),
            )
            lacks = write_activity(html, page)
    skipped = days.skipped_in(span)
    if nothing:
        warn(nothing)
    around = found.around
    if html is not None:
        say(f"{plural(len(around.edges), 'edge')} of the graph are in {html}")
        for each in [*left_out(found), *filter(None, [lacks])]:
            warn(each)
    elif not nothing or form is not Form.TABLE:
        total = len(around.edges) + around.edges_left_out
        LISTING.show(
            list(found.rows()),
            form,
            beside={
                "nodes": len(around.layers),
                "total": total,
                "nameless": made.nameless,
                "more": around.edges_left_out > 0,
                "skipped_days": skipped_days(skipped),
            },
        )
        if around.edges_left_out:
            note_left_off(
                f"{len(around.edges):,} of {plural(total, 'edge')} shown: --limit N", form
            )
        elif total:
            note(plural(total, "edge"), form)
        if made.nameless:
            warn(f"{plural(made.nameless, 'event')} name nobody who acted: on no edge")
    end_with_skipped(skipped)
