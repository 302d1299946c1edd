"""`trailhound reconcile`."""

from __future__ import annotations

import re
import shlex
from itertools import islice
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from trailhound.cli.backfill_plan import kinds_text
from trailhound.cli.backfill_report import warn_unmatched
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.common_flags import command_flags
from trailhound.cli.deadletters import warn_of_days
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, is_table, note
from trailhound.cli.object_selection import SinceDay, UntilDay, selection_of
from trailhound.cli.options import Accounts, Config, Json, Namespace, Regions, Url, settings_from
from trailhound.cli.screen import err, out, plural, safe, say, say_folded, say_on_stderr, warn
from trailhound.cli.stages import Stage, show_stages
from trailhound.cli.stopping import stopped_by_signals

with late_imports():
    from opensearchpy import OpenSearch

    from ingest.objects import Source
    from ingest.reconcile.findings import ReconcileFinding, ReconcileFindingKind, Repair, Summary
    from ingest.reconcile.reconciliation import Reconciliation
    from ingest.reconcile.repair import Repaired, Repairs
    from ingest.sources import open_source
    from trailhound.app.backfill.noted import NotedRun
    from trailhound.app.enrichment import enricher_from
    from trailhound.app.settings_check import check_filter
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings
    from trailhound.state.backfills import REPAIR
    from trailhound.state.late_events import merged


_SHOWN: Final = 50
"""Findings shown on a terminal; every other form has all."""
_SHOWN_FAILURES: Final = 10


class RepairCommands:
    """The command lines that repair findings, with the flags of this command."""

    def __init__(self, source: str, flags: str) -> None:
        self._flags = flags
        self.letters = f"trailhound deadletters list{flags}"
        """What lists the dead letters."""
        self.entries = f"trailhound ledger list{flags}"
        self.again = f"trailhound reconcile {shlex.quote(source)}{flags}"
        self.restore = f"trailhound backfill --restore {shlex.quote(source)}{flags}"
        self.all_of_it = f"trailhound reconcile {shlex.quote(source)} --repair{flags}"

    def of(self, finding: ReconcileFinding) -> list[str]:
        """One line for each repair of a finding."""
        return [self._line(finding, repair) for repair in finding.repairs]

    def _line(self, finding: ReconcileFinding, repair: Repair) -> str:
        command = f"trailhound {_name_of(repair)}"
        if repair not in (Repair.READ, Repair.READ_AGAIN, Repair.NOTE_GONE):
            return command + self._flags
        if repair is not Repair.NOTE_GONE and _is_pattern(finding.object):
            return self.all_of_it  # no source can be given that name
        return f"{command} {shlex.quote(finding.object)}{self._flags}"


def _name_of(repair: Repair) -> str:
    names = {
        Repair.READ: "backfill",
        Repair.READ_AGAIN: "backfill --force",
        Repair.RETRY: "retry-deadletters",
        Repair.RETRY_REOPENED: "retry-deadletters --reopen",
        Repair.RETRY_NEW_DAYS: "retry-deadletters --new-days",
        Repair.NOTE_GONE: "ledger gone",
    }
    return names[repair]


def _is_pattern(name: str) -> bool:
    return re.search(r"[*?]" if name.startswith("s3://") else r"\\x", name) is not None


def listing(commands: RepairCommands) -> Listing[ReconcileFinding]:
    """The findings; the last column is the command that repairs each."""

    def record(each: ReconcileFinding) -> dict[str, Any]:
        return {
            "kind": each.kind.value,
            "object": each.object,
            "detail": each.detail,
            "events": each.events,
            "dead_letters": each.dead_letters,
            "repair": commands.of(each),
        }

    return Listing(
        "findings",
        (
            Column("kind", lambda each: each.kind.value),
            Column("object", lambda each: each.object, tail=True),
            Column("detail", lambda each: each.detail, whole=True),
            Column("events", lambda each: each.events, kind=ColumnType.NUMBER),
            Column("dead_letters", lambda each: each.dead_letters, kind=ColumnType.NUMBER),
            Column("repair", lambda each: " && ".join(commands.of(each)), whole=True),
        ),
        record,
    )


