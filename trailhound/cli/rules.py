"""`trailhound rules list | show | check | explain`."""

from __future__ import annotations

import json as jsonlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from detections.rule import Level
from trailhound.cli import completion, rule_exception, rule_exports, rule_noise, rule_runs
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, settings_from
from trailhound.cli.rule_selection import Rules
from trailhound.cli.screen import emit, plural, say, say_field, say_labelled, warn, write
from trailhound.errors import SettingsError

with late_imports():
    from detections.packs.describe import (
        consequence,
        counted,
        explained,
        line,
        listed,
        listed_exceptions,
        problem_lines,
        shown,
    )
    from detections.packs.documents import RuleFault
    from detections.packs.lacking import absent_data, sentence
    from detections.packs.loading import load
    from detections.packs.pack import Pack
    from detections.rule import FilePosition, Rule
    from detections.usage import kept_apart
    from trailhound.app.settings_check import check_filter
    from trailhound.settings.loading import settings_file
    from trailhound.settings.provenance import Origins


app = typer.Typer(
    no_args_is_help=True,
    help="Detection rules: list, check, explain, test and backtest.",
)
app.command("backtest")(rule_runs.try_rules)
app.command("test")(rule_runs.run_tests)
app.command()(rule_runs.fields)
app.command()(rule_exports.coverage)
app.command()(rule_exports.export)
app.command("except")(rule_exception.write_exception)
app.command("noise")(rule_noise.show)
LISTING = Listing[dict[str, Any]](
    "rules",
    (
        Column("level", lambda each: each["level"], "level", ColumnType.LEVEL),
        Column("kind", lambda each: each["kind"], "kind", priority=2),
        Column("title", lambda each: each["title"], "title", whole=True),
        Column("state", lambda each: each["state"], "state", priority=1),
        Column("tactics", lambda each: each["tactics"], "tactics", priority=3),
        Column("techniques", lambda each: each["techniques"], "techniques", priority=4),
        Column("place", lambda each: each["place"], "file", priority=5),
        Column("id", lambda each: each["id"], "id", ColumnType.ID),
    ),
    dict,
    empty="no rules",
)
RuleName = Annotated[
    str,
    typer.Argument(
        metavar="RULE",
        help="The rule's id or title, or the beginning of either; or its `name`.",
        autocompletion=completion.rule_titles,
    ),
]


