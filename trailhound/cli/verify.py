"""`trailhound verify`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, is_table, note
from trailhound.cli.options import Accounts, Config, Json, Namespace, Regions, Url, settings_from
from trailhound.cli.screen import emit, out, plural, safe, say, warn
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from opensearchpy import OpenSearch

    from ingest.backfill.unmatched import unknown_places
    from ingest.integrity.digest import Place
    from ingest.integrity.findings import IntegrityFinding, VerificationResult
    from ingest.integrity.keys import PublicKeys
    from ingest.integrity.scope import VerificationScope
    from ingest.matched import Matched
    from ingest.objects import Selection
    from ingest.sources import open_source
    from trailhound.app.integrity.verify import RecordedVerdicts
    from trailhound.app.integrity.verify import verify as verify_source
    from trailhound.cluster import templates
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings


_SHOWN: Final = 50
"""Findings shown on a terminal; every other form has all."""

_PLACES = Listing[tuple[Place, VerificationResult]](
    "places",
    [
        Column("account", lambda row: row[0].account, "account"),
        Column("region", lambda row: row[0].region, "region"),
        Column("digests_valid", lambda row: row[1].digests.valid, "digests", ColumnType.NUMBER),
        Column(
            "digests_wrong",
            lambda row: _wrong(row[1].digests),
            "wrong",
            shown=lambda row: "none at all" if _none(row[1]) else f"{_wrong(row[1].digests):,}",
        ),
        Column("files_valid", lambda row: row[1].files.valid, "files", ColumnType.NUMBER),
        Column("files_wrong", lambda row: _wrong(row[1].files), "wrong", ColumnType.NUMBER),
        Column("pending", lambda row: row[1].pending, "pending", ColumnType.NUMBER, 3),
        Column("from", lambda row: row[1].first, "from", ColumnType.INSTANT, 1),
        Column("to", lambda row: row[1].last, "to", ColumnType.INSTANT, 1),
        Column("base", lambda row: row[0].base, "below", priority=4),
    ],
    lambda row: {"account": row[0].account, "region": row[0].region, **row[1].as_dict()},
)
_FINDINGS = Listing[IntegrityFinding](
    "findings",
    [
        Column("kind", lambda row: row.kind.value),
        Column("object", lambda row: row.object),
        Column("detail", lambda row: row.detail),
    ],
    lambda each: each.as_dict(),
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
            help="Verify digests and files delivered from this time on.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=dates.time,
            metavar=dates.METAVAR,
            help="To this time. Without it, the newest digest may be at most 3 h old.",
        ),
    ] = None,
    account: Accounts = None,
    region: Regions = None,
    public_keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The output of `aws cloudtrail list-public-keys`. Default: ask each region.",
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Keep the verdicts in the ledger, mark events of files that are not genuine, and "
            "raise alerts. Files whose hash the ledger has are not read again.",
        ),
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Verify by CloudTrail's digests that files are unchanged, and that none is missing or added.

    Exits with 1 if anything is invalid, missing, unlisted or too old, or if an account or a region
    that was asked for does not exist.

    Example: `trailhound verify s3://my-trail-bucket --since 7d`
    """
    form = form_of(output, json)
    dates.check_order(since, until)
    settings = settings_from(config, url, namespace)
    keys = None if public_keys is None else PublicKeys.of_file(public_keys)
    with show_stages("verify") as stage, _errors(settings, record=record):
        done = 0

        def on_progress(files: int) -> None:
            nonlocal done
            done += files
            stage(f"{plural(done, 'file')} verified" if done else "listing", done, 0)

        stage("listing", 0, 0)
        made = verify_source(
            source,
            settings,
            VerificationScope(
                since,
                None if until is None else dates.end_of(until),
                frozenset(account or ()),
                frozenset(region or ()),
            ),
            keys,
            client=_client(settings) if record else None,
            on_progress=on_progress,
        )
    rows, whole = made.places, made.whole
    problems = _unknown(source, settings, [place for place, _ in rows], account, region)
    if not rows:
        asked = _delivered(since, until)
        wider = ", or a wider time: the files of its time are not there, or were delivered later"
        raise UsageError(
            "; ".join(problems) or f"{source}: no digests and no trail files here{asked}",
            hint="give the bucket, or the prefix above AWSLogs/" + (wider if asked else ""),
        )
    _show(rows, whole, form, made.recorded, problems)
    for problem in problems:
        warn(problem)
    if whole.fails or problems:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _delivered(since: datetime | None, until: datetime | None) -> str:
    """The time of delivery that was asked for, in words; empty for any."""
    after = f" from {since:%Y-%m-%d}" if since is not None else ""
    before = f" to {until:%Y-%m-%d}" if until is not None else ""
    return f" that were delivered{after}{before}" if after or before else ""


