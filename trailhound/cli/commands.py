"""Which commands there are, and the module of each, which is imported when its command is named.

Importing all of them takes a second, most of it for commands that are not run. What a command
works with is imported only when it runs (`trailhound.cli.late_imports`).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from trailhound.cli.late_imports import import_now

_ENGINE, _INGEST, _MAINTENANCE = "Local engine", "Ingest", "Maintenance"
_DETECTIONS, _REPORTING = "Detections", "Reporting"

COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": (
        _ENGINE,
        "engine:up",
        "Start the local OpenSearch and wait until it is ready.",
    ),
    "down": (
        _ENGINE,
        "engine:down",
        "Stop the local OpenSearch. Its data stays.",
    ),
    "status": (
        _ENGINE,
        "status:status",
        "Show the state of the cluster, its events, and the daemons, rules and channels.",
    ),
    "init": (
        _INGEST,
        "setup:init",
        "Create index templates, the ledger, dead-letter and alert indices; upgrade them in place.",
    ),
    "backfill": (
        _INGEST,
        "backfill:backfill",
        "Read CloudTrail files, enrich every event, index it by day.",
    ),
    "enrich": (
        _INGEST,
        "enrich:enrich",
        "Write the enriched events of CloudTrail files to stdout, without a cluster.",
    ),
    "run": (
        _INGEST,
        "run:run",
        (
            "Ingest new trail files continuously from a queue, a bucket or a folder, "
            "and run the rules."
        ),
    ),
    "sample": (
        _INGEST,
        "sample:sample",
        "Write a realistic, labelled CloudTrail trail as `AWSLogs/….json.gz` files.",
    ),
    "demo": (
        _INGEST,
        "demo:demo",
        "Start the local engine, backfill a sample trail, run the rules over it, write a report.",
    ),
    "detect": (
        _DETECTIONS,
        "detect:detect",
        "Run the rules over history, by the time events happened, and raise alerts.",
    ),
    "rules": (
        _DETECTIONS,
        "rules:app",
        "Detection rules: list, check, explain, test and backtest.",
    ),
    "automation": (
        _DETECTIONS,
        "automation:app",
        "Known automation: calls of roles that rules leave out, learned or set by hand.",
    ),
    "alerts": (
        _DETECTIONS,
        "alerts:app",
        "Alerts: list, read, acknowledge, assign, close.",
    ),
    "incidents": (
        _DETECTIONS,
        "incidents:app",
        "Incidents: list, read, acknowledge, assign, close.",
    ),
    "notify": (
        _DETECTIONS,
        "notify:app",
        "Channels that alerts are sent to.",
    ),
    "events": (
        _REPORTING,
        "events:events",
        "Search the events of the index, the newest first.",
    ),
    "event": (
        _REPORTING,
        "event:event",
        "Show one event: its record, and separately the fields that Trailhound added.",
    ),
    "timeline": (
        _REPORTING,
        "timeline:timeline",
        "Show everything that a principal, key or resource did or had done to it, in order.",
    ),
    "whois": (
        _REPORTING,
        "whois:whois",
        "Show a profile of a principal, key, address or resource, and what is unusual about it.",
    ),
    "hunt": (
        _REPORTING,
        "hunt:hunt",
        (
            "Look for what no single event shows: patterns, anomalies, suspicious addresses, "
            "new names."
        ),
    ),
    "graph": (
        _REPORTING,
        "graph:graph",
        "Show who called what on which target, as a graph: an edge is all calls between two nodes.",
    ),
    "paths": (
        _REPORTING,
        "paths:paths",
        (
            "Show how calls lead from one node to another in order of time, with the event of "
            "each step."
        ),
    ),
    "report": (
        _REPORTING,
        "report:report",
        "Write a report of the events and alerts in the index, as HTML, JSON or PDF.",
    ),
    "roi": (
        _REPORTING,
        "roi:roi",
        "Estimate the yearly value of watching the trail against its costs.",
    ),
    "dashboards": (
        _REPORTING,
        "dashboards:app",
        "Dashboards for OpenSearch Dashboards and Kibana: import, export, open.",
    ),
    "aws": (
        _MAINTENANCE,
        "aws:app",
        "The AWS side of a trail: set it up, check it, and its alarms and log groups.",
    ),
    "config": (
        _MAINTENANCE,
        "config:app",
        "Settings: show effective values and their origin; write a settings file.",
    ),
    "ledger": (
        _MAINTENANCE,
        "ledger:app",
        "The ledger: what became of each object of the trails.",
    ),
    "deadletters": (
        _MAINTENANCE,
        "deadletters:app",
        "Dead letters: records that could not be indexed.",
    ),
    "retry-deadletters": (
        _MAINTENANCE,
        "deadletters:retry_deadletters",
        "Index again what could not be indexed, from the dead-letter index and the spool folder.",
    ),
    "verify": (
        _MAINTENANCE,
        "verify:verify",
        (
            "Verify by CloudTrail's digests that files are unchanged, and that none is missing "
            "or added."
        ),
    ),
    "reconcile": (
        _MAINTENANCE,
        "reconcile:reconcile",
        (
            "Compare every object of a source with the ledger and the index, and name what "
            "repairs it."
        ),
    ),
    "help": (
        _MAINTENANCE,
        "help:show_help",
        "Show the help of a command.",
    ),
    "doctor": (
        _MAINTENANCE,
        "doctor:doctor",
        (
            "Check the cluster, templates, disk, clocks, daemons, GeoIP, threat lists, settings, "
            "the sources of `run.sources`, rules, channels and spool; with SOURCE also that it can "
            "be read, and as whom in AWS."
        ),
    ),
}
"""Command → its panel in the help; `module:name` in `trailhound.cli` of its function, or of the app
of a command group; the first paragraph of its help. So the list of all commands imports none of
them. In the order of the help."""


class Commands(TyperGroup):
    """The group of all commands, for `typer.Typer(cls=…)`."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.commands = _Loaded(self.rich_markup_mode)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List the commands from `COMMANDS`, without importing them."""
        super(Commands, self._listed()).format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete commands from `COMMANDS`, without importing them."""
        return super(Commands, self._listed()).shell_complete(ctx, incomplete)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters; switches show no type."""
        return without_switch_types(super().get_params(ctx))

    def _listed(self) -> Commands:
        listed = copy(self)
        listed.commands = {
            name: TyperCommand(name, help=summary, rich_help_panel=panel)
            for name, (panel, _, summary) in COMMANDS.items()
        }
        return listed


