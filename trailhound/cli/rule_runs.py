"""`trailhound rules backtest | test | fields`: commands that run rules over events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.history_run import dates_of, pieces_shown
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note
from trailhound.cli.options import (
    Config,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    history_span_of,
    settings_from,
)
from trailhound.cli.rule_selection import Only, Rules, selected_rules
from trailhound.cli.screen import emit, plural, say, warn, write_to
from trailhound.cli.skipped_days import warn_skipped
from trailhound.cli.stages import show_stages
from trailhound.cli.stopping import note_interruption

with late_imports():
    from detections.backtest import Backtest, Budget, RuleBacktest, backtest
    from detections.samples import samples_file
    from detections.usage import usage
    from trailhound.app.detection.known_automation import AutomationHistory
    from trailhound.app.detection.rule_tests import RuleTests, run_samples
    from trailhound.app.enrichment import enricher_from
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


def try_rules(
    since: Since = None,
    until: Until = None,
    rules: Rules = None,
    only: Only = False,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0, help="Hits allowed per rule in 1,000 events."),
    ] = None,
    high_severity_budget: Annotated[
        float | None,
        typer.Option(
            "--high-severity-budget",
            "--grave-budget",
            min=0,
            help="Hits allowed per high or critical rule in 1,000 events.",
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML for CI.")
    ] = None,
    detail: Annotated[
        bool,
        typer.Option(
            "--detail", help="Show the days of the hits, and an event with its principal, too."
        ),
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Count how often every rule would have fired over history, without grouping. Raises no alert.

    `--json` prints `{rule id: hits}` for the rules that had any; with `--detail` an object with
    `hits`, `by_day` and `example` in place of the number. Exits with 1 if a rule failed
    or fired more often than its budget allows, if there is no rule, or no event to hold a budget
    against. Ctrl-C prints what was counted so far, and names the rest.

    Example: `trailhound rules backtest --since 2025-03-01 --until 2025-03-31 --budget 1`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    pack = selected_rules(settings, rules, only=only)
    span = history_span_of(since, until)
    client = connect(settings)
    with cluster_errors(settings), show_stages("backtest", unit="events") as stage:
        history = AutomationHistory(client, settings, pack)
        history.refresh()
        allowed = Budget(budget, high_severity_budget)
        watch = pieces_shown(stage)
        done = backtest(
            client, settings, history.pack, span, budget=allowed, watch=watch, detail=detail
        )
    if junit is not None:
        write_to(junit, done.junit())
    if form is Form.JSON:
        emit(done.detailed() if detail else dict(done.hits()))
    else:
        _show_backtest(done, form, DETAIL if detail else BACKTEST)
    warn_skipped(done.skipped)
    if done.left is not None:
        rest = "--since {since} --until {until}".format_map(dates_of(done.left))
        warn(f"interrupted: only the time before was counted; the rest: {rest}")
        note_interruption()
    for each in done.tried:
        if each.outcome.error is not None:
            warn(f"{each.outcome.rule.labelled}: {each.outcome.error.message}")
    empty = not done.events and not done.skipped and done.left is None
    if empty:
        warn("there is no event in this time: nothing was tried")
    held = budget is not None or high_severity_budget is not None
    if not done.passed or not done.tried or (empty and held):
        raise typer.Exit(ExitCode.INCOMPLETE)


ID = ColumnType.ID
BACKTEST = Listing[RuleBacktest](
    "rules",
    (
        Column("hits", lambda each: each.outcome.hits, "hits", ColumnType.NUMBER),
        Column(
            "seconds", lambda each: round(each.outcome.seconds, 2), "seconds", ColumnType.NUMBER, 2
        ),
        Column("level", lambda each: each.outcome.rule.level, "level", ColumnType.LEVEL),
        Column("title", lambda each: each.outcome.rule.title, "rule", whole=True),
        Column("result", lambda each: _result(each), "result"),
        Column("id", lambda each: each.outcome.rule.id, "id", ColumnType.ID, 1),
    ),
    lambda each: {
        "id": each.outcome.rule.id,
        "title": each.outcome.rule.title,
        "level": each.outcome.rule.level,
        "hits": each.outcome.hits,
        "seconds": each.outcome.seconds,
        "result": _result(each),
    },
    empty="no rule had a hit",
)


DETAIL = Listing[RuleBacktest](
    "rules",
    (
        Column("hits", lambda each: each.outcome.hits, "hits", ColumnType.NUMBER),
        Column("level", lambda each: each.outcome.rule.level, "level", ColumnType.LEVEL),
        Column("title", lambda each: each.outcome.rule.title, "rule", whole=True),
        Column(
            "days",
            lambda each: each.details and len(each.details.by_day),
            "days",
            ColumnType.NUMBER,
        ),
        Column("most", lambda each: each.details and each.details.busiest(), "most", priority=1),
        Column("principal", lambda each: each.example and each.example.principal, "for example"),
        Column("result", lambda each: _result(each), "result"),
        Column("event", lambda each: each.example and each.example.event, "event", ID, 2),
        Column("id", lambda each: each.outcome.rule.id, "id", ID, 3),
    ),
    lambda each: (
        dict(BACKTEST.record(each))
        | {
            "by_day": dict(sorted(each.details.by_day.items())) if each.details else {},
            "example": each.example.as_dict() if each.example else None,
        }
    ),
    empty="no rule had a hit",
)


def _result(tried: RuleBacktest) -> str:
    return "failed" if tried.outcome.error else "over budget" if tried.over else ""


def _show_backtest(done: Backtest, form: Form, listing: Listing[RuleBacktest]) -> None:
    listing.show([each for each in done.tried if each.outcome.hits or not each.passed], form)
    total = sum(each.outcome.hits for each in done.tried)
    note(
        f"{plural(len(done.tried), 'rule')} over {plural(done.events, 'event')}: "
        f"{plural(total, 'hit')} of {plural(len(done.hits()), 'rule')}",
        form,
    )


def run_tests(
    rules: Rules = None,
    only: Only = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run every rule's samples on a real engine: those that must match, and those that must not.

    The samples of `x.yml` are in `x.samples.yml`; they are indexed in a temporary namespace.
    Exits with 1 if one failed, or if there is none.

    Example: `trailhound rules test --rules ./my-rules --only`
    """
    settings = settings_from(config, url, namespace)
    pack = selected_rules(settings, rules, only=only)
    with cluster_errors(settings):
        done = run_samples(settings, pack, enricher_from(settings, warn))
    failed = [each for each in done.verdicts if not each.passed]
    if json:
        emit(_tests(done))
    else:
        for rule, error in done.faulty:
            warn(f"{rule.labelled}: {error.message}")
        for each in failed:
            wanted = "should fire" if each.sample.matches else "should not fire"
            reason = each.error.message if each.error else wanted
            warn(f"{each.sample.rule.labelled}: sample {each.sample.name}: {reason}")
        for rule in done.bare:
            warn(f"{rule.labelled}: there is no {samples_file(rule.place.path).name} beside it")
        say(f"{plural(len(done.verdicts), 'sample')}, {len(failed)} failed")
        if not done.verdicts:
            warn("nothing was tested: no rule has samples that can be run")
    if not done.passed:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _tests(done: RuleTests) -> dict[str, object]:
    return {
        "samples": len(done.verdicts),
        "failed": [
            {
                "rule": each.sample.rule.id,
                "title": each.sample.rule.title,
                "place": str(each.sample.rule.place),
                "sample": each.sample.name,
                "fired": each.fired,
                "error": each.error.message if each.error else None,
            }
            for each in done.verdicts
            if not each.passed
        ],
        "without_samples": [rule.id for rule in done.bare],
        "faulty": [{"rule": rule.id, "reason": error.message} for rule, error in done.faulty],
    }


