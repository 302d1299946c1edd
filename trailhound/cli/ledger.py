"""`trailhound ledger`: what became of each object of the trails."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType, instant
from trailhound.cli.decisions import By, who
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, shown_of
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import emit, plural, say, say_field, size
from trailhound.errors import UsageError

with late_imports():
    from ingest.objects import HISTORY
    from trailhound.app.search.ledger import LedgerSearch
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.state.denied_folders import DeniedFolders
    from trailhound.state.objects import BAD, ObjectState, object_id
    from trailhound.state.store import StateStore


app = typer.Typer(
    no_args_is_help=True, help="The ledger: what became of each object of the trails."
)


class LedgerState(StrEnum):
    """What `--state` takes."""

    FAILED = "failed"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    ARCHIVED = "archived"
    CLAIMED = "claimed"
    RELEASED = "released"
    DONE = "done"
    GONE = "gone"
    DENIED = "denied"
    ALL = "all"


class LedgerVerdict(StrEnum):
    """What `--verdict` takes."""

    VERIFIED = "verified"
    TAMPERED = "tampered"
    CORRUPT = "corrupt"
    MISSING = "missing"
    UNLISTED = "unlisted"
    PENDING = "pending"


_LEFT = [
    LedgerState.DENIED,
    LedgerState.FAILED,
    LedgerState.PARTIAL,
    LedgerState.SKIPPED,
    LedgerState.ARCHIVED,
]

Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")]
All = Annotated[bool, typer.Option("--all", help="Show all; no limit.")]
Object = Annotated[
    str | None,
    typer.Option(
        "--object",
        metavar="TEXT",
        help="Objects whose name contains this text; `*` matches any text.",
    ),
]

LISTING = Listing[dict[str, Any]](
    "objects",
    (
        Column("state", lambda each: each["state"], "state"),
        Column("finished", lambda each: each["finished_at"], "when", ColumnType.TIME),
        Column("object", lambda each: each["uri"], "object", tail=True),
        Column("reason", lambda each: _why(each), "why", whole=True),
        Column("verdict", lambda each: _verdict(each), "verdict", priority=1),
        Column("read", lambda each: each["read"], "read", ColumnType.NUMBER, priority=2),
        Column("indexed", lambda each: each["indexed"], "indexed", ColumnType.NUMBER, priority=3),
        Column(
            "duplicates",
            lambda each: each["duplicates"],
            "duplicates",
            ColumnType.NUMBER,
            priority=5,
        ),
        Column(
            "dead_lettered",
            lambda each: each["dead_lettered"],
            "dead",
            ColumnType.NUMBER,
            priority=1,
        ),
        Column(
            "filtered", lambda each: each["filtered"], "filtered", ColumnType.NUMBER, priority=6
        ),
        Column("size", lambda each: each["size"], "size", ColumnType.NUMBER, priority=4),
        Column("id", lambda each: each["id"], "id", ColumnType.ID),
    ),
    dict,
    empty="no such object",
)


def _why(row: dict[str, Any]) -> str:
    """The reason, without the object's name, which has its own column."""
    judged = row.get("integrity")
    if judged and judged["verdict"] in BAD and row["state"] in ("done", "released"):
        return f"expected {judged.get('expected', '')}, found {judged.get('found', '')}"
    if row["state"] == "gone":
        note = f": {row['gone_note']}" if row["gone_note"] else ""
        by = f" by {row['gone_by']}" if row["gone_by"] else ""
        return f"noted as gone{by}{note}; {str(row['reason']).removeprefix(row['uri'] + ': ')}"
    if row["state"] == "partial":
        return f"{row['dead_lettered']:,} of {plural(row['read'], 'record')} in the dead letters"
    return str(row["reason"]).removeprefix(f"{row['uri']}: ")


def _verdict(row: dict[str, Any]) -> str:
    return row["integrity"]["verdict"] if row.get("integrity") else ""


