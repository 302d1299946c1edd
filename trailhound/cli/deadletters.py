"""`trailhound deadletters` and `trailhound retry-deadletters`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Annotated, Any, Final

import typer

from trailhound.cli import dates, dismissals
from trailhound.cli.columns import Column, ColumnType, instant
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.ledger import All, Limit, Object
from trailhound.cli.listing import Listing, Output, form_of, is_table, note, shown_of
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import emit, out, plural, safe, say, say_field, warn

with late_imports():
    from ingest.deadletters.retry import Retried, Retry
    from ingest.deadletters.selection import LetterSelection
    from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
    from trailhound.app.backfill.noted import NotedRun
    from trailhound.app.enrichment import enricher_from
    from trailhound.app.search.ledger import DeadLetterSearch, record_text
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.cluster.waiting import BLOCKED_CODES
    from trailhound.state.backfills import RETRY
    from trailhound.state.late_events import merged


app = typer.Typer(no_args_is_help=True, help="Dead letters: records that could not be indexed.")

_GROUPED: Final = 10_000
"""The number of latest dead letters that are grouped by reason."""

OF_LETTER = Column[dict[str, Any]](
    "dismissed", lambda each: dismissal_of(each), "dismissed", whole=True, priority=3
)

LISTING = Listing[dict[str, Any]](
    "deadletters",
    (
        Column("at", lambda each: each["at"], "when", ColumnType.TIME),
        Column("code", lambda each: each["code"], "code", ColumnType.ENTIRE),
        Column("reason", lambda each: each["reason"], "why", whole=True),
        Column("object", lambda each: each["object"], "object", tail=True, priority=1),
        Column("position", lambda each: each["position"], "record", ColumnType.NUMBER, priority=1),
        Column("day", lambda each: each.get("day", ""), "day", priority=2),
        Column("id", lambda each: each["id"], "id", ColumnType.ID),
        OF_LETTER,
    ),
    dict,
    empty="no dead letters",
)


def dismissal_of(letter: dict[str, Any]) -> str:
    """When a letter was dismissed, by whom and why; empty where it was not."""
    found = letter.get("dismissed")
    if not found:
        return ""
    why = f": {found['note']}" if found["note"] else ""
    return f"{found['at'][:10]}, {found['by']}{why}"


@dataclass
class LetterReason:
    """Dead letters with the same code and reason, and the same dismissal; `latest` is the first of
    them."""

    latest: dict[str, Any]
    count: int = 1


REASONS = Listing[LetterReason](
    "reasons",
    (
        Column("count", lambda each: each.count, "count", ColumnType.NUMBER),
        Column("at", lambda each: each.latest["at"], "latest", ColumnType.TIME),
        Column("code", lambda each: each.latest["code"], "code", ColumnType.ENTIRE),
        Column("reason", lambda each: each.latest["reason"], "why", whole=True),
        # Where there is no room, `deadletters show` has it: what is cut says nothing.
        Column("object", lambda each: each.latest["object"], "object", tail=True, priority=1),
        Column("id", lambda each: each.latest["id"], "id", ColumnType.ID),
    ),
    asdict,
)
"""The listing for a terminal, by reason: hundreds of records may have the same one."""


OF_REASON = Column[LetterReason](
    "dismissed", lambda each: dismissal_of(each.latest), "dismissed", whole=True
)


def _with_dismissal(listing: Listing[Any], column: Column[Any]) -> Listing[Any]:
    """A listing for a terminal that has this column at any width, in the place of the object, which
    is shown if there is room."""
    others = [each for each in listing.columns if each.name != column.name]
    place = next(i for i, each in enumerate(others) if each.name == "object")
    shown, of = replace(column, priority=0), replace(others[place], priority=1)
    return replace(listing, columns=(*others[:place], shown, of, *others[place + 1 :]))


@app.command("list")
def list_letters(
    context: typer.Context,
    code: dismissals.Codes = None,
    object_: Object = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    every: All = False,
    each: Annotated[
        bool,
        typer.Option(
            "--each", help="On a terminal: a row for each dead letter, not for each reason."
        ),
    ] = False,
    dismissed: Annotated[
        bool,
        typer.Option("--dismissed", help="Those that were dismissed: by whom, when and why."),
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """List records that could not be indexed, the latest first, and the number of each code.

    Those that were dismissed are shown by `--dismissed` alone.

    Example: `trailhound deadletters list --since 7d`
    """
    form = form_of(output, json)
    dates.check_order(since, until)
    settings = settings_from(config, url, namespace)
    most = None if every else limit
    with cluster_errors(settings.hosts[0]):
        search = DeadLetterSearch(connect(settings), settings)
        codes, spooled, dropped = search.codes(), search.spooled(), search.dismissed()
        end = dates.end_of(until) if until else None
        source = context.get_parameter_source("limit")
        grouped = is_table(form) and not each
        grouped = grouped and (source is None or source.name != "COMMANDLINE")
        selection = LetterSelection(
            codes=code or (), object=object_ or "", since=since, until=end, dismissed=dismissed
        )
        page = search.find(selection, _GROUPED if grouped else most)
        beside = {
            "total": page.total,
            "more": most is not None and page.total > most,
            "codes": codes,
            "dismissed": dropped,
            "spooled": spooled.waiting,
            "spooled_dismissed": spooled.dismissed,
        }
        rows = list(page.rows) if grouped else page.rows
        reasons = reasons_of(rows) if grouped else []
        by_reason, by_letter = REASONS, LISTING
        if dismissed and is_table(form):
            by_letter = _with_dismissal(LISTING, OF_LETTER)
            by_reason = _with_dismissal(REASONS, OF_REASON)
        if any(reason.count > 1 for reason in reasons):
            by_reason.show(reasons)
            of = f" of the latest {_GROUPED:,}" if page.total > _GROUPED else ""
            note(
                f"{plural(page.total, 'dead letter')}, {plural(len(reasons), 'reason')}{of}: "
                "--each for a row of each"
            )
        else:
            by_letter.show(islice(rows, most), form, beside=beside)
            shown_of(page.total, most, "dead letter", form)
    if codes and not dismissed:
        note("of all: " + ", ".join(f"{name} {number:,}" for name, number in codes.items()), form)
    if dropped and not dismissed:
        note(f"{dropped:,} dismissed: --dismissed shows them", form)
    if number := spooled.dismissed if dismissed else spooled.waiting:
        note(f"{number:,} more in {settings.spool}, which the index rejected", form)


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
    """Show one dead letter: the reason, where it came from, and the record.

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
    if found.get("dismissed"):
        say_field("dismissed", dismissal_of(found), indent=11)
    out.heading("record")
    for line in record_text(found).splitlines():
        out.print(safe(line))


