"""`trailhound paths`: paths between nodes of the activity graph, and lateral movement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, Kind
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note
from trailhound.cli.movements import MOVEMENTS
from trailhound.cli.nothing import nothing_in
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
from trailhound.cli.stages import Stage, show_stages
from trailhound.errors import UsageError

with late_imports():
    from opensearchpy import OpenSearch

    from detections.events.daily_indices import DailyIndices, SkippedDay, daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.absent import unknown_node
    from detections.investigation.graph import GROUPS, ActivityGraph, build
    from detections.investigation.lateral import MOST_CHAINED, lateral
    from detections.investigation.nodes import Node
    from detections.investigation.paths import PathFinder, Paths, named
    from detections.investigation.subject import subject_of
    from detections.investigation.views import nodes_of
    from detections.span import Span
    from trailhound.app.activity import Activity, activity_of, activity_page_of, check_page
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.report.render.activity import write_activity
    from trailhound.settings import Settings


Row = dict[str, Any]


def _step(name: str, place: int | None = None) -> Callable[[Row], Any]:
    """A value of one step of a path, or the distinct values of all steps."""
    if place is not None:
        return lambda row: row["steps"][place][name]
    return lambda row: list(dict.fromkeys(step[name] for step in row["steps"]))


PATHS = Listing[Row](
    "paths",
    (
        Column("score", lambda each: each["risk_score"], "score", Kind.NUMBER),
        Column("path", lambda each: " → ".join(each["path"]), "path", whole=True),
        Column("other_addresses", lambda each: each["other_addresses"], "leaves for", whole=True),
        Column("calls", lambda each: [step["call"] for step in each["steps"]], "by", priority=1),
        Column("first", _step("time", 0), "from (UTC)", Kind.INSTANT, priority=3),
        Column("last", _step("time", -1), "to (UTC)", Kind.INSTANT, priority=2),
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
        index = _index(client, days)
        if from_:
            search = _Seeker(client, settings, index, span, stage).search(
                from_, targets, limit, by_name=bool(to), whole=html is not None
            )
            found, missing = search.found, search.missing
            if html is not None:
                proven = found.found[:limit]
                around = activity_of(
                    index,
                    search.graph,
                    span,
                    centre=[] if proven else search.starts,
                    ends=[] if proven else search.ends,
                    paths=proven,
                    most=edges,
                    progress=stage,
                )
                title = f"Paths from {', '.join(from_)} to {', '.join(targets)}"
                notes = _page_notes(search, limit, days.skipped_in(span))
                page = activity_page_of(
                    around,
                    title,
                    client=client,
                    settings=settings,
                    span=span,
                    paths=proven,
                    notes=notes,
                )
                lacks = write_activity(html, page)
        else:
            stage("following roles", 0, 0)
            moved = lateral(index, span.query() if span else None, limit)
        nothing = "" if (from_ and found.found) else nothing_in(client, days, span)
    skipped = days.skipped_in(span)
    if nothing:
        warn(nothing)
    beside: dict[str, Any] = {"skipped_days": skipped_days(skipped)}
    if from_:
        rows = [each.as_json(found) for each in found.found[:limit]]
        more = len(found.found) > limit
        beside |= {
            "more": more,
            "candidates": found.candidates,
            "cut": found.cut,
            "unknown_targets": missing,
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
            note(_more_than(limit), form)
        for each in missing:
            warn(f"no event is about the crown jewel {each}")
        if found.cut:
            warn(f"there may be other paths: {found.cut}; narrow the time or name nodes")
        if html is not None:
            note(f"the page is in {html}: {_edges_of(around)}", form)
            if lacks:
                warn(lacks)
    else:
        rows = [each.as_json() for each in moved.movements]
        rows += [each.as_json() for each in moved.chains]
        totals = {"addresses": moved.total_movements, "chains": moved.total_chains}
        more = any(total > limit for total in totals.values())
        MOVEMENTS.show(rows, form, beside=beside | {"more": more, "total": totals})
        for kind, total in totals.items():
            if total > limit:
                note(f"{limit:,} of {total:,} {kind} shown: --limit N for more", form)
        if moved.more:
            warn(
                f"only the first {MOST_CHAINED:,} calls with a session's credentials were "
                f"followed; {moved.more:,} were left out: narrow the time"
            )
    end_with_skipped(skipped)


def _listing(rows: Sequence[Row], form: Form) -> Listing[Row]:
    """The listing; on a terminal without the column of other addresses if no path has one."""
    if form is not Form.TABLE or any(each["other_addresses"] for each in rows):
        return PATHS
    return replace(
        PATHS, columns=tuple(each for each in PATHS.columns if each.name != "other_addresses")
    )


def _index(client: OpenSearch, days: DailyIndices) -> EventIndex:
    index = EventIndex(client, days.expression, groups_page=GROUPS)
    index.refresh()
    return index


@dataclass(frozen=True, slots=True)
class _Search:
    """The result of a search. `found` has one path more than the limit if there are more.
    `missing`: targets of the settings that no event has."""

    graph: ActivityGraph
    found: Paths
    starts: list[Node]
    ends: list[Node]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class _Seeker:
    """Searches for paths in a span of the index."""

    client: OpenSearch
    settings: Settings
    index: EventIndex
    span: Span | None
    stage: Stage

    def search(
        self, starts: list[str], targets: list[str], limit: int, *, by_name: bool, whole: bool
    ) -> _Search:
        """Find paths. `by_name`: a target that no event has is an error. `whole`: build the
        complete graph, not only what paths need."""
        self.stage("building the graph", 0, 0)
        query = self.span.query() if self.span else None
        ends = [*starts, *targets]
        keys = [each.removeprefix("key:") for each in ends if each.startswith("key:")]
        addresses = [each.removeprefix("ip:") for each in ends if each.startswith("ip:")]
        towards = None if whole else targets
        graph = build(
            self.index, query, keys=keys, addresses=addresses, towards=towards, risk=whole
        )
        begin = [node for each in starts for node in self._nodes(graph, each)]
        reached: list[Node] = []
        missing: list[str] = []
        for each in targets:
            try:
                reached += self._nodes(graph, each)
            except UsageError:
                if by_name:
                    raise
                missing.append(each)
        self.stage("proving paths", 0, 0)
        found = PathFinder(self.index, graph, query).find(begin, reached, limit + 1)
        return _Search(graph, found, begin, reached, missing)

    def _nodes(self, graph: ActivityGraph, text: str) -> list[Node]:
        """The nodes that a text names; empty if events have the name, but no edge does. Raises
        `UsageError` with the nearest names if no event has it."""
        if found := named(graph.graph.nodes, text):
            return found
        about = subject_of(self.client, self.settings, self.index, text)
        query = self.span.query() if self.span else None
        if named(nodes_of(self.index, query, did=about.did, target=about.target), text):
            return []
        raise unknown_node(self.index, graph.graph.nodes, text)


def _page_notes(search: _Search, limit: int, skipped: Sequence[SkippedDay]) -> list[str]:
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
            f"{step['address']}, event {step['event']} (of {edge['count']:,} calls, "
            f"{edge['failed']:,} failed, {edge['first']} to {edge['last']})",
            form,
            indent=4,
        )
