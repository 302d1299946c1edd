"""`trailhound aws logs-query`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from trailhound.aws.insights_query import AT_ONCE, POINTER, PRICE, SECONDS, Query, parsed
from trailhound.cli import dates
from trailhound.cli.aws_options import account_of
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.consent import agree
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, Since, Until
from trailhound.cli.screen import is_quiet, plural, safe, say_on_stderr, size, warn
from trailhound.cli.stages import show_stages
from trailhound.cli.stopping import stopped_by_signals
from trailhound.errors import UsageError

with late_imports():
    from trailhound.aws.log_groups import LogGroup, described, dollars
    from trailhound.aws.logs_insights import Fault, FoundRow, GroupQuery, LogsInsights, Result
    from trailhound.aws.query_spans import QuerySpan

_CENT: Final = 0.01
_HOUR: Final = timedelta(hours=1)

LogGroups = Annotated[
    list[str],
    typer.Option("--log-group", metavar="NAME", help="A log group; may be repeated."),
]
OfRegions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="REGION",
        help="The region of the log groups; may be repeated. Default: aws.region.",
    ),
]
Price = Annotated[
    float,
    typer.Option(
        "--price",
        min=0,
        metavar="DOLLARS",
        help="US dollars for a GB scanned. Default: the price of us-east-1 in 2025.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask about the cost.")]
AtOnce = Annotated[
    int,
    typer.Option(
        "--at-once",
        min=1,
        max=100,
        metavar="N",
        help="The number of queries that run at the same time.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=1,
        metavar="SECONDS",
        help="The limit for one query, after which it is stopped.",
    ),
]


def listing(fields: Iterable[str]) -> Listing[FoundRow]:
    """The listing of rows that have these fields."""
    return Listing[FoundRow](
        "rows",
        (
            Column("region", lambda each: each.region, "region", ColumnType.ENTIRE, priority=1),
            Column("log_group", lambda each: each.group, "log group", priority=1),
            *(_column(name) for name in fields),
        ),
        lambda each: {
            "region": each.region,
            "log_group": each.group,
            "fields": {name: value for name, value in each.fields.items() if name != POINTER},
        },
        empty="no row",
    )


def _column(name: str) -> Column[FoundRow]:
    return Column(name, lambda each: each.fields.get(name), str(safe(name)), whole=True)


LISTING = listing(())
"""The columns that are always there; those of the query's fields follow."""


