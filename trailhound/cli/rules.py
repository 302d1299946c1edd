"""`trailhound rules`: what the rules are, whether they are sound, and what they become."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from detections.packs.describe import explained, listed, shown
from detections.packs.pack import Pack, load, load_paths
from detections.rule import LEVELS
from trailhound.cli import rule_runs
from trailhound.cli.options import Config, Json, settings_from
from trailhound.cli.rule_runs import Rules
from trailhound.cli.screen import emit, out, plural, safe, say, table, warn, write
from trailhound.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Detection rules: list, check, explain, test and try them over history.",
)
app.command("backtest")(rule_runs.try_rules)
app.command("test")(rule_runs.run_tests)
app.command()(rule_runs.fields)
app.command()(rule_runs.coverage)
app.command()(rule_runs.export)
RuleName = Annotated[str, typer.Argument(metavar="RULE", help="An id or title, or its beginning.")]


@app.command("list")
def list_rules(
    rules: Rules = None,
    level: Annotated[
        str | None, typer.Option("--level", help=f"Only these: {', '.join(LEVELS)}.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Every rule in force, the gravest first, and what is wrong with any.

    Example: `trailhound rules list --level critical`
    """
    pack = load(settings_from(config).detections, rules or [])
    rows = [each for each in listed(pack) if level in (None, each["level"])]
    if json:
        emit({"rules": rows, "faults": [_fault(each) for each in pack.faults]})
        return
    columns = ("level", "kind", "title", "id", "state")
    out.print(table(columns, [[row[name] for name in columns] for row in rows]))
    _tell_faults(pack)
    say(f"{plural(len(pack.rules), 'rule')}, {len(pack.disabled)} disabled")


@app.command()
def show(rule: RuleName, rules: Rules = None, config: Config = None, json: Json = False) -> None:
    """One rule: what it is for, where it stands, what to do when it fires.

    Example: `trailhound rules show RootAccountUsage`
    """
    pack = load(settings_from(config).detections, rules or [])
    told = shown(pack, pack.rule(rule))
    if json:
        emit(told)
        return
    for name, value in told.items():
        for text in value if isinstance(value, list) else [value]:
            if text not in ("", None):
                out.print(Text(f"{name:<15}", style="dim"), safe(" ".join(str(text).split())))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files and folders.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Read rules without running them: every fault with its file, line and reason.

    Exits with 1 where a rule would not run.

    Example: `trailhound rules check ./my-rules`
    """
    pack = load_paths(paths, _only_these(settings_from(config)))
    broken = [each for each in pack.faults if each.stops]
    if json:
        emit({"rules": len(pack.rules), "faults": [_fault(each) for each in pack.faults]})
    else:
        _tell_faults(pack)
        say(f"{plural(len(pack.rules), 'rule')} sound, {plural(len(broken), 'fault')}")
    if broken:
        raise typer.Exit(1)


@app.command()
def explain(rule: RuleName, rules: Rules = None, config: Config = None) -> None:
    """The query that a rule becomes, as JSON; what the query can't say is told beside it.

    Example: `trailhound rules explain "Root account" | jq .query`
    """
    pack = load(settings_from(config).detections, rules or [])
    told, notes = explained(pack, pack.rule(rule))
    for note in notes:
        warn(note)
    write(jsonlib.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _only_these(settings: Settings) -> Any:
    """The settings for rules that are looked at alone: overrides of others are no fault."""
    return settings.detections.model_copy(update={"overrides": {}, "exceptions": []})


def _fault(fault: Any) -> dict[str, Any]:
    return {
        "file": str(fault.place.path),
        "line": fault.place.line,
        "reason": fault.reason,
        "hint": fault.hint,
        "rule": fault.rule_id,
        "stops": fault.stops,
    }


def _tell_faults(pack: Pack) -> None:
    for fault in pack.faults:
        warn(f"{fault}" + (f" ({fault.hint})" if fault.hint else ""))
