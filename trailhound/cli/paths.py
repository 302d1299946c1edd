"""`trailhound paths`: how somebody got from one node of the activity graph to another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Column, Form, Kind, Listing, Output, form_of, note
from trailhound.cli.nothing import nothing_in
from trailhound.cli.options import (
    Config,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    settings_from,
    span_of,
)
from trailhound.cli.screen import plural, warn
from trailhound.cli.stages import Stage, show_stages
from trailhound.errors import UsageError

with late_imports():
    from opensearchpy import OpenSearch

    from detections.events.daily_indices import DailyIndices, daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.graph import ActivityGraph, build
    from detections.investigation.lateral import MOST_CHAINED, lateral
    from detections.investigation.nodes import Node
    from detections.investigation.paths import PathFinder, Paths, resolve
    from detections.span import Span
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


Row = dict[str, Any]


def _step(name: str, place: int | None = None) -> Callable[[Row], Any]:
    """Something of one step of a path, or of all, each once."""
    if place is not None:
        return lambda row: row["steps"][place][name]
    return lambda row: list(dict.fromkeys(step[name] for step in row["steps"]))


PATHS = Listing[Row](
    "paths",
    (
        Column("risk", lambda each: each["risk_score"], "score", Kind.NUMBER),
        Column("path", lambda each: " → ".join(each["path"]), "path", whole=True),
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


def _call(name: str, place: int) -> Callable[[Row], Any]:
    return lambda row: row["timeline"][place][name]


def _roles(row: Row) -> str:
    """The roles of a chain one after the other; those of an address, which are no chain, beside
    each other, each with its number of calls."""
    if row["type"] == "role_chain":
        return " → ".join(row["role_chain"])
    runs = [(role, len(list(calls))) for role, calls in groupby(row["role_chain"])]
    named = [f"{role} ×{number:,}" if number > 1 else role for role, number in runs]
    return ", ".join(named) or "no call names its role"


MOVEMENTS = Listing[Row](
    "movements",
    (
        Column("type", lambda each: each["type"], "type"),
        Column("risk", lambda each: each.get("risk_score"), "score", Kind.NUMBER),
        Column("origin", lambda each: each.get("source_ip") or each["origin"], "who or where"),
        Column("roles", _roles, "roles", whole=True),
        Column("count", lambda each: each["count"], "count", Kind.NUMBER),
        Column("refused", lambda each: each.get("refused"), "refused", Kind.NUMBER, priority=3),
        Column("first", _call("time", 0), "first", Kind.INSTANT, priority=1),
        Column("last", _call("time", -1), "last", Kind.INSTANT, priority=2),
    ),
    dict,
    empty="no address assumed roles more than twice, and no role assumed another",
)
"""`trailhound paths --lateral`."""


def paths(
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="NODE", help="Where paths begin; may be repeated."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="NODE",
            help="Where they lead; may be repeated. Default: investigation.crown_jewels.",
        ),
    ] = None,
    lateral_: Annotated[
        bool,
        typer.Option(
            "--lateral", help="Lateral movement by address and the chains of roles, instead."
        ),
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Show the steps of every path, not of the first alone.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")] = 50,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show how calls lead from one node to another, in the order of time, each step with its event.

    A node is `user:NAME`, `role:NAME`, `service:NAME`, `account:ID`, `federated:NAME`, `key:ID`,
    `ip:ADDRESS`, `s3:BUCKET`, `ec2:ID`, `secret:NAME`, `function:NAME` or
    `resource:SERVICE:CALL`; `@ACCOUNT` after a name means one account, a `*` any text. Exits with
    1 if a day could not be searched.

    Examples:

    `trailhound paths --from user:ada --to s3:payroll --since 30d`

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
    span = span_of(since, until)
    with cluster_errors(settings.hosts[0]), show_stages("paths") as stage:
        client = connect(settings)
        days = daily_indices(client, settings)
        index = _index(client, days)
        if from_:
            found, missing = _paths(index, span, from_, targets, limit, stage, by_name=bool(to))
        else:
            stage("following roles", 0, 0)
            moved = lateral(index, span.query() if span else None)
        nothing = "" if (from_ and found.found) else nothing_in(client, days, span)
    skipped = days.skipped_in(span) if span else days.skipped
    if nothing:
        warn(nothing)
    beside: dict[str, Any] = {
        "skipped_days": [{"index": each.index, "reason": each.reason} for each in skipped]
    }
    if from_:
        rows = [each.as_json(found) for each in found.found[:limit]]
        more = len(found.found) > limit
        beside |= {
            "more": more,
            "candidates": found.candidates,
            "cut": found.cut,
            "unknown_targets": missing,
        }
        PATHS.show(rows, form, beside=beside)
        if form is Form.TABLE:
            for number, row in enumerate(rows if steps else rows[:1], 1):
                _steps(row, number, form)
            if len(rows) > 1 and not steps:
                note(f"the steps of {plural(len(rows) - 1, 'other path')}: --steps", form)
        if more:
            note(f"{limit:,} of {plural(len(found.found), 'path')} shown: --limit N", form)
        for each in missing:
            warn(f"no event is about the crown jewel {each}")
        if found.cut:
            warn(f"there may be other paths: {found.cut}; narrow the time or name nodes")
    else:
        rows = [each.as_json() for each in moved.movements]
        rows += [each.as_json() for each in moved.chains]
        MOVEMENTS.show(rows[:limit], form, beside=beside | {"more": len(rows) > limit})
        if len(rows) > limit:
            note(f"{limit:,} of {len(rows):,} shown: --limit N for more", form)
        if moved.more:
            warn(
                f"only the first {MOST_CHAINED:,} calls with a session's credentials were "
                f"followed; {moved.more:,} were left out: narrow the time"
            )
    for day in skipped:
        warn(f"not searched: {day}")
    if skipped:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _index(client: OpenSearch, days: DailyIndices) -> EventIndex:
    index = EventIndex(client, days.expression, groups_page=20_000)
    index.refresh()
    return index


def _paths(
    index: EventIndex,
    span: Span | None,
    starts: list[str],
    targets: list[str],
    limit: int,
    stage: Stage,
    *,
    by_name: bool,
) -> tuple[Paths, list[str]]:
    """The paths, one more than `limit` if there are more, and the targets of the settings that are
    in no event. A target `by_name` that is in none is an error."""
    stage("building the graph", 0, 0)
    query = span.query() if span else None
    named = [*starts, *targets]
    keys = [each.removeprefix("key:") for each in named if each.startswith("key:")]
    addresses = [each.removeprefix("ip:") for each in named if each.startswith("ip:")]
    graph = build(index, query, keys=keys, addresses=addresses, towards=targets)
    try:
        begin, ends, missing = _nodes(graph, starts, targets, by_name=by_name)
    except UsageError:
        # Known perhaps, but without a call on another actor or a target; else the nearest are said.
        stage("looking for the nodes", 0, 0)
        graph = build(index, query, keys=keys, addresses=addresses)
        begin, ends, missing = _nodes(graph, starts, targets, by_name=by_name)
    stage("proving paths", 0, 0)
    return PathFinder(index, graph, query).find(begin, ends, limit + 1), missing


def _nodes(
    graph: ActivityGraph, starts: list[str], targets: list[str], *, by_name: bool
) -> tuple[list[Node], list[Node], list[str]]:
    begin = [node for each in starts for node in resolve(graph, each)]
    return begin, *_targets(graph, targets, by_name=by_name)


def _targets(
    graph: ActivityGraph, targets: list[str], *, by_name: bool
) -> tuple[list[Node], list[str]]:
    found: list[Node] = []
    missing: list[str] = []
    for each in targets:
        try:
            found += resolve(graph, each)
        except UsageError:
            if by_name:
                raise
            missing.append(each)
    return found, missing


def _steps(row: Row, number: int, form: Form) -> None:
    """The steps of a path, below the table."""
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