def logs_query(
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY", help="The query, in the language of CloudWatch Logs Insights."
        ),
    ],
    log_group: LogGroups,
    region: OfRegions = None,
    since: Since = None,
    until: Until = None,
    price: Price = PRICE,
    yes: Yes = False,
    at_once: AtOnce = AT_ONCE,
    timeout: Timeout = SECONDS,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Run a Logs Insights query over many log groups and regions at once.

    Without `--since` over the last hour. A query that reaches AWS's limit of 10,000 rows is run
    again for parts of its time. Exits with 1 if a log group has no answer or rows are missing.

    Example: `trailhound aws logs-query "fields @timestamp, eventName" --log-group trail --since 1d`
    """
    dates.check_order(since, until)
    form = form_of(output, json)
    made = parsed(query)
    now = datetime.now(UTC)
    dates.check_begun(since, now)
    span = (dates.start_of(since) if since else now - _HOUR, dates.end_of(until) if until else now)
    clients = clients_of(config, region)
    groups = groups_of(clients, log_group)
    estimate = confirm_cost(groups, span, now, price, yes=yes)
    result = run(clients, groups, made, span, at_once=at_once, seconds=timeout)
    fields = dict.fromkeys(name for row in result.rows for name in row.fields if name != POINTER)
    listing(fields).show(
        result.rows,
        form,
        beside={
            "estimate": estimate,
            "scanned_bytes": int(result.scanned),
            "dollars": round(dollars(result.scanned, price), 4),
            "queries": result.queries,
            "ordered": not result.unordered,
            "limited": result.limited,
            "failed": [each.as_dict() for each in result.failed],
            "cut": [each.as_dict() for each in result.cut],
        },
    )
    note(
        f"{plural(len(result.rows), 'row')}; {_queries(result.queries)}, "
        f"{size(result.scanned)} scanned, {_dollars(dollars(result.scanned, price))}",
        form,
    )
    for text in _remarks(result, made, groups):
        note(text, form)
    name_faults(result.failed, result.cut)
    if result.failed or result.cut:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _remarks(result: Result, query: Query, groups: Sequence[LogGroup]) -> Iterable[str]:
    """Remarks against misreading the rows."""
    if result.unordered:
        yield result.unordered
    if result.limited:
        yield f"the query's limit left {plural(result.limited, 'row')} of other log groups out"
    if not query.per_event and len(groups) > 1:
        yield (
            "each log group answers by itself: aggregates (and a limit of them) are of one log "
            "group, nothing is added up across them"
        )


def clients_of(config: Config, regions: Sequence[str] | None) -> dict[str, Any]:
    """Clients of CloudWatch Logs by region. Raises `SettingsError`, `AwsError`."""
    account = account_of(config, regions[0] if regions else None)
    return {each: account.client("logs", each) for each in regions or [account.region]}


def groups_of(clients: dict[str, Any], names: Sequence[str]) -> list[LogGroup]:
    """The log groups with these names, and warnings about regions that lack one. Raises
    `UsageError` if no region has one of them, `AwsError`."""
    found, absent = described(clients, names)
    there = {each.name for each in found}
    missing = sorted({name for _, name in absent} - there)
    if missing:
        regions = ", ".join(clients)
        raise UsageError(
            f"there is no log group {', '.join(missing)} in {regions}",
            hint="check the name and --region; `aws logs describe-log-groups` lists them",
        )
    for where, name in absent:
        warn(f"there is no log group {name} in {where}")
    return found


def confirm_cost(
    groups: Sequence[LogGroup],
    span: tuple[datetime, datetime],
    now: datetime,
    price: float,
    *,
    yes: bool,
) -> dict[str, Any]:
    """Say what a query scans and costs, and ask whether to run it, as `agree` does."""
    scanned = sum(each.bytes_of(*span, now) for each in groups)
    cost = dollars(scanned, price)
    sentence = (
        f"{plural(len(groups), 'log group')}: about {size(scanned)} to scan, "
        f"{_dollars(cost)} at ${price:g} a GB (the stored bytes, as if spread evenly over their "
        "time; what is cut by the row limit is scanned again)"
    )
    if not is_quiet():
        say_on_stderr(sentence)
    if not yes:
        hint = "check the cost, and add --yes"
        agree("Run it?", "the query costs money", hint, left="no query was run")
    return {"bytes": scanned, "dollars": round(cost, 4), "price": price}


def run(
    clients: dict[str, Any],
    groups: Sequence[LogGroup],
    query: Query,
    span: tuple[datetime, datetime],
    *,
    at_once: int,
    seconds: float,
) -> Result:
    """Run the query over the span of every group, with progress. A signal stops it at AWS."""
    since, until = (int(each.timestamp()) for each in span)
    whole = QuerySpan(since, max(since, until - 1))
    with show_stages("logs-query", unit="queries") as stage:
        job = LogsInsights(clients, query, at_once=at_once, seconds=seconds, progress=stage)
        with stop_on_signal(job):
            return job.run(GroupQuery(each.region, each.name, whole) for each in groups)


def stop_on_signal(job: LogsInsights) -> AbstractContextManager[None]:
    """Has the first signal stop the queries at AWS; the rows so far are shown."""
    return stopped_by_signals(job, "stopping the queries at AWS (repeat to stop at once)")


def name_faults(failed: Sequence[Fault], cut: Sequence[Fault]) -> None:
    """Warn of each time of a log group whose answer is missing or cut."""
    for each in failed:
        rows = f"; {plural(each.rows, 'row')} kept" if each.rows else ""
        warn(f"{each.state}: {each.piece.text}: {each.reason}{rows}")
    for each in cut:
        warn(f"cut: {each.piece.text}: {each.reason}")


def _queries(number: int) -> str:
    return plural(number, "query", "queries")


def _dollars(cost: float) -> str:
    return f"about ${cost:,.2f}" if cost >= _CENT else "less than $0.01"
