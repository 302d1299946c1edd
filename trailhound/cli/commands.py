"""Which commands there are and where they live. A command's module is imported when it is named.

All of them take a second to import together, most of it for commands that are not run; what a
command itself works with is imported when it runs (`trailhound.cli.late_imports`).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from copy import copy
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from trailhound.cli.late_imports import import_now

_ENGINE, _EVENTS, _CARE = "Local engine", "Ingest", "Maintenance"
_DETECTIONS, _SEEN = "Detections", "Reporting"

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
        "engine:status",
        "Show the state of the cluster, its events, and the daemons, rules and channels.",
    ),
    "init": (
        _EVENTS,
        "setup:init",
        "Create index templates, the ledger, dead-letter and alert indices; upgrade them in place.",
    ),
    "backfill": (
        _EVENTS,
        "backfill:backfill",
        "Read CloudTrail files, enrich every event, index it by day.",
    ),
    "enrich": (
        _EVENTS,
        "enrich:enrich",
        "Write the enriched events of CloudTrail files to stdout, without a cluster.",
    ),
    "run": (
        _EVENTS,
        "run:run",
        (
            "Ingest new trail files continuously from a queue, a bucket or a folder, "
            "and run the rules."
        ),
    ),
    "sample": (
        _EVENTS,
        "sample:sample",
        "Write a realistic, labelled CloudTrail trail as `AWSLogs/….json.gz` files.",
    ),
    "demo": (
        _EVENTS,
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
        "Known automation: calls of roles that rules leave out, learned or set.",
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
        _SEEN,
        "events:events",
        "Search the events of the index, the newest first.",
    ),
    "event": (
        _SEEN,
        "event:event",
        "Show one event whole: its record, and apart from it what Trailhound added.",
    ),
    "timeline": (
        _SEEN,
        "timeline:timeline",
        "Show all that somebody or something did, and that was done to it, the earliest first.",
    ),
    "whois": (
        _SEEN,
        "whois:whois",
        "Show one page about somebody or something: when, where, what, with whom, what is unusual.",
    ),
    "hunt": (
        _SEEN,
        "hunt:hunt",
        (
            "Look for what no single event shows: patterns, anomalies, suspicious addresses, "
            "what is new."
        ),
    ),
    "graph": (
        _SEEN,
        "graph:graph",
        "Show who called what on which target: all calls from one node to another are an edge.",
    ),
    "paths": (
        _SEEN,
        "paths:paths",
        (
            "Show how calls lead from one node to another, in the order of time, "
            "each step with its event."
        ),
    ),
    "report": (
        _SEEN,
        "report:report",
        "Write a report of the events and alerts in the index, as HTML, JSON or PDF.",
    ),
    "roi": (
        _SEEN,
        "roi:roi",
        "Show what watching the trail is worth in a year, against what it costs.",
    ),
    "dashboards": (
        _SEEN,
        "dashboards:app",
        "Dashboards for OpenSearch Dashboards and Kibana: import, export, open.",
    ),
    "aws": (
        _CARE,
        "aws:app",
        "The AWS side of a trail: set it up, with its queue and its alarms.",
    ),
    "config": (
        _CARE,
        "config:app",
        "Settings: what is in force and why; a file to begin with.",
    ),
    "ledger": (
        _CARE,
        "ledger:app",
        "What became of each object of the trails.",
    ),
    "deadletters": (
        _CARE,
        "deadletters:app",
        "Records that could not be indexed.",
    ),
    "retry-deadletters": (
        _CARE,
        "deadletters:retry_deadletters",
        "Index again what could not be indexed, from the dead-letter index and the spool folder.",
    ),
    "verify": (
        _CARE,
        "verify:verify",
        (
            "Verify by CloudTrail's digests that files are as delivered, and that none is gone "
            "or added."
        ),
    ),
    "reconcile": (
        _CARE,
        "reconcile:reconcile",
        (
            "Compare every object of a source with the ledger and the index, and say what "
            "repairs each."
        ),
    ),
    "help": (
        _CARE,
        "help:show_help",
        "Show the help of a command.",
    ),
    "doctor": (
        _CARE,
        "doctor:doctor",
        (
            "Check the cluster, templates, disk, clocks, daemons, GeoIP, threat lists, rules, "
            "channels and spool; with SOURCE also AWS."
        ),
    ),
}
"""Name → panel of the help, and module of `trailhound.cli` with what it holds (a function that is
the command, or the app of a group of commands), and the first paragraph of its help, so that the
list of all commands imports none of them. In the order of the help."""


class Commands(TyperGroup):
    """The group of all commands, for `typer.Typer(cls=…)`."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.commands = _Loaded(self.rich_markup_mode)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands from the table alone."""
        super(Commands, self._listed()).format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The same for a shell."""
        return super(Commands, self._listed()).shell_complete(ctx, incomplete)

    def get_params(self, ctx: Any) -> list[Any]:
        """Without a type for switches."""
        return without_switch_types(super().get_params(ctx))

    def _listed(self) -> Commands:
        listed = copy(self)
        listed.commands = {
            name: TyperCommand(name, help=summary, rich_help_panel=panel)
            for name, (panel, _, summary) in COMMANDS.items()
        }
        return listed


class Command(TyperCommand):
    """A command whose help says no `<bool>` where an option takes no value, and for which what it
    works with is imported when it runs (`trailhound.cli.late_imports`)."""

    def invoke(self, ctx: Any) -> Any:
        import_now()
        return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        return without_switch_types(super().get_params(ctx))


class CommandGroup(TyperGroup):
    """The same for a group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_switch_types(super().get_params(ctx))


def without_switch_types(parameters: list[Any]) -> list[Any]:
    """Parameters of which those that are given without a value show no type in the help."""
    for each in parameters:
        if getattr(each, "is_flag", False) and each.metavar is None:
            each.metavar = ""
    return parameters


class _Loaded(MutableMapping[str, Any]):
    """Name → command, made when it is looked up."""

    def __init__(self, markup: Any) -> None:
        self._markup = markup
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            panel, place, _ = COMMANDS[name]
            module, _, attribute = place.partition(":")
            found = getattr(import_module(f"trailhound.cli.{module}"), attribute)
            alone = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=self._markup)
            if isinstance(found, typer.Typer):
                for each in found.registered_commands:
                    each.cls = Command
                alone.add_typer(found, name=name, cls=CommandGroup, rich_help_panel=panel)
            else:
                alone.command(name, cls=Command, rich_help_panel=panel)(found)
            self._made[name] = typer.main.get_group(alone).commands[name]
        return self._made[name]

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
