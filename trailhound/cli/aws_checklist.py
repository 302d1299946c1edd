"""`trailhound aws checklist`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from trailhound.cli.aws_check import examined
from trailhound.cli.aws_options import account_of
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, is_table, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import out, plural, safe, say_fix, say_folded, warn
from trailhound.errors import TrailhoundError

with late_imports():
    from trailhound.app.checklist.checklist import PHASES
    from trailhound.app.checklist.checklist import checklist as answered
    from trailhound.app.checklist.facts import read_facts
    from trailhound.aws.posture.examine import Request
    from trailhound.cluster.client import connect
    from trailhound.posture import Posture, read_posture

if TYPE_CHECKING:
    from trailhound.app.checklist.checklist import ChecklistLine

_INDENT: Final = 9
_MARKS: Final = {
    "done": Text("done    ", style="green"),
    "open": Text("open    ", style="bold red"),
    "unknown": Text("unknown ", style="yellow"),
    "person": Text("ask     ", style="cyan"),
}

LISTING: Final = Listing["ChecklistLine"](
    "items",
    (
        Column("phase", lambda each: each.item.phase, "phase", ColumnType.NUMBER),
        Column("id", lambda each: each.item.id, "item", ColumnType.ENTIRE),
        Column("state", lambda each: each.answer.state, "state", ColumnType.ENTIRE),
        Column("title", lambda each: each.item.title, "title", whole=True),
        Column("evidence", lambda each: each.answer.evidence, "evidence", whole=True),
        Column("todo", lambda each: each.answer.todo, "to do", whole=True),
    ),
    lambda each: each.as_dict(),
)


def checklist(
    posture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The output of `trailhound aws check --json`. Default: check this account now.",
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION", help="Check this region only; may be repeated. Default: all."
        ),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show what is done and what is left to do, in four phases, until a trail is well watched.

    Answered from AWS (like `trailhound aws check`), the cluster and the settings. What no program
    can find out is a question to you. Exits with 1 if AWS or the cluster did not answer.

    Examples: `trailhound aws checklist`, `trailhound aws checklist --posture posture.json`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    found: Posture | str
    hint: str | None = None
    if posture is not None:
        found = read_posture(posture)
    else:
        try:
            own = account_of(config, region[0] if region else None)
            found = examined(own, Request(regions=region or ()))
        except TrailhoundError as error:
            found = f"AWS: {error.message}"
            hint = error.hint
    facts = read_facts(connect(settings), settings, found)
    lines = answered(facts)
    if is_table(form):
        _show(lines)
    else:
        phases = [
            {
                "phase": number,
                "title": title,
                "done": sum(each.answer.state == "done" for each in lines if _of(each, number)),
                "items": sum(_of(each, number) for each in lines),
            }
            for number, title in PHASES.items()
        ]
        taken = None if isinstance(found, str) else found.taken
        LISTING.show(lines, form, beside={"phases": phases, "posture_taken": taken})
    if hint:
        warn(f"AWS could not be asked: {hint}")
    done = sum(each.answer.state == "done" for each in lines)
    note(f"{done:,} of {plural(len(lines), 'item')} done", form)
    if isinstance(facts.posture, str) or isinstance(facts.cluster, str):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _of(line: ChecklistLine, phase: int) -> bool:
    return line.item.phase == phase


def _show(lines: list[ChecklistLine]) -> None:
    """Print the items by phase, each with its evidence and what is left to do."""
    for number, title in PHASES.items():
        mine = [each for each in lines if _of(each, number)]
        done = sum(each.answer.state == "done" for each in mine)
        out.heading(f"phase {number}: {title} ({done} of {len(mine)} done)")
        for each in mine:
            answer = each.answer
            say_folded(Text.assemble(_MARKS[answer.state], " ", each.item.title), _INDENT)
            say_folded(Text(" " * _INDENT) + Text(safe(answer.evidence).plain, "dim"), _INDENT)
            if answer.todo and answer.state == "person":
                say_folded(Text(" " * _INDENT) + safe(answer.todo), _INDENT)
            elif answer.todo:
                say_fix(answer.todo, _INDENT)
