"""`trailhound rules backtest | test | fields | coverage | export`: commands that run rules."""

from __future__ import annotations

import json as jsonlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
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
from trailhound.cli.screen import emit, plural, say, warn, write
from trailhound.cli.skipped_days import warn_skipped
from trailhound.errors import ClusterError, UsageError

with late_imports():
    from detections import coverage as attack
    from detections.backtest import Backtest, Budget, RuleBacktest, backtest
    from detections.monitors import exported
    from detections.packs.describe import problem_lines
    from detections.packs.documents import RuleFault
    from detections.packs.loading import load
    from detections.packs.pack import Pack
    from detections.samples import samples_file
    from detections.usage import usage
    from trailhound.app.detection.known_automation import AutomationHistory
    from trailhound.app.detection.rule_tests import RuleTests, run_samples
    from trailhound.app.enrichment import enricher_from
    from trailhound.cluster.client import ANSWER_SECONDS, connect
    from trailhound.cluster.dialect import dialect_of
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.cluster.templates import Names
    from trailhound.settings import Settings


Rules = Annotated[
    list[Path] | None,
    typer.Option("--rules", metavar="PATH", help="More rules: a file or folder. May be repeated."),
]
Only = Annotated[
    bool, typer.Option("--only", help="Only the rules of --rules, without the shipped ones.")
]


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
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Count how often every rule would have fired over history, without grouping. Raises no alert.

    `--json` prints `{rule id: hits}` for the rules that had any. Exits with 1 if a rule failed
    or fired more often than its budget allows, if there is no rule, or no event to hold a budget
    against.

    Example: `trailhound rules backtest --since 2025-03-01 --until 2025-03-31 --budget 1`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    pack = _pack(settings, rules, only=only)
    span = history_span_of(since, until)
    client = connect(settings)
    with cluster_errors(settings):
        history = AutomationHistory(client, settings, pack)
        history.refresh()
        allowed = Budget(budget, high_severity_budget)
        done = backtest(client, settings, history.pack, span, budget=allowed)
    if junit is not None:
        _write(junit, done.junit())
    if form is Form.JSON:
        emit(dict(done.hits()))
    else:
        _show_backtest(done, form)
    warn_skipped(done.skipped)
    for each in done.tried:
        if each.outcome.error is not None:
            warn(f"{each.outcome.rule.labelled}: {each.outcome.error.message}")
    empty = not done.events and not done.skipped
    if empty:
        warn("there is no event in this time: nothing was tried")
    held = budget is not None or high_severity_budget is not None
    if not done.passed or not done.tried or (empty and held):
        raise typer.Exit(ExitCode.INCOMPLETE)


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


def _result(tried: RuleBacktest) -> str:
    return "failed" if tried.outcome.error else "over budget" if tried.over else ""


def _show_backtest(done: Backtest, form: Form) -> None:
    BACKTEST.show([each for each in done.tried if each.outcome.hits or not each.passed], form)
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
    pack = _pack(settings, rules, only=only)
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
    pack = _pack(settings, rules, only=only)
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


def coverage(
    techniques: Annotated[
        Path | None,
        typer.Option(
            "--techniques", metavar="FILE", help="File with a list of technique ids to cover."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="File to write. Default: stdout."),
    ] = None,
    rules: Rules = None,
    only: Only = False,
    config: Config = None,
) -> None:
    """Write the ATT&CK techniques of the rules as a layer for ATT&CK Navigator.

    With `--techniques`, techniques without a rule are listed on stderr, and the exit code is 1 if
    there are any.

    Example: `trailhound rules coverage --output layer.json --techniques ours.txt`
    """
    wanted = attack.wanted(techniques) if techniques is not None else []
    pack = _pack(settings_from(config), rules, only=only)
    text = _pretty(attack.layer(pack.alerting))
    if output is not None:
        _write(output, text)
    else:
        write(text)
    missing = attack.gaps(pack.alerting, wanted)
    for technique in missing:
        warn(f"no rule for {technique}")
    if missing:
        raise typer.Exit(ExitCode.INCOMPLETE)


def export(
    monitors: Annotated[
        bool, typer.Option("--monitors", help="As monitors of OpenSearch's Alerting plugin.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE",
            help="A folder: one file per rule. A .json file: all in one. Default: stdout.",
        ),
    ] = None,
    rules: Rules = None,
    only: Only = False,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Write the plain rules for another system: one monitor for each, as JSON.

    Rules that no monitor can express, and monitors that find more than their rule, are named on
    stderr. A monitor has no actions, and doesn't find late events.

    Example: `trailhound rules export --monitors -o monitors/`
    """
    if not monitors:
        raise UsageError("no export format was given", hint="use --monitors")
    settings = settings_from(config, None, namespace)
    _require_alerting(settings)
    made = exported(_pack(settings, rules, only=only), Names(settings.prefix).days)
    if output is not None and output.suffix != ".json":
        for key, each in made.monitors.items():
            _write(output / f"{key}.json", _pretty(each))
    elif output is not None:
        _write(output, _pretty(list(made.monitors.values())))
    else:
        write(_pretty(list(made.monitors.values())))
    for title in made.wider:
        warn(
            f"{title}: its monitor finds more than the rule: a monitor cannot check each hit again"
        )
    for title in made.left_out:
        warn(f"{title}: left out: a monitor cannot express it")
    if output is not None:
        say(f"{plural(len(made.monitors), 'monitor')} in {output}")


def _require_alerting(settings: Settings) -> None:
    """Raises `UsageError` if the cluster of the settings is known not to support monitors.

    A cluster that does not answer is ignored: the export does not need it.
    """
    if not settings.cluster.hosts:
        return
    try:
        dialect = dialect_of(connect(settings, timeout=ANSWER_SECONDS))
    except ClusterError:
        return
    if not dialect.monitors:
        raise UsageError(
            f"monitors need OpenSearch's Alerting plugin, and {settings.hosts[0]} is "
            f"{dialect.name}",
            hint="`trailhound detect` and `trailhound run` run the rules there",
        )


def _pretty(value: object) -> str:
    return jsonlib.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _pack(settings: Settings, rules: list[Path] | None, *, only: bool) -> Pack:
    """The active rules. Faults are printed as warnings, and the other rules are used."""
    wanted = settings.detections
    if only:
        if not rules:
            raise UsageError(
                "--only needs --rules: without it there is no rule", hint="give --rules PATH"
            )
        wanted = wanted.model_copy(update={"shipped": False, "rules": []})
    pack = load(wanted, rules or [])
    if only and pack.faults:
        pack = replace(pack, faults=_faults_also_with_all(pack, settings, rules or []))
    for each in problem_lines(pack):
        warn(each)
    return pack


def _faults_also_with_all(
    pack: Pack, settings: Settings, rules: list[Path]
) -> tuple[RuleFault, ...]:
    """The faults of a pack of some rules that are none of the rules left out by `--only`:
    exceptions, overrides and placeholders may be for those."""
    known = {(each.place, each.reason) for each in load(settings.detections, rules).faults}
    given = [path.expanduser().resolve() for path in rules]
    return tuple(
        each
        for each in pack.faults
        if (each.place, each.reason) in known
        or any(each.place.path.resolve().is_relative_to(path) for path in given)
    )


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}", hint="check the path") from None
