"""Which commands there are and where they live. A command's module is imported when it is named.

All of them take a second to import together, most of it for commands that are not run.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

_ENGINE, _EVENTS, _CARE = "Local engine", "Ingest", "Maintenance"
_DETECTIONS, _SEEN = "Detections", "Reporting"

COMMANDS = {
    "up": (_ENGINE, "engine:up"),
    "down": (_ENGINE, "engine:down"),
    "status": (_ENGINE, "engine:status"),
    "init": (_EVENTS, "setup:init"),
    "backfill": (_EVENTS, "backfill:backfill"),
    "run": (_EVENTS, "run:run"),
    "sample": (_EVENTS, "sample:sample"),
    "demo": (_EVENTS, "demo:demo"),
    "detect": (_DETECTIONS, "detect:detect"),
    "rules": (_DETECTIONS, "rules:app"),
    "alerts": (_DETECTIONS, "alerts:app"),
    "notify": (_DETECTIONS, "notify:app"),
    "report": (_SEEN, "report:report"),
    "dashboards": (_SEEN, "dashboards:app"),
    "retry-deadletters": (_CARE, "deadletters:retry_deadletters"),
    "doctor": (_CARE, "doctor:doctor"),
}
"""Name → panel of the help, and module of `trailhound.cli` with what it holds: a function that is
the command, or the app of a group of commands. In the order of the help."""


class Commands(TyperGroup):
    """The group of all commands, for `typer.Typer(cls=…)`."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.commands = _Loaded(self.rich_markup_mode)


class _Loaded(MutableMapping[str, Any]):
    """Name → command, made when it is looked up."""

    def __init__(self, markup: Any) -> None:
        self._markup = markup
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            panel, place = COMMANDS[name]
            module, _, attribute = place.partition(":")
            found = getattr(import_module(f"trailhound.cli.{module}"), attribute)
            alone = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=self._markup)
            if isinstance(found, typer.Typer):
                alone.add_typer(found, name=name, rich_help_panel=panel)
            else:
                alone.command(name, rich_help_panel=panel)(found)
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
