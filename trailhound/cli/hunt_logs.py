"""`trailhound hunt --log-group`: the threat report from log groups, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from trailhound.cli.aws_logs_query import clients_of, confirm_cost, groups_of, name_faults, run
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, settings_from
from trailhound.cli.screen import warn
from trailhound.cli.stages import show_stages

with late_imports():
    from detections.investigation.lead import Lead
    from detections.span import Span
    from trailhound.app.detection.file_hunt import FileHunt
    from trailhound.app.detection.log_records import LogRecords, sentences_of
    from trailhound.app.enrichment import enricher_from
    from trailhound.aws.insights_query import AT_ONCE, SECONDS, parsed
    from trailhound.aws.log_groups import dollars
    from trailhound.aws.logs_insights import Result

if TYPE_CHECKING:
    from ingest.offline import OfflineReport

_QUERY: Final = "fields @timestamp, @message"


@dataclass(frozen=True)
class Hunted:
    """What a hunt found in a span. `beside`: further members of the JSON object; `complete`:
    whether everything that was asked for was read; `empty`: whether there was no event. `known`:
    the first and the last event's time of all that could have been searched, if that is known."""

    leads: list[Lead]
    span: Span
    beside: dict[str, Any]
    warnings: Sequence[str] = ()
    complete: bool = True
    empty: bool = False
    known: tuple[datetime, datetime] | None = None
    disabled: Sequence[str] = ()
    """Titles of the rules that were not looked for, since they are switched off."""


def hunt_log_groups(
    config: Config,
    names: Sequence[str],
    regions: Sequence[str] | None,
    span: Span,
    price: float,
    *,
    yes: bool,
) -> Hunted:
    """The threats of a span in these log groups. Warns of log events that could not be used. Raises
    `UsageError`, `AwsError`, `SettingsError`, `typer.Abort`."""
    settings = settings_from(config)
    clients = clients_of(config, regions)
    groups = groups_of(clients, names)
    ends = span.since, span.until
    estimate = confirm_cost(groups, ends, datetime.now(UTC), price, yes=yes)
    answered = run(clients, groups, parsed(_QUERY), ends, at_once=AT_ONCE, seconds=SECONDS)
    records = LogRecords()
    for row in answered.rows:
        records.add(row.region, row.group, [row.fields])
    with (
        show_stages("hunt", unit="events") as stage,
        FileHunt(settings, enricher_from(settings, warn), span) as job,
    ):
        job.read([records], lambda events: stage("reading events", events, records.records))
        stage("looking for threats", 0, 0)
        leads = job.leads()
        reading, not_run, disabled = job.reading, list(job.not_run), job.disabled
    name_faults(answered.failed, answered.cut)
    warnings = list(_warnings(records, reading, not_run))
    if not records.records:
        warnings.append(
            f"there is no CloudTrail record in {', '.join(each.name for each in groups)}"
        )
    wrong = answered.failed or answered.cut or records.left_out or not_run
    return Hunted(
        leads,
        span,
        {"unread_sequences": 0, "skipped_days": [], "not_searched": []}
        | {"logs": _beside(answered, records, reading, not_run, price) | {"estimate": estimate}},
        warnings,
        complete=reading.complete and not wrong,
        empty=not records.records,
        disabled=disabled,
    )


def _beside(
    answered: Result,
    records: LogRecords,
    reading: OfflineReport,
    not_run: Sequence[str],
    price: float,
) -> dict[str, Any]:
    return {
        "events": reading.counts.indexed,
        "duplicates": reading.counts.duplicates,
        "unreadable": reading.counts.dead_lettered,
        "left_out": dict(sorted(records.left_out.items())),
        "left_out_events": [each.as_dict() for each in records.named],
        "not_run": list(not_run),
        "queries": answered.queries,
        "scanned_bytes": int(answered.scanned),
        "dollars": round(dollars(answered.scanned, price), 4),
        "failed": [each.as_dict() for each in answered.failed],
        "cut": [each.as_dict() for each in answered.cut],
    }


def _warnings(records: LogRecords, reading: OfflineReport, not_run: Sequence[str]) -> Iterator[str]:
    yield from sentences_of(records)
    for each in reading.unreadable:
        yield f"{each.uri}: {each.records:,} not readable ({each.code}): {each.reason}"
    for text in not_run:
        yield f"not looked for: {text}"