@dataclass(frozen=True, slots=True)
class UsedField:
    """A field that rules use and no event has, and the titles of the rules."""

    path: str
    state: str
    rules: tuple[str, ...]


FIELDS = Listing[UsedField](
    "fields",
    (
        Column("field", lambda each: each.path, "field", whole=True),
        Column("state", lambda each: each.state, "", ColumnType.ENTIRE),
        Column("rules", lambda each: each.rules, "rules that use it"),
    ),
    lambda each: {"field": each.path, "state": each.state, "rules": list(each.rules)},
    empty="every field of the rules is in some event",
)


def fields(
    rules: Rules = None,
    only: Only = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show fields of rules that no event has, and fields of events that no rule uses.

    Example: `trailhound rules fields`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    pack = selected_rules(settings, rules, only=only)
    found = usage(connect(settings), settings, pack)
    if form is Form.JSON:
        emit(
            {
                "unsearched": found.unsearched,
                "unseen": found.unseen,
                "unasked": list(found.unasked),
            }
        )
        return
    rows = [
        UsedField(path, state, tuple(who))
        for state, several in (
            ("is not in the index", found.unsearched),
            ("is in no event", found.unseen),
        )
        for path, who in several.items()
    ]
    FIELDS.show(rows, form)
    note(f"in events, and in no rule: {', '.join(found.unasked) or 'nothing'}", form)
