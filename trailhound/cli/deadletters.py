"""`trailhound deadletters` and `trailhound retry-deadletters`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ingest.deadletters.retry import Retried, Retry
from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from trailhound.app.enrichment import enricher_from
from trailhound.app.ledger_search import DeadLetterSearch, readable
from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.ledger import All, Limit, Object
from trailhound.cli.listing import (
    Column,
    Kind,
    Listing,
    Output,
    form_of,
    instant,
    note,
    shown_of,
)
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import emit, out, plural, say, say_field, warn
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.waiting import BLOCKED_CODES

app = typer.Typer(no_args_is_help=True, help="Records that could not be indexed.")

LISTING = Listing[dict[str, Any]](
    "deadletters",
    (
        Column("at", lambda each: each["at"], "when", Kind.TIME),
        Column("code", lambda each: each["code"], "code", whole=True),
        Column("reason", lambda each: each["reason"], "why", whole=True),
        Column("object", lambda each: each["object"], "object"),
        Column("position", lambda each: each["position"], "record", Kind.NUMBER, priority=1),
        Column("day", lambda each: each.get("day", ""), "day", priority=2),
        Column("id", lambda each: each["id"], "id", Kind.ID),
    ),
    dict,
    empty="no dead letters",
)


@app.command("list")
def list_letters(
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="CODE", help="Only these; may be repeated."),
    ] = None,
    object_: Object = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    every: All = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """List records that could not be indexed, the latest first, and how many have each code.

    Example: `trailhound deadletters list --since 7d`
    """
    form = form_of(output, json)
    dates.check_order(since, until)
    settings = settings_from(config, url, namespace)
    most = None if every else limit
    with cluster_errors(settings.hosts[0]):
        search = DeadLetterSearch(connect(settings), settings)
        codes, spooled = search.codes(), search.spooled()
        end = dates.end_of(until) if until else None
        page = search.find(code or (), object_, since, end, most)
        beside = {
            "total": page.total,
            "more": most is not None and page.total > most,
            "codes": codes,
            "spooled": spooled,
        }
        LISTING.show(page.rows, form, beside=beside)
    shown_of(page.total, most, "dead letter", form)
    if codes:
        note("of all: " + ", ".join(f"{name} {number:,}" for name, number in codes.items()), form)
    if spooled:
        note(f"{spooled:,} more in {settings.spool}, which the index rejected", form)


@app.command()
def show(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="From `trailhound deadletters list`; its beginning is enough."
        ),
    ],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one dead letter: why it is one, where it came from, and the record.

    Example: `trailhound deadletters show 5f1c0a…`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        found = DeadLetterSearch(connect(settings), settings).named(id_)
    if json:
        emit(found)
        return
    for name in ("id", "code", "reason", "object", "position", "etag", "at", "day", "encoding"):
        if found.get(name) not in ("", None):
            say_field(name, instant(found[name]) if name == "at" else found[name], indent=11)
    out.heading("record")
    for line in readable(found).splitlines():
        say(line)


Reopen = Annotated[
    bool,
    typer.Option(
        "--reopen",
        help="Make read-only or closed days writable for the events that wait for them, and "
        "restore each day's state afterwards.",
    ),
]

NewDays = Annotated[
    bool,
    typer.Option(
        "--new-days",
        help="Create the daily indices that exceeded the limit for one object "
        "(ingest.new_days_per_object, ingest.new_days_per_export).",
    ),
]


def retry_deadletters(
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
    reopen: Reopen = False,
    new_days: NewDays = False,
) -> None:
    """Index again what could not be indexed, from the dead-letter index and the spool folder.

    For use after an upgrade of Trailhound, a changed setting, or a repair of the cluster. What is
    indexed is removed from the dead letters.

    Example: `trailhound retry-deadletters --reopen`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        retry = Retry(connect(settings), settings, enricher_from(settings, warn), new_days=new_days)
        tried = retry.run(reopen=reopen)
    counts = tried.counts
    if json:
        emit(tried.as_dict())
    else:
        say(
            f"{plural(counts.read, 'dead letter')} tried: {counts.indexed:,} indexed, "
            f"{counts.duplicates:,} were already in the index, {counts.dead_lettered:,} remain"
        )
        if tried.days.indices:
            say(f"opened and restored: {', '.join(tried.days.indices)}")
        waiting = sum(tried.codes.get(code, 0) for code in BLOCKED_CODES)
        if waiting and not reopen:
            say(
                f"{plural(waiting, 'event')} of read-only or closed days: "
                "`trailhound retry-deadletters --reopen` makes those days writable for them"
            )
        if tried.new_days:
            say(
                f"{plural(tried.codes.get(TOO_MANY_NEW_DAYS, 0), 'event')} of "
                f"{plural(len(tried.new_days), 'day')} without an index "
                f"({_named(tried.new_days)}): "
                "`trailhound retry-deadletters --new-days` creates the indices"
            )
    warn_of_days(tried)
    if counts.dead_lettered or tried.days.not_restored:
        raise typer.Exit(ExitCode.INCOMPLETE)


def warn_of_days(tried: Retried) -> None:
    """Name the days that could not be opened for the letters, or not be restored."""
    for index, reason in tried.days.refused.items():
        warn(f"{index} could not be opened for writing: {reason}")
    for index, reason in tried.days.not_restored.items():
        warn(f"{index} could not be restored; make it read-only or close it: {reason}")


def _named(days: list[str]) -> str:
    """
    >>> _named(["2024.03.01"]), _named(["2024.03.01", "2024.03.02", "2024.03.09"])
    ('2024.03.01', '2024.03.01 to 2024.03.09')
    """
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