@app.command("list")
def list_rules(
    rules: Rules = None,
    level: Annotated[
        Level | None, typer.Option("--level", help="Only those of this level.")
    ] = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """List the active rules, the most severe first, the exceptions, and any faults in them.

    Example: `trailhound rules list --level critical`
    """
    form = form_of(output, json)
    settings = settings_from(config)
    pack = load(settings.detections, rules or [])
    absent = absent_data(settings.enrich)
    rows = [each for each in listed(pack, absent) if level in (None, each["level"])]
    exceptions = listed_exceptions(pack)
    LISTING.show(
        rows,
        form,
        beside={"exceptions": exceptions, "faults": [_fault(each) for each in pack.faults]},
    )
    if form is Form.JSON:
        return
    for exception in exceptions if level is None else ():
        note(_exception(exception), form)
    for each in problem_lines(pack):
        warn(each)
    if lack := sentence(pack, absent):
        note(lack, form)
    note(counted(pack) if level is None else f"{len(rows):,} of {counted(pack)}", form)


@app.command()
def show(rule: RuleName, rules: Rules = None, config: Config = None, json: Json = False) -> None:
    """Show one rule: what it is for, where it is defined, what it counts, over which time and from
    which number on (overrides included), what to do when it fires; the correlations that refer to
    it, and the rules that a correlation refers to.

    Example: `trailhound rules show RootAccountUsage`
    """
    settings = settings_from(config)
    pack = load(settings.detections, rules or [])
    fields = shown(pack, pack.rule(rule), absent_data(settings.enrich))
    if json:
        emit(fields)
        return
    for name, value in fields.items():
        if name == "options":
            value = [f"{option}: {_text(given)}" for option, given in value.items()]
        for each in value if isinstance(value, list) else [value]:
            text = _named(each) if isinstance(each, dict) else each
            if text not in ("", None):
                say_field(name, " ".join(str(text).split()), 16)


def _text(value: Any) -> str:
    """The value of an option; a condition as `gte 5`."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@app.command()
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH…", help="Files and folders. Default: the active rules."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for a warning too.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Check rules without running them: every fault with its file, line and reason.

    Exceptions, overrides and placeholders of the settings that match no rule are named too,
    faults in `filter:`, and fields that `index.unsearched` hides from a rule.
    Exits with 1 if there is any fault, or no rule at all. Warnings (a repeated id, a rule named by
    its title or by a name that several have) count as faults only with `--strict`.

    Example: `trailhound rules check ./my-rules`
    """
    settings = settings_from(config)
    pack = _with_places(load(settings.detections, paths or []), config)
    lost = kept_apart(pack, settings.index.unsearched)
    checked = [rule for rule in (*pack.rules, *pack.disabled) if _among(rule.place.path, paths)]
    # Rules in a folder that the settings name too would be there twice.
    exceptions = {
        each.place for each in pack.exceptions if paths and _among(each.place.path, paths)
    }
    sound = len(checked) - len(_with_problems(checked, pack))
    filter_faults = _filter_faults(config)
    if json:
        faults = [_fault(each) for each in pack.faults]
        emit(
            {
                "rules": len(checked),
                "sound": sound,
                "exceptions": len(exceptions),
                "faults": faults,
                "filter": filter_faults,
                "unsearched": lost,
            }
        )
    else:
        for fault in pack.faults:
            _show_fault(fault)
        for each in (*filter_faults, *lost):
            say_labelled("fault", each, "red")
        warnings = sum(each.what == "warning" for each in pack.problems)
        faults_found = len(pack.problems) - warnings + len(filter_faults) + len(lost)
        narrowed = f"{plural(len(exceptions), 'exception')}, " if exceptions else ""
        warned = f", {plural(warnings, 'warning')}" if warnings else ""
        say(f"{plural(sound, 'valid rule')}, {narrowed}{plural(faults_found, 'fault')}{warned}")
    nothing = not checked and not exceptions
    wrong = pack.problems if strict else pack.incomplete
    if wrong or filter_faults or lost or nothing:
        faulty = any(
            each.place.path.is_file() and _among(each.place.path, paths) for each in pack.problems
        )
        if nothing and not faulty and not json:
            where = ", ".join(map(str, paths or ())) or "the settings' paths"
            warn(f"no rule to check in {where}")
        raise typer.Exit(ExitCode.INCOMPLETE)


@app.command()
def explain(rule: RuleName, rules: Rules = None, config: Config = None) -> None:
    """Show the query that a rule compiles to, as JSON, and what the query can't express.

    Example: `trailhound rules explain "Root account" | jq .query`
    """
    pack = load(settings_from(config).detections, rules or [])
    query, notes = explained(pack, pack.rule(rule))
    for each in notes:
        warn(each)
    write(jsonlib.dumps(query, indent=2, ensure_ascii=False) + "\n")


def _with_places(pack: Pack, config: Path | None) -> Pack:
    """The pack with its faults of settings placed at the file's line or the variable."""
    if not any(each.setting for each in pack.faults):
        return pack
    origins = Origins(settings_file(config), {})
    placed = []
    for fault in pack.faults:
        place = fault.place
        if fault.setting and (origin := origins.of(fault.setting)):
            path, _, line = origin.rpartition(":")
            place = FilePosition(Path(path), int(line)) if path else FilePosition(Path(origin), 0)
        placed.append(replace(fault, place=place))
    return replace(pack, faults=tuple(placed))


def _show_fault(fault: RuleFault) -> None:
    """A line that begins with what it is, and ends with what comes of it."""
    text, ends = line(fault), consequence(fault)
    label = fault.what if fault.what in ("warning", "note") else "fault"
    style = {"warning": "yellow", "note": "cyan"}.get(label, "red")
    say_labelled(label, f"{text}: {ends}" if ends else text, style)


def _named(rule: dict[str, str]) -> str:
    """Another rule, and its state unless it is on."""
    state = f", {rule['state']}" if rule["state"] != "on" else ""
    return f"{rule['title']} ({rule['id']}{state})"


def _exception(exception: dict[str, Any]) -> str:
    by = "shipped, " if exception["default"] else ""
    what = ", ".join(exception["rules"]) or "no rule"
    name = f"{exception['title']} ({by}{exception['id'] or exception['place']})"
    last = exception["expires"]
    end = f" {'with' if exception['state'] == 'ended' else 'until'} {last}" if last else ""
    return f"exception {exception['state']}{end}: {name}: {what}"


def _filter_faults(config: Path | None) -> list[str]:
    """Faults of `filter`, each with its file and line."""
    try:
        settings_from(config, check=check_filter)
    except SettingsError as error:
        return [each.strip() for each in error.message.splitlines()[1:]]
    return []


def _among(file: Path, paths: list[Path] | None) -> bool:
    """Whether a file is one of `paths` or below one of them; always true without paths."""
    resolved = file.resolve()
    return not paths or any(resolved.is_relative_to(path.expanduser().resolve()) for path in paths)


def _with_problems(rules: list[Rule], pack: Pack) -> set[str]:
    """The ids of the rules that have a fault in their document."""
    found: set[str] = set()
    for problem in (each for each in pack.problems if each.what != "warning"):
        above = [
            rule
            for rule in rules
            if rule.place.path == problem.place.path and rule.place.line <= problem.place.line
        ]
        if above:
            nearest = max(above, key=lambda rule: rule.place.line)
            if problem.rule_id in ("", nearest.id):
                found.add(nearest.id)
    return found


def _fault(fault: RuleFault) -> dict[str, Any]:
    return {
        "file": str(fault.place.path),
        "line": fault.place.line,
        "reason": fault.reason,
        "hint": fault.hint,
        "rule": fault.rule_id,
        "stops": fault.stops,
        "what": fault.what,
    }
