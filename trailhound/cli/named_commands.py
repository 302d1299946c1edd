"""Commands that a message names get the flags by which they use this command's cluster.

Errors and warnings come from layers that do not know the command line: they name
`trailhound init`, and with `--namespace` given it is `trailhound init --namespace NAME` that helps.
"""

from __future__ import annotations

import re
from pathlib import Path

from trailhound.cli.common_flags import command_flags

_NAMED = re.compile(r"`trailhound ([^`]+)`")
_given: dict[str, str] = {}


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


def _taken(words: list[str]) -> set[str]:
    """The options of a command by the words of its line; none where there is no such command."""
    from trailhound.cli.commands import COMMANDS, loaded  # imports the command's module

    if words[0] not in COMMANDS:
        return set()
    command = loaded(words[0], None)
    if hasattr(command, "commands"):
        command = command.commands.get(words[1] if len(words) > 1 else "")
    options = {name for each in getattr(command, "params", ()) for name in each.opts}
    # The address of Dashboards, not of the cluster.
    return options - {"--url"} if words[0] == "dashboards" else options
