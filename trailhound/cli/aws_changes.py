"""The parts of a set-up and what differs: planned, being applied, and done."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.text import Text

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, note
from trailhound.cli.screen import err, is_quiet, out, plural, safe, sentence

with late_imports():
    from trailhound.aws.parts import PartChange


_MARKS: Final = {
    "create": Text("+ ", style="green"),
    "change": Text("~ ", style="yellow"),
    "unchanged": Text("= ", style="dim"),
}

LISTING = Listing[PartChange](
    "parts",
    (
        Column("action", lambda each: each.action, "action", ColumnType.ENTIRE),
        Column("part", lambda each: each.part.name, "part", whole=True),
        Column("difference", lambda each: each.lines, "difference", priority=1),
    ),
    lambda each: each.as_dict(),
)


def show_written(part: str, action: str) -> None:
    """Name a part that was just written, on stderr."""
    if not is_quiet():
        sentence(_MARKS[action] + safe(part), 4, screen=err)


def show_changes(changes: list[PartChange]) -> None:
    """Each part, and what differs, for people."""
    for each in changes:
        same = Text("  unchanged" if each.action == "unchanged" else "", "dim")
        sentence(_MARKS[each.action] + safe(each.part.name) + same, 4)
        for line in each.lines:
            style = "green" if line.startswith("+") else "red"
            out.print(Text("    "), Text(safe(line).plain, style=style), sep="")


def planned_text(changes: list[PartChange], *, apply: bool) -> str:
    """How many parts an apply creates and changes; of a plan, also that nothing was changed."""
    made, changed, alike = _numbers(changes)
    return (
        f"{plural(made, 'part')} to create, {changed:,} to change, {alike:,} as they are to be"
        + ("" if apply else "; nothing was changed")
    )


def applied_text(changes: list[PartChange]) -> str:
    """How many parts were made and changed."""
    made, changed, alike = _numbers(changes)
    return f"{plural(made, 'part')} created, {changed:,} changed, {alike:,} were as they are to be"


def _numbers(changes: list[PartChange]) -> tuple[int, int, int]:
    """How many parts are created, changed and unchanged, in this order."""
    made, changed, alike = (
        sum(each.action == action for each in changes)
        for action in ("create", "change", "unchanged")
    )
    return made, changed, alike


def show_planned(changes: list[PartChange], form: Form, *, apply: bool) -> None:
    """Say how many parts change, and what kinds of resources are new."""
    note(planned_text(changes, apply=apply), form)
    things = Counter(_kind(each) for each in changes if each.action == "create")
    if things:
        note("new: " + ", ".join(f"{kind} {n:,}" for kind, n in things.items() if kind), form)


def _kind(change: PartChange) -> str:
    """The kind of resource that a part is; empty for an attribute of a resource.

    The name of a part is a kind and a name, for an attribute followed by a colon and its name.
    """
    name, _, attribute = change.part.name.partition(": ")
    return "" if attribute else name.rsplit(" ", 1)[0].removesuffix(" of queue")
