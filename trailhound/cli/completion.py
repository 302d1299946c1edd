"""Completion for bash, zsh and fish: commands, options, levels, rules, ids, namespaces.

Each Tab looks the values up again, within a second: no rule is compiled for it, and nothing is
completed from a cluster that does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import typer
from typer.completion import (  # type: ignore[attr-defined]
    completion_init,
    get_completion_script,
    install,
)

from trailhound.cli.common_flags import flags_of
from trailhound.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TRAILHOUND_COMPLETE"
_PROGRAM = "trailhound"
_ANSWER_SECONDS = 0.8
_LATEST = 200
"""The number of latest alerts whose ids are completed."""

_BASH = """\
_trailhound_completion() {
    local line quote='%q'
    [[ "${COMP_WORDS[COMP_CWORD]}" == [\\"\\']* ]] && quote='%s'
    COMPREPLY=()
    while IFS= read -r line; do
        [[ -n "$line" ]] && COMPREPLY+=("$(printf "$quote" "$line")")
    done < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \\
                 _TRAILHOUND_COMPLETE=complete_bash "$1" 2>/dev/null)
}

complete -o default -F _trailhound_completion trailhound
"""
"""Titles of rules contain blanks, so each line of the output is one word, which the shell quotes
unless it is quoted already."""

_TITLE = re.compile(rb"^title: *([^\n]+)$", re.MULTILINE)
_QUOTES = "\"'"


def prepare() -> None:
    """Register the classes of the shells, which ask by an environment variable."""
    completion_init()


def script(shell: str) -> str:
    """The completion script of a shell. Raises `UsageError` for an unknown shell."""
    if shell not in SHELLS:
        raise UsageError(f"no completion for {shell!r}", hint=f"name one of {', '.join(SHELLS)}")
    if shell == "bash":
        return _BASH
    return f"{get_completion_script(prog_name=_PROGRAM, complete_var=VARIABLE, shell=shell)}\n"


def installed(shell: str) -> Path:
    """Install completion for a shell. Returns the file in the home folder. Raises `UsageError`."""
    text = script(shell)
    _, path = install(shell=shell, prog_name=_PROGRAM, complete_var=VARIABLE)
    if shell == "bash":
        path.write_text(text, encoding="utf-8")
    return path


def shell_of(given: str, environment: str | None) -> str:
    """The given shell, or else that of `$SHELL`.

    >>> shell_of("", "/usr/bin/zsh"), shell_of("fish", "/usr/bin/zsh")
    ('zsh', 'fish')
    """
    return given or Path(environment or "").name


def rule_titles(incomplete: str) -> list[str]:
    """Titles of the active rules that begin so."""
    begun = incomplete.strip(_QUOTES)
    return sorted(title for title in set(_titles()) if title.startswith(begun))


def _titles() -> Iterator[str]:
    for folder in _folders():
        files = [folder] if folder.is_file() else sorted(folder.rglob("*.yml"))
        for file in files:
            with suppress(OSError):
                for found in _TITLE.findall(file.read_bytes()):
                    yield found.decode("utf-8", "replace").strip().strip(_QUOTES)


def _folders() -> list[Path]:
    import detections  # not at the start: this module is imported with every command

    shipped = Path(detections.__file__).parent / "rules"
    with suppress(Exception):
        from trailhound.settings import load

        settings = load(None, {}).detections
        own = [Path(path).expanduser() for path in settings.rules]
        return [*([shipped] if settings.shipped else []), *own]
    return [shipped]


def namespaces(incomplete: str) -> list[str]:
    """Namespaces on the settings' cluster that begin so; none where it does not answer."""
    with suppress(Exception):
        from trailhound.cluster.client import connect
        from trailhound.cluster.namespaces import namespaces_of
        from trailhound.settings import load

        client = connect(load(None, {}), timeout=_ANSWER_SECONDS)
        return [name for name in namespaces_of(client) if name and name.startswith(incomplete)]
    return []


def dispositions(incomplete: str) -> list[str]:
    """Dispositions that begin so."""
    from detections.alerts.disposition import DISPOSITIONS

    return [each for each in DISPOSITIONS if each.startswith(incomplete)]


def alert_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the latest alerts that begin so, each with its level and rule for shells that show
    it; none where the cluster does not answer."""
    return _ids(ctx, incomplete, "_id")


def incident_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the incidents of the latest alerts that begin so, each with its most severe alert."""
    return _ids(ctx, incomplete, "incident")


def _ids(ctx: typer.Context, incomplete: str, name: str) -> list[tuple[str, str]]:
    with suppress(Exception):
        from trailhound.cluster.client import connect
        from trailhound.cluster.templates import Names
        from trailhound.settings import load

        given = ctx.params
        flags = flags_of(given.get("url"), given.get("namespace"))
        settings = load(given.get("config"), flags)
        client = connect(settings, timeout=_ANSWER_SECONDS)
        body = {
            "size": _LATEST,
            "_source": ["incident", "level", "severity", "rule.name"],
            "query": {"bool": {"must_not": [{"exists": {"field": "merged_into"}}]}},
            "sort": [{"last_seen": {"order": "desc"}}],
        }
        reply = client.search(index=Names(settings.prefix).alerts, body=body)
        descriptions: dict[str, tuple[int, str]] = {}
        for hit in reply["hits"]["hits"]:
            source = hit["_source"]
            key = hit["_id"] if name == "_id" else source.get("incident", hit["_id"])
            what = (source["severity"], f"{source['level']}, {source['rule']['name']}")
            descriptions[key] = max(descriptions.get(key, what), what, key=lambda each: each[0])
        return [
            (key, what) for key, (_, what) in descriptions.items() if key.startswith(incomplete)
        ]
    return []


def levels(incomplete: str) -> list[str]:
    """Levels that begin so, the most severe first."""
    from detections.rule import LEVELS

    return [level for level in reversed(LEVELS) if level.startswith(incomplete)]
