"""Commands that a message names get the flags by which they use this command's cluster.

Errors and warnings come from layers that do not know the command line: they name
`trailhound init`, and with `--namespace` given it is `trailhound init --namespace NAME` that helps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trailhound.cli.common_flags import command_flags

_NAMED = re.compile(r"`trailhound ([^`]+)`")
_given: dict[str, str] = {}
_ALL: Final = frozenset({"--url", "--namespace", "--config"})
_CONFIG: Final = frozenset({"--config"})
_GROUP: Final = ":app"
"""How the place of a command ends that has commands of its own, see `COMMANDS`."""

TAKES_FEWER: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("sample", "demo", "help", "config init"), frozenset()),
    **dict.fromkeys(("up", "down", "enrich", "notify test"), _CONFIG),
    **dict.fromkeys(
        (f"aws {name}" for name in ("setup", "alarms", "check", "logs-query")), _CONFIG
    ),
    **dict.fromkeys(
        (f"rules {name}" for name in ("coverage", "list", "show", "check", "explain")), _CONFIG
    ),
    "rules export": _ALL - {"--url"},
    # Their `--url` is the address of Dashboards.
    "dashboards import": _ALL - {"--url"},
    "dashboards build": _ALL - {"--url"},
}
"""The commands that do not take all common flags, and which they take.

Read off here, since a command's options are known only once its module is imported, and with it,
while another command runs, all that it works with.
"""


def set_given(*, url: str | None, namespace: str | None, config: Path | None) -> None:
    """Set the common flags of this command."""
    named = {"--url": url, "--namespace": namespace, "--config": str(config) if config else None}
    _given.clear()
    _given.update({flag: value for flag, value in named.items() if value})


def with_flags(text: str) -> str:
    """The text; each command in backquotes has those flags of this command that it takes."""
    return _NAMED.sub(_flagged, text) if _given else text


def _flagged(found: re.Match[str]) -> str:
    named = found[1]
    words = named.split()
    taken = _taken(words) - {word.partition("=")[0] for word in words}
    flags = {flag: value for flag, value in _given.items() if flag in taken}
    config = flags.get("--config")
    more = command_flags(
        url=flags.get("--url"),
        namespace=flags.get("--namespace"),
        config=Path(config) if config else None,
    )
    return f"`trailhound {named}{more}`"


def _taken(words: list[str]) -> frozenset[str]:
    """The common flags that a command takes, by the words of its line; none where there is no such
    command."""
    from trailhound.cli.commands import COMMANDS

    name = words[0]
    if name not in COMMANDS:
        return frozenset()
    if COMMANDS[name][1].endswith(_GROUP):
        if len(words) == 1:
            return frozenset()
        name = f"{name} {words[1]}"
    return TAKES_FEWER.get(name, _ALL)