@app.command("list")
def list_objects(
    state: Annotated[
        list[LedgerState] | None,
        typer.Option(
            "--state",
            help="Default: failed, partial (some of its records are dead letters), skipped, "
            "archived and denied (a folder that a backfill was not allowed to list). `gone`: not "
            "read, and noted as gone.",
        ),
    ] = None,
    verdict: Annotated[
        list[LedgerVerdict] | None,
        typer.Option(
            "--verdict",
            help="The verdict of a recorded verification; of any state unless `--state` is given.",
        ),
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
    """List objects that were not or not fully read, the latest first; with `--state` others.

    Example: `trailhound ledger list --state failed --since 7d`
    """
    form = form_of(output, json)
    dates.check_order(since, until)
    settings = settings_from(config, url, namespace)
    states = state or ([LedgerState.ALL] if verdict else _LEFT)
    wanted = [] if LedgerState.ALL in states else [each.value for each in states]
    most = None if every else limit
    with cluster_errors(settings.hosts[0]):
        page = LedgerSearch(connect(settings), settings).find(
            readings=wanted,
            name=object_,
            since=since,
            until=dates.end_of(until) if until else None,
            limit=most,
            verdicts=[each.value for each in verdict or ()],
        )
        more = most is not None and page.total > most
        LISTING.show(page.rows, form, beside={"total": page.total, "more": more})
    shown_of(page.total, most, "object", form)


@app.command()
def show(
    object_: Annotated[
        str,
        typer.Argument(metavar="OBJECT", help="Its name, or its id or a unique prefix of it."),
    ],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show what became of one object: when it was read, by which selection, and its counts.

    Example: `trailhound ledger show s3://my-trail-bucket/AWSLogs/…/a.json.gz`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        search = LedgerSearch(connect(settings), settings)
        found = search.named(object_)
        if found["uri"].startswith(HISTORY):
            found["delivered_by"] = search.delivered_by(found["object"])
    if json:
        emit(found)
        return
    for name, value in _lines(found):
        if value not in ("", None):
            say_field(name, value)


@app.command()
def gone(
    object_: Annotated[list[str], typer.Argument(metavar="OBJECT…", help="Its complete name.")],
    by: By = None,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="The reason; stored with each of them.")
    ] = "",
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Record that an object is no longer in its source, so that `reconcile` does not expect it, and
    one that could not be read no longer warns.

    Its entry and its events stay. When the object is read again, this record is removed. One that
    is still there is refused. A folder that a backfill was not allowed to list (`denied`), and that
    is not wanted, is no longer named.

    Example: `trailhound ledger gone s3://my-trail-bucket/AWSLogs/…/a.json.gz --note "a test of
    ours"`
    """
    from ingest.reconcile.repair import note_gone  # brings all that reads objects
    from ingest.sources.presence import is_there

    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        objects = StateStore(client, settings, ObjectState)
        folders = DeniedFolders(client, settings)
        for each in object_:
            if folders.forget(each):
                say(f"{each}: no longer expected")
                continue
            known = objects.one(object_id(each))
            if known is not None and is_there(each, settings):
                raise UsageError(
                    f"{each} is still in its source",
                    hint="delete it first; an object that cannot be read is tried again by a "
                    "daemon or the next `trailhound backfill`",
                )
            if not note_gone(objects, each, datetime.now(UTC), who(by), note):
                raise UsageError(
                    f"the ledger has no object {each}",
                    hint="see `trailhound ledger list --state all`",
                )
            before = known.gone_at if known is not None else None
            say(f"{each}: " + (f"noted as gone since {before[:10]}" if before else "noted as gone"))


def _lines(found: dict[str, Any]) -> list[tuple[str, object]]:
    counts = ("indexed", "duplicates", "dead_lettered", "filtered")
    parts = " + ".join(f"{found[name]:,} {name.replace('_', '-')}" for name in counts)
    lines: list[tuple[str, object]] = [
        ("object", found["uri"]),
        ("id", found["id"]),
        ("state", found["state"]),
        ("why", _why(found)),
        ("claimed", instant(found["claimed_at"])),
        ("worker", found["worker"]),
        ("finished", instant(found["finished_at"])),
        ("records", f"{found['read']:,} read = {parts}"),
        ("size", f"{size(found['size'])}, {size(found['bytes'])} read"),
        ("etag", found["etag"]),
        ("sha-256", found["sha256"]),
        ("gone", instant(found["gone_at"])),
        ("noted by", found["gone_by"]),
        ("note", found["gone_note"]),
        *(("events under", each) for each in found["events_under"]),
        *(("delivered by", each) for each in found.get("delivered_by", ())),
        *_judged(found.get("integrity")),
    ]
    lines += [("read by", _criteria(each)) for each in found["covered"]]
    return [*lines, *(("counts of", _criteria(each)) for each in [found["counted"]] if each)]


def _judged(judged: dict[str, Any] | None) -> list[tuple[str, object]]:
    """The verdict of a recorded verification, for people."""
    if judged is None:
        return []
    return [
        ("verdict", f"{judged['verdict']}, since {instant(judged['at'])}"),
        ("expected", judged.get("expected", "")),
        ("found", judged.get("found", "")),
        *(("not marked", each) for each in judged.get("unmarked", ())),
    ]


def _criteria(criteria: dict[str, Any]) -> str:
    """The selection by which an object was read, for people."""
    named = [f"{name} {_joined(value)}" for name, value in criteria.items()]
    return ", ".join(named) or "no selection: all records"


def _joined(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
