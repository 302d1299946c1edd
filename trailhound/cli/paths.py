"""`trailhound paths`: paths between nodes of the activity graph, and lateral movement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.empty_results import explain_empty_span
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note, note_left_off
from trailhound.cli.movements import show_movements
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
from trailhound.cli.screen import plural, warn
from trailhound.cli.skipped_days import end_with_skipped, not_searched, skipped_days
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from detections.events.daily_indices import SkippedDay, daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.graph import GROUPS
    from detections.investigation.lateral import lateral
    from trailhound.app.search.activity import Activity, check_page
    from trailhound.app.search.paths import FoundPaths, PathPage, PathSearch
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


Row = dict[str, Any]


def _step(name: str, place: int | None = None) -> Callable[[Row], Any]:
    """A value of one step of a path, or the distinct values of all steps."""
    if place is not None:
        return lambda row: row["steps"][place][name]
    return lambda row: list(dict.fromkeys(step[name] for step in row["steps"]))


PATHS = Listing[Row](
    "paths",
    (
        Column("score", lambda each: each["risk_score"], "score", ColumnType.NUMBER),
        Column("path", lambda each: " → ".join(each["path"]), "path", whole=True),
        Column("other_addresses", lambda each: each["other_addresses"], "leaves for", whole=True),
        Column("calls", lambda each: [step["call"] for step in each["steps"]], "by", priority=1),
        Column("first", _step("time", 0), "from (UTC)", ColumnType.INSTANT, priority=3),
        Column("last", _step("time", -1), "to (UTC)", ColumnType.INSTANT, priority=2),
        Column("address", _step("address"), "address", priority=4),
        Column("events", _step("event"), "events", priority=5),
    ),
    dict,
    empty="no path was found",
)
"""`trailhound paths --from`."""


def paths(
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="NODE", help="The node where paths begin; may be repeated."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="NODE",
            help="The node where paths end; may be repeated. Default: investigation.crown_jewels.",
        ),
    ] = None,
    lateral_: Annotated[
        bool,
        typer.Option(
            "--lateral",
            help="Show lateral movement instead: role changes by address, and chains of roles.",
        ),
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Show the steps of every path, not only of the first.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")] = 50,
    html: Html = None,
    edges: Annotated[
        int,
        typer.Option("--edges", min=1, metavar="N", help="The most edges on the page."),
    ] = PAGE_EDGES,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show how calls lead from one node to another in order of time, with the event of each step.

    A node is `user:NAME`, `role:NAME`, `service:NAME`, `account:ID`, `federated:NAME`, `key:ID`,
    `ip:ADDRESS`, `s3:BUCKET`, `ec2:ID`, `secret:NAME`, `function:NAME` or
    `resource:SERVICE:CALL`; `@ACCOUNT` after a name means one account, a `*` any text. Exits with
    1 if a day could not be searched.

    Examples:

    `trailhound paths --from user:ada --to s3:payroll --since 30d`

    `trailhound paths --from user:ada --html paths.html`

    `trailhound paths --lateral`
    """
    dates.check_order(since, until)
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    targets = to or list(settings.investigation.crown_jewels)
    if lateral_ == bool(from_):
        raise UsageError(
            "say where paths begin, or ask for lateral movement",
            hint="give either --from NODE or --lateral",
        )
    if from_ and not targets:
        raise UsageError(
            "no target is named", hint="give --to NODE, or set investigation.crown_jewels"
        )
    if html is not None:
        if lateral_:
            raise UsageError("--lateral has no page", hint="leave out --html, or name --from")
        check_page(html, edges)
    span = span_of(since, until)
    with cluster_errors(settings.hosts[0]), show_stages("paths") as stage:
        client = connect(settings)
        days = daily_indices(client, settings)
        index = EventIndex(client, days, groups_page=GROUPS)
        index.refresh()
        search: FoundPaths | None = None
        page: PathPage | None = None
        if from_:
            seeker = PathSearch(client, settings, index, span, stage)
            search = seeker.search(from_, targets, limit, by_name=bool(to), whole=html is not None)
            if html is not None:
                title = f"Paths from {', '.join(from_)} to {', '.join(targets)}"
                notes = _page_notes(search, limit, days.skipped_in(span))
                page = seeker.write_page(search, html, title, notes, paths=limit, edges=edges)
        else:
            stage("following roles", 0, 0)
            moved = lateral(index, span.query() if span else None, limit)
        nothing = "" if search and search.found.found else explain_empty_span(client, days, span)
    skipped = days.skipped_in(span)
    if nothing:
        warn(nothing)
    beside: dict[str, Any] = {"skipped_days": skipped_days(skipped)}
    if search is None:
        show_movements(moved, limit, form, beside)
    else:
        _show_paths(search, limit, form, beside, steps=steps)
    if page is not None:
        note(f"the page is in {html}: {_edges_of(page.around)}", form)
        if page.lacks:
            warn(page.lacks)
    end_with_skipped(skipped)


