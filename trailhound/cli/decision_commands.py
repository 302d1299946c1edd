"""`ack`, `close`, `reopen`, `assign` and `note`: commands of `alerts` and of `incidents` alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar, cast

import typer

from detections.alerts.disposition import Disposition
from trailhound.cli.decisions import As, By, Note, NoteText, To, require_text, who
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from

with late_imports():
    from detections.alerts.triage import Decision, Verb
    from trailhound.settings import Settings

T = TypeVar("T")


class Decide(Protocol):
    """Writes a decision to what the command line selected, and prints what became of it."""

    def __call__(
        self, settings: Settings, selected: Any, decision: Decision, *, json: bool
    ) -> None: ...


def _ack(by: By = None, note: Note = "") -> Decision:
    return Decision("ack", who(by), note)


def _close(as_: As = None, by: By = None, note: Note = "") -> Decision:
    return Decision("close", who(by), note, cast("Disposition | None", as_))


def _reopen(by: By = None, note: Note = "") -> Decision:
    return Decision("reopen", who(by), note)


def _assign(to: To = None, by: By = None, note: Note = "") -> Decision:
    name = who(by)
    return Decision("assign", name, note, assignee=to or name)


def _note(text: NoteText, by: By = None) -> Decision:
    return Decision("note", who(by), require_text(text))


_DECISIONS: Final[Mapping[Verb, Callable[..., Decision]]] = {
    "ack": _ack,
    "close": _close,
    "reopen": _reopen,
    "assign": _assign,
    "note": _note,
}


def add_decision_commands(
    app: typer.Typer,
    select: Mapping[Verb, Callable[..., Any]],
    decide: Decide,
    help_of: Mapping[Verb, str],
) -> None:
    """Add a command for each verb of `help_of` to a command group.

    `select`: per verb, the function whose parameters are the options that name what to change; its
    result is the argument `selected` of `decide`.
    """
    for verb, text in help_of.items():
        app.command(verb, help=text)(_command(select[verb], _DECISIONS[verb], decide))


def _common(
    url: Url = None, namespace: Namespace = None, config: Config = None, json: Json = False
) -> tuple[Settings, bool]:
    return settings_from(config, url, namespace), json


def _command(
    select: Callable[..., Any], decision: Callable[..., Decision], decide: Decide
) -> Callable[..., None]:
    """A command that takes the options of `select` and of `decision` beside the common ones."""

    def command(**given: Any) -> None:
        selected = _called(select, given)
        settings, json = _called(_common, given)
        decide(settings, selected, _called(decision, given), json=json)

    parameters = [each for of in (select, decision, _common) for each in _parameters(of).values()]
    # Keyword-only, as typer calls it: parameters without a default may then follow others.
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


def _called(function: Callable[..., T], given: Mapping[str, Any]) -> T:
    return function(**{name: given[name] for name in _parameters(function)})


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function, eval_str=True).parameters