def reasons_of(rows: Iterable[dict[str, Any]]) -> list[LetterReason]:
    """Dead letters by code and reason, the most frequent first; of equal ones the latest first."""
    found: dict[tuple[str, str, str], LetterReason] = {}
    for row in rows:
        key = row["code"], row["reason"], dismissal_of(row)
        if key in found:
            found[key].count += 1
        else:
            found[key] = LetterReason(row)
    return sorted(found.values(), key=lambda each: -each.count)


app.command()(dismissals.dismiss)


Reopen = Annotated[
    bool,
    typer.Option(
        "--reopen",
        help="Make read-only or closed days writable for the events that wait for them, and "
        "restore each day's state afterwards.",
    ),
]

TooDismissed = Annotated[
    bool,
    typer.Option("--dismissed", help="Try those too that were dismissed; what fails stays so."),
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
    dismissed: TooDismissed = False,
) -> None:
    """Index again what could not be indexed, from the dead-letter index and the spool folder.

    Use it after an upgrade of Trailhound, a change of settings, or a repair of the cluster. Records
    that are indexed now are removed from the dead letters.

    Example: `trailhound retry-deadletters --reopen`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        client, enricher = connect(settings), enricher_from(settings, warn)
        with NotedRun(client, settings, RETRY) as noted:
            retry = Retry(
                client,
                settings,
                enricher,
                new_days=new_days,
                dismissed=dismissed,
                recorded=noted.recorded,
            )
            noted.begin()
            tried = retry.run(reopen=reopen)
            tried.late = merged(tried.late, noted.end())
    counts = tried.counts
    if json:
        emit(tried.as_dict())
    else:
        say(
            f"{plural(counts.read, 'dead letter')} tried: {counts.indexed:,} indexed, "
            f"{counts.duplicates:,} were already in the index, {counts.dead_lettered:,} "
            f"remain{'s' if counts.dead_lettered == 1 else ''}"
        )
        if counts.filtered:
            say(
                f"{plural(counts.filtered, 'event')} past retention (retention.days), whose day "
                "was deleted: counted as filtered, and no longer dead letters"
            )
        if tried.dismissed:
            say(f"{tried.dismissed:,} dismissed: not tried without --dismissed")
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
        if tried.late is not None:
            say(tried.late.sentence())
    warn_of_days(tried)
    if counts.dead_lettered or tried.days.not_restored:
        raise typer.Exit(ExitCode.INCOMPLETE)


def warn_of_days(tried: Retried) -> None:
    """Warn of days that could not be opened for the letters, or not be restored."""
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