def _unknown(
    source: str,
    settings: Settings,
    places: list[Place],
    accounts: list[str] | None,
    regions: list[str] | None,
) -> list[str]:
    """Sentences about the accounts and regions that were asked for and that the source lacks."""
    folders = Matched()
    for each in places:
        folders.accounts.add(each.account)
        folders.regions.add(each.region)
    selection = Selection(accounts=frozenset(accounts or ()), regions=frozenset(regions or ()))
    return unknown_places([open_source(source, settings)], selection, folders)


def _client(settings: Settings) -> OpenSearch:
    """A client of a cluster with our templates. Raises `ClusterError`."""
    client = connect(settings)
    templates.check(client, settings)
    return client


def _errors(settings: Settings, *, record: bool) -> AbstractContextManager[None]:
    return cluster_errors(settings.hosts[0]) if record else nullcontext()


def _show(
    rows: list[tuple[Place, VerificationResult]],
    whole: VerificationResult,
    form: Form,
    recorded: RecordedVerdicts | None,
    problems: list[str],
) -> None:
    if form is Form.JSON:
        more = {"recorded": recorded.as_dict()} if recorded is not None else {}
        emit(whole.as_dict() | more | {"problems": problems})
        return
    if not is_table(form):
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
    without = sum(_none(verdict) for _, verdict in rows)
    parts = [
        f"{plural(digests.valid, 'digest')} valid, {_wrong(digests) - without:,} not",
        f"{plural(files.valid, 'file')} valid, {_wrong(files):,} not",
    ]
    if without:
        parts.append(f"no digest at all of {plural(without, 'region')} of an account")
    if whole.empty_hours:
        parts.append(f"{plural(whole.empty_hours, 'hour')} without a file")
    if whole.pending:
        parts.append(f"{plural(whole.pending, 'file')} not listed yet")
    if whole.unverified:
        parts.append(f"{plural(whole.unverified, 'file')} without any digest: not verified")
    note("; ".join(parts), form)
    if recorded is not None:
        _note_recorded(recorded, form)


def _note_recorded(recorded: RecordedVerdicts, form: Form) -> None:
    parts = [f"{number:,} {verdict}" for verdict, number in sorted(recorded.verdicts.items())]
    note(f"in the ledger: {', '.join(parts) or 'none of these files'}", form)
    if recorded.alerts:
        note(f"{plural(len(recorded.alerts), 'new alert')}: trailhound alerts list", form)
    if recorded.marked:
        note(f"{plural(recorded.marked, 'event')} marked in trail.integrity", form)
    for uri, indices in sorted(recorded.unmarked.items()):
        for each in indices:
            note(f"not marked: {uri}: {each}", form)


def _none(verdict: VerificationResult) -> bool:
    """Whether a place has files and not one digest: what is missing is no digest of a chain."""
    return bool(verdict.unverified) and not verdict.digests.valid and _wrong(verdict.digests) == 1


def _wrong(tally: Any) -> int:
    return int(tally.invalid + tally.missing + tally.unreadable + tally.unlisted)