def _show_paths(
    search: FoundPaths, limit: int, form: Form, beside: dict[str, Any], *, steps: bool
) -> None:
    """The paths that were found, at most `limit`; `steps`: with those of each, not only of the
    first."""
    found = search.found
    rows = [each.as_json(found) for each in found.found[:limit]]
    more = len(found.found) > limit
    beside |= {
        "more": more,
        "candidates": found.candidates,
        "cut": found.cut,
        "unknown_targets": search.missing,
    }
    _listing(rows, form).show(rows, form, beside=beside)
    if form is Form.TABLE:
        for number, row in enumerate(rows if steps else rows[:1], 1):
            _steps(row, number, form)
        if len(rows) > 1 and not steps:
            note(f"the steps of {plural(len(rows) - 1, 'other path')}: --steps", form)
    if left := sum(bool(each["other_addresses"]) for each in rows):
        note(f"{plural(left, 'path')} with steps from another address than the first", form)
    if more:
        note_left_off(_more_than(limit), form)
    for each in search.missing:
        warn(f"no event is about the crown jewel {each}")
    if found.cut:
        warn(f"there may be other paths: {found.cut}; narrow the time or name nodes")


def _listing(rows: Sequence[Row], form: Form) -> Listing[Row]:
    """The listing; on a terminal without the column of other addresses if no path has one."""
    if form is not Form.TABLE or any(each["other_addresses"] for each in rows):
        return PATHS
    return replace(
        PATHS, columns=tuple(each for each in PATHS.columns if each.name != "other_addresses")
    )


def _page_notes(search: FoundPaths, limit: int, skipped: Sequence[SkippedDay]) -> list[str]:
    """Notes on what the page leaves out."""
    found, made = search.found, not_searched(skipped)
    if not found.found:
        made.append("no path was found; this is what is around where it would begin and end")
    if len(found.found) > limit:
        made.append(_more_than(limit))
    if found.cut:
        made.append(f"there may be other paths: {found.cut}; narrow the time or name nodes")
    return made + [f"no event is about the crown jewel {each}" for each in search.missing]


def _more_than(limit: int) -> str:
    """How many there are is not known: only one more than the limit was looked for."""
    return f"{plural(limit, 'path')} shown, there are more: --limit N"


def _edges_of(around: Activity) -> str:
    edges = plural(len(around.around.edges), "edge")
    more = around.around.edges_left_out
    return f"{edges}; {more:,} are left out, --edges N for more" if more else edges


def _steps(row: Row, number: int, form: Form) -> None:
    """Print the steps of a path, below the table."""
    note(f"steps of path {number}, {' → '.join(row['path'])}:", form, indent=2)
    for step in row["steps"]:
        edge = step["edge"]
        note(
            f"  {step['time']} {step['from']} → {step['to']}: {step['call']} from "
            f"{step['address']}, event {step['event']} (of {plural(edge['count'], 'call')}, "
            f"{edge['failed']:,} failed, {edge['first']} to {edge['last']})",
            form,
            indent=4,
        )