def reconcile(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="s3://bucket/prefix, or a folder.")
    ],
    since: SinceDay = None,
    until: UntilDay = None,
    account: Accounts = None,
    region: Regions = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair each finding, after showing how.")
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Compare every object of a source with the ledger and the index, and name what repairs it.

    It finds objects that were never read (missing), of which an event is in no index (partial),
    that are no longer in the source (extra; lost where their events are not in the index either),
    or whose content has changed since. Records that the settings filter or that are past retention
    do not count as missing.

    Exits with 1 if there is a difference; with `--repair`, if one is left; and if an account, a
    region or a prefix that was asked for does not exist.

    Examples:

    `trailhound reconcile s3://my-trail-bucket --since 7d`

    `trailhound reconcile s3://my-trail-bucket --repair`
    """
    form = form_of(output, json)
    selection = selection_of(since, until, account, region)
    settings = settings_from(config, url, namespace, check_filter)
    opened = open_source(source, settings, selection)
    flags = command_flags(url=url, namespace=namespace, config=config)
    commands = RepairCommands(source, flags)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        with show_stages("reconcile", unit="objects") as stage:
            job = Reconciliation(client, settings, opened, selection, stage)
            job.run()
        # Not what a repair reads: that is not the whole selection.
        problems = warn_unmatched(job.summary, settings, [source], selection)
        repaired: Repaired | None = None
        if form is not Form.JSON:
            _show(job, form, commands, advise=not repair)
        if repair:
            with NotedRun(client, settings, REPAIR) as noted:
                if noted.earlier or not job.summary.complete:
                    repaired = _repair(job, noted, client, settings, opened)
            if repaired is None or not repaired.backfills.interrupted:
                job.note_listing()
        if form is Form.JSON:
            made = _report(repaired, commands) if repaired is not None else None
            beside = job.summary.as_dict() | {"repaired": made, "problems": problems}
            listing(commands).show(job.findings, form, beside=beside)
        elif repaired is not None:
            _show_repaired(repaired, form, commands)
        job.close()
    if problems or not (job.summary.complete if repaired is None else repaired.complete):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _repair(
    job: Reconciliation, noted: NotedRun, client: OpenSearch, settings: Settings, source: Source
) -> Repaired:
    """Carry out the repairs, with progress and a graceful end."""
    enricher = enricher_from(settings, warn)
    repairs = Repairs(client, settings, enricher, source, job.findings, recorded=noted.recorded)
    noted.begin()
    with stopped_by_signals(repairs), show_stages("repair", unit="events") as stage:
        repaired = repairs.run(on_progress=_events(stage))
    if not repaired.backfills.interrupted:
        repaired.late = merged(repaired.late, noted.end())
    return repaired


def _report(done: Repaired, commands: RepairCommands) -> dict[str, Any]:
    """The JSON object."""
    return done.as_dict() | {"left": [listing(commands).record(each) for each in done.left]}


def _events(stage: Stage) -> Any:
    return lambda what, events: stage(what, events, 0)


def _show(job: Reconciliation, form: Form, commands: RepairCommands, *, advise: bool) -> None:
    found = job.summary
    if not is_table(form):
        listing(commands).show(job.findings, form)
    else:
        for each in islice(job.findings, _SHOWN):
            _show_finding(each, commands)
        if (more := found.found.total() - _SHOWN) > 0:
            say(f"{more:,} more: --output csv, ndjson or json has all")
    for line in _sentences(found, commands.letters):
        note(line, form)
    if advise:
        for line in _advice(found, commands.all_of_it):
            note(line, form)


def _advice(found: Summary, repair: str) -> list[str]:
    """What to do about the findings: what has to be done by hand, and the command for the rest."""
    first = {
        ReconcileFindingKind.UNREADABLE: "replace them or make them readable first (where a "
        "day is closed, open it)",
        ReconcileFindingKind.LOST: "put them back into the source first",
    }
    lines = [
        f"no command repairs {plural(number, f'{kind.value} object')}: "
        f"{first.get(kind, 'fix the reason that is named first')}, and run again"
        for kind, number in found.without_repair.items()
    ]
    extra = found.found[ReconcileFindingKind.EXTRA]
    repairable = found.found.total() - found.without_repair.total() - extra
    if extra:
        many = f", or all at once: {repair}" if not repairable else ""
        lines.append(
            f"{plural(extra, 'extra object')} read before and deleted since, by a lifecycle rule "
            "or by somebody: where it was not meant, put it back; else note it as gone, which "
            f"changes no event{many}"
        )
    if repairable:
        also = f", which also notes {plural(extra, 'object')} as gone" if extra else ""
        lines.append(f"to repair {'the others' if lines else 'all of it'}: {repair}{also}")
    return lines


def _show_finding(each: ReconcileFinding, commands: RepairCommands) -> None:
    """Print a finding on a terminal, folded at its width. The name of the object is printed once,
    in the repair command if there is one, and never broken, so that it can be copied."""
    lines = commands.of(each)
    kind = Text().append(f"{each.kind.value:<11}", style="red")
    name = shlex.quote(each.object)
    named = next((line for line in lines if name in line), None)
    if named is None:
        out.print(kind + safe(each.object))
        kind = Text(" " * 11)
    say_folded(kind + safe(each.detail), 11)
    for line in lines:
        begin, at, rest = line.partition(name) if line is named else (line, "", "")
        what = f"  {_label(each)}: "
        out.print(Text(what, style="cyan") + safe(begin.rstrip() + (" \\" if at else "")))
        if at:
            out.print(safe(f"    {at}{rest}"))


def _label(each: ReconcileFinding) -> str:
    """What the commands of a finding are for: to note that a file is gone repairs nothing."""
    return "if it was meant to go" if each.kind is ReconcileFindingKind.EXTRA else "repair"


def _sentences(found: Summary, letters: str) -> list[str]:
    """Print the numbers of findings, for people."""
    first = f"{plural(found.objects, 'object')} listed, {found.whole:,} whole"
    first += "".join(
        f", {found.found[kind]:,} {kind.value}"
        for kind in ReconcileFindingKind
        if found.found[kind]
    )
    first += f"; the content of {found.read:,} was compared with the index"
    lines = [first]
    if found.events:
        lines.append(
            f"{plural(found.events, 'event')} of partial and lost objects in no index"
            + (f", {found.dead_letters:,} of them dead letters" if found.dead_letters else "")
        )
    if found.ignored_kinds:
        number = plural(found.ignored_kinds.total(), "object")
        lines.append(f"{number} skipped: no events ({kinds_text(found.ignored_kinds)})")
    if found.in_progress:
        lines.append(f"{plural(found.in_progress, 'object')} being read by another worker now")
    if found.past_retention:
        lines.append(
            f"{plural(found.past_retention, 'object')} delivered before the first day that the "
            "retention keeps: not compared"
        )
    if found.same_content:
        lines.append(
            f"{plural(found.same_content, 'object')} of another etag (of files: size and time), "
            "and of the content that was read"
        )
    if found.dismissed:
        lines.append(
            f"{plural(found.dismissed, 'event')} in no index whose dead letters were dismissed: "
            f"see `{letters} --dismissed`"
        )
    if found.unusable:
        lines.append(
            f"{plural(found.unusable, 'record')} of whole objects in the dead letters, of which no "
            f"event can be made: see `{letters}`"
        )
    if found.gone:
        lines.append(
            f"{plural(found.gone, 'object')} noted as gone before"
            + (
                f"; {plural(found.gone_events, 'event')} of {found.gone_lost:,} of them in no index"
                if found.gone_lost
                else ""
            )
        )
    return lines


def _show_repaired(done: Repaired, form: Form, commands: RepairCommands) -> None:
    counts = done.backfills.counts
    note(
        f"repaired: {plural(done.backfills.objects, 'object')} read, "
        f"{plural(counts.read, 'record')} = "
        f"{counts.indexed:,} indexed + {plural(counts.duplicates, 'duplicate')} + "
        f"{counts.dead_lettered:,} dead-lettered + {counts.filtered:,} filtered",
        form,
    )
    if done.retried is not None:
        retried = done.retried.counts
        note(
            f"{plural(retried.read, 'dead letter')} tried again: {retried.indexed:,} indexed, "
            f"{plural(retried.duplicates, 'duplicate')}, {retried.dead_lettered:,} "
            f"remain{'s' if retried.dead_lettered == 1 else ''}",
            form,
        )
        if done.retried.days.indices:
            note(f"opened and restored: {', '.join(done.retried.days.indices)}", form)
        warn_of_days(done.retried)
    if done.late is not None:
        note(done.late.sentence(), form)
    if done.unusable:
        note(
            f"{plural(done.unusable, 'record')} of these objects in the dead letters, of which no "
            f"event can be made: see `{commands.letters}`",
            form,
        )
    if done.noted_gone:
        note(f"{plural(done.noted_gone, 'object')} noted as gone; no event was deleted", form)
    if done.backfills.failures:
        warn(f"{plural(done.backfills.failed_objects, 'object')} not fully read:")
        for uri, reason in done.backfills.failures[:_SHOWN_FAILURES]:
            say_on_stderr("  " + (reason if uri in reason else f"{uri}: {reason}"), 4)
        if (more := done.backfills.failed_objects - _SHOWN_FAILURES) > 0:
            say_on_stderr(f"  … and {more:,} more; see `{commands.entries}`", 4)
    if done.backfills.archived_objects:
        warn(
            f"{plural(done.backfills.archived_objects, 'object')} in an archive tier of S3: "
            f"`{commands.restore}` asks for them, and reads what has come back"
        )
    if done.left_objects:
        warn(
            f"{plural(done.left_objects, 'object')} not repaired, "
            f"{plural(done.still_absent, 'event')} still in no index:"
        )
        for each in islice(done.left, _SHOWN_FAILURES):
            say_on_stderr(f"  {each.object}: {each.detail}", 4)
            for command in commands.of(each):
                err.print(Text(f"    {_label(each)}: ", style="cyan") + safe(command))
        if (more := done.left_objects - _SHOWN_FAILURES) > 0:
            say_on_stderr(f"  … and {more:,} more: `{commands.again}` has all", 4)
    if done.unrepaired:
        warn(
            f"{plural(done.unrepaired, 'finding')} without a repair: fix the reason that is named, "
            "and run again"
        )
    if done.backfills.interrupted:
        warn("interrupted: run the same command again to go on")
