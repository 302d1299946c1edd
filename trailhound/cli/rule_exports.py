"""`trailhound rules coverage | export`: the rules in the forms of other programs."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, Namespace, settings_from
from trailhound.cli.rule_selection import Only, Rules, selected_rules
from trailhound.cli.screen import plural, say, warn, write_to
from trailhound.errors import ClusterError, UsageError

with late_imports():
    from detections import coverage as attack
    from detections.monitors import exported
    from trailhound.cluster.client import ANSWER_SECONDS, connect
    from trailhound.cluster.dialect import dialect_of
    from trailhound.cluster.templates import Names
    from trailhound.settings import Settings


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
    pack = selected_rules(settings_from(config), rules, only=only)
    write_to(output, _pretty(attack.layer(pack.alerting)))
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
    made = exported(selected_rules(settings, rules, only=only), Names(settings.prefix).days)
    if output is not None and output.suffix != ".json":
        for key, each in made.monitors.items():
            write_to(output / f"{key}.json", _pretty(each))
    else:
        write_to(output, _pretty(list(made.monitors.values())))
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
