"""`trailhound detect --files`."""

from __future__ import annotations

from collections.abc import Sequence

from trailhound.cli.alerts import LISTING
from trailhound.cli.enrich import show_reading, unread
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, note
from trailhound.cli.screen import plural, warn
from trailhound.cli.stages import show_stages

with late_imports():
    from detections.automation.trusting import asks
    from detections.packs.describe import problem_lines
    from detections.packs.pack import Pack
    from detections.rule import LEVELS, Level
    from detections.running.file_rules import NotRun
    from detections.span import Span
    from ingest.objects import Selection, Source
    from ingest.sources import open_source
    from trailhound.app.detection.file_detection import FileDetection, RuleResult
    from trailhound.app.enrichment import enricher_from
    from trailhound.settings import Settings


NOT_TRUSTED = "files hold no history"
"""Why only calls that the settings list are known automation."""


def detect_files(
    settings: Settings, pack: Pack, files: list[str], span: Span, form: Form
) -> tuple[bool, set[Level]]:
    """Run the rules over files, and show the alerts that they would raise.

    Returns whether everything was read and run, and the levels of the rules that found something.
    """
    opened = [open_source(text, settings) for text in files]
    enricher = enricher_from(settings, warn)
    with FileDetection(settings, enricher, pack, span) as job:
        results = _run(job, opened)
        problems = unread(job.reading, settings, files, job.folders)
        beside = {
            "events": job.events,
            "read": job.reading.as_dict(),
            "conflicts": job.conflicts,
            "rules": [each.as_dict() for each in results if each.findings or each.errors],
            "not_run": [_left_out(each) for each in job.not_run],
            "not_trusted": {"rules": _asking(pack), "reason": NOT_TRUSTED},
            "faults": [str(fault) for fault in pack.problems],
            "problems": problems,
        }
        rows = job.folded() if form is Form.TABLE else job.alerts()
        LISTING.show(rows, form, beside=beside)
        if form is not Form.JSON:
            _explain(job, pack, results, settings, form)
        failed = any(each.errors for each in results)
        left_out = any(fault.stops for fault in pack.problems)
        complete = job.reading.complete and not (problems or failed or left_out)
        return complete, {each.rule.level for each in results if each.findings}


def _run(job: FileDetection, opened: Sequence[Source]) -> list[RuleResult]:
    results = []
    with show_stages("detect") as stage:
        job.read(opened, lambda objects, events: stage(f"read {events:,} events", objects, 0))
        for result in job.run():
            results.append(result)
            stage("running rules", len(results), job.rules)
    return sorted(results, key=lambda each: (-LEVELS.index(each.rule.level), each.rule.title))


def _explain(
    job: FileDetection, pack: Pack, results: Sequence[RuleResult], settings: Settings, form: Form
) -> None:
    """Print what was read, which rules ran and which did not."""
    show_reading(job.reading, "distinct")
    if days := _days(job.folders):
        note(f"of folders that are named by day, those {days} were read", form)
    if job.conflicts:
        warn(f"{plural(job.conflicts, 'record')} had the eventID of a different record; both count")
    for problem in problem_lines(pack):
        warn(problem)
    for each in results:
        for reason in each.errors:
            warn(f"{each.rule.labelled}: {reason}")
    by_reason: dict[str, list[str]] = {}
    for each_not in job.not_run:
        by_reason.setdefault(each_not.reason, []).append(each_not.rule.title)
    for reason, titles in by_reason.items():
        note(f"not run, {reason}: {'; '.join(sorted(titles))}", form)
    if asking := _asking(pack):
        listed = len(settings.detections.known_automation.trusted)
        but = f" but what the settings list ({listed:,})" if listed else ""
        rules = plural(asking, "rule")
        note(f"not trusted: {NOT_TRUSTED}, so {rules} took nothing for known automation{but}", form)
    if form is Form.TABLE and job.has_twins:
        note("alerts of the same events are in one row", form)
    silent = sum(not each.findings for each in results)
    alerts = sum(each.alerts for each in results)
    note(
        f"{plural(job.events, 'event')} searched; {plural(alerts, 'alert')}; "
        f"{plural(silent, 'rule')} found nothing, {len(job.not_run):,} not run; "
        "nothing was written (--files)",
        form,
    )


def _days(folders: Selection) -> str:
    """The days of the folders that were read; empty for all."""
    since, until = folders.since, folders.last_folder
    return " ".join([*([f"from {since}"] if since else []), *([f"to {until}"] if until else [])])


def _asking(pack: Pack) -> int:
    """The number of rules, or parts of rules, that leave out known automation."""
    return sum(map(asks, pack.compiled.values()))


def _left_out(left: NotRun) -> dict[str, str]:
    rule = left.rule
    return {"id": rule.id, "title": rule.title, "kind": rule.kind, "reason": left.reason}
