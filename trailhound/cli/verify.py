"""`trailhound verify`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from ingest.integrity.digest import Place
from ingest.integrity.findings import Finding, Verdict
from ingest.integrity.keys import KeysApi, PublicKeys
from ingest.integrity.store import BucketStore, FolderStore, Store
from ingest.integrity.verification import Verification, Wanted
from ingest.sources.session import cloudtrail_client
from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.listing import Column, Form, Kind, Listing, Output, form_of, is_piped, note
from trailhound.cli.options import Accounts, Config, Json, Regions, settings_from
from trailhound.cli.screen import emit, out, plural, safe, say
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError
from trailhound.settings import Settings

_LOCAL_THREADS: Final = 4
_SHOWN: Final = 50
"""Findings shown on a terminal; every other form has all."""

_PLACES = Listing[tuple[Place, Verdict]](
    "places",
    [
        Column("account", lambda row: row[0].account, "account"),
        Column("region", lambda row: row[0].region, "region"),
        Column("digests_valid", lambda row: row[1].digests.valid, "digests", Kind.NUMBER),
        Column("digests_wrong", lambda row: _wrong(row[1].digests), "wrong", Kind.NUMBER),
        Column("files_valid", lambda row: row[1].files.valid, "files", Kind.NUMBER),
        Column("files_wrong", lambda row: _wrong(row[1].files), "wrong", Kind.NUMBER),
        Column("pending", lambda row: row[1].pending, "pending", Kind.NUMBER, 3),
        Column("from", lambda row: row[1].first, "from", Kind.INSTANT, 1),
        Column("to", lambda row: row[1].last, "to", Kind.INSTANT, 1),
        Column("base", lambda row: row[0].base, "below", priority=4),
    ],
    lambda row: {"account": row[0].account, "region": row[0].region, **row[1].as_dict()},
)
_FINDINGS = Listing[Finding](
    "findings",
    [
        Column("kind", lambda row: row.kind.value),
        Column("object", lambda row: row.object),
        Column("detail", lambda row: row.detail),
    ],
    Finding.as_dict,
)


def verify(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="s3://bucket/prefix, or a folder.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=dates.time,
            metavar=dates.METAVAR,
            help="Digests and files delivered from this time on.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=dates.time,
            metavar=dates.METAVAR,
            help="To this time. Without it the newest digest must not be older than 3 h.",
        ),
    ] = None,
    account: Accounts = None,
    region: Regions = None,
    public_keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What `aws cloudtrail list-public-keys` wrote. Default: each region is asked.",
        ),
    ] = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Verify by CloudTrail's digests that files are as delivered, and that none is gone or added.

    Exit code 1 where anything is invalid, missing, unlisted or older than it should be.

    Example: `trailhound verify s3://my-trail-bucket --since 7d`
    """
    form = form_of(output, json)
    dates.check_order(since, until)
    settings = settings_from(config)
    store: Store = (
        BucketStore(source, settings) if source.startswith("s3://") else FolderStore(source)
    )
    keys = PublicKeys() if public_keys is None else PublicKeys.of_file(public_keys)
    with show_stages("verify") as stage:
        done = 0

        def told(files: int) -> None:
            nonlocal done
            done += files
            stage(f"{plural(done, 'file')} hashed", done, 0)

        stage("listing", 0, 0)
        rows = Verification(
            store,
            keys,
            Wanted(
                since,
                None if until is None else dates.end_of(until),
                frozenset(account or ()),
                frozenset(region or ()),
            ),
            api_of=None if public_keys is not None else _apis(settings),
            limit=settings.ingest.max_uncompressed_bytes,
            threads=settings.ingest.prefetch_threads if store.signed else _LOCAL_THREADS,
            now=datetime.now(UTC),
            told=told,
        ).run()
    whole = Verdict()
    for _, verdict in rows:
        whole.join(verdict)
    if not rows:
        raise UsageError(
            f"{source}: no digests and no trail files here",
            hint="give the bucket, or the prefix above AWSLogs/; or a wider time or selection",
        )
    _show(rows, whole, form)
    if whole.fails:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _apis(settings: Settings) -> Callable[[str], KeysApi]:
    """CloudTrail's API in a region, one client each."""
    made: dict[str, Any] = {}

    def of(region: str) -> KeysApi:
        if region not in made:
            made[region] = cloudtrail_client(settings.aws, region)
        api: KeysApi = made[region]
        return api

    return of


def _show(rows: list[tuple[Place, Verdict]], whole: Verdict, form: Form) -> None:
    if form is Form.JSON:
        emit(whole.as_dict())
        return
    if form is not Form.TABLE or is_piped():
        _FINDINGS.show(whole.findings, form)
    else:
        _PLACES.show(rows)
        for each in whole.findings[:_SHOWN]:
            style = "red" if each.kind.fails else "dim"
            out.print(Text(f"{each.kind.value:<10}", style=style), safe(each.object))
            say(f"  {each.detail}")
        if len(whole.findings) > _SHOWN:
            say(f"{len(whole.findings) - _SHOWN:,} more: --output csv, ndjson or json has all")
    digests, files = whole.digests, whole.files
    said = [
        f"{plural(digests.valid, 'digest')} valid, {_wrong(digests):,} not",
        f"{plural(files.valid, 'file')} valid, {_wrong(files):,} not",
    ]
    if whole.empty_hours:
        said.append(f"{plural(whole.empty_hours, 'hour')} without a file")
    if whole.pending:
        said.append(f"{plural(whole.pending, 'file')} not listed yet")
    if whole.unverified:
        said.append(f"{plural(whole.unverified, 'file')} without any digest: not verified")
    note("; ".join(said), form)


def _wrong(tally: Any) -> int:
    return int(tally.invalid + tally.missing + tally.unreadable + tally.unlisted)