class Command(TyperCommand):
    """A command that imports what it works with when it runs (`trailhound.cli.late_imports`), whose
    numbers are bounded, and whose help shows no `<bool>` at switches."""

    def invoke(self, ctx: Any) -> Any:
        check_numbers(ctx)
        import_now()
        return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        return without_switch_types(super().get_params(ctx))


class CommandGroup(TyperGroup):
    """A group of commands whose help shows no `<bool>` at switches."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_switch_types(super().get_params(ctx))


def without_switch_types(parameters: list[Any]) -> list[Any]:
    """The same parameters; those that take no value show no type in the help."""
    for each in parameters:
        if getattr(each, "is_flag", False) and each.metavar is None:
            each.metavar = ""
    return parameters


_MOST = 10**12
"""The greatest number that an option takes: above all that is counted, and far below what a
request, `islice` or a file position can hold."""
_MOST_OF = {"days": 36_500, "hours": 876_000, "recent": 876_000}
"""Of durations, by the last word of the parameter's name: a century, which the calendar holds."""


def check_numbers(ctx: Any) -> None:
    """Raises a usage error for a number, of any option, that nothing could work with. Not
    part of the options, so that their help shows no range that nobody needs."""
    for each in ctx.command.params:
        value = ctx.params.get(each.name)
        most = _MOST_OF.get(each.name.rpartition("_")[2], _MOST)
        for number in value if isinstance(value, list | tuple) else [value]:
            if isinstance(number, int | float) and not -most <= number <= most:
                fault = f"{number} is not between -{most:,} and {most:,}"
                if number > most:
                    fault = f"{number} is too large: at most {most:,}"
                raise typer.BadParameter(fault, ctx=ctx, param=each)


@cache
def loaded(name: str, markup: Any) -> Any:
    """The command or group with a name of `COMMANDS`. Cached: making one takes as long as a short
    command. Raises `KeyError`.
    """
    panel, place, _ = COMMANDS[name]
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"trailhound.cli.{module}"), attribute)
    alone = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=markup)
    if isinstance(found, typer.Typer):
        for each in found.registered_commands:
            each.cls = Command
        alone.add_typer(found, name=name, cls=CommandGroup, rich_help_panel=panel)
    else:
        alone.command(name, cls=Command, rich_help_panel=panel)(found)
    return typer.main.get_group(alone).commands[name]


class _Loaded(MutableMapping[str, Any]):
    """Name → command; its module is imported at the first lookup."""

    def __init__(self, markup: Any) -> None:
        self._markup = markup
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self._made[name] if name in self._made else loaded(name, self._markup)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS or name in self._made

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)
