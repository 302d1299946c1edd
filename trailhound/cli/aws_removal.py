"""`trailhound aws setup --destroy`: removes what carries the tag of a set-up."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.consent import agree
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, is_table, note
from trailhound.cli.screen import plural, safe, sentence

with late_imports():
    from trailhound.aws.teardown import PartRemoval, removals, removed
    from trailhound.aws.trail_setup import Trail


_MARKS: Final = {
    "remove": Text("- ", style="red"),
    "keep": Text("= ", style="dim"),
    "absent": Text("= ", style="dim"),
}

REMOVALS = Listing[PartRemoval](
    "removals",
    (
        Column("action", lambda each: each.verdict, "action", ColumnType.ENTIRE),
        Column("what", lambda each: each.what, "what", whole=True),
        Column("why", lambda each: each.why, "why", whole=True),
    ),
    lambda each: each.as_dict(),
)


def destroy_set_up(trail: Trail, named: str, form: Form, *, yes: bool) -> None:
    """Remove what `removals` plans, after a question unless `yes`; `named` is the bucket that goes
    too, empty for none. Raises `UsageError` where nobody can be asked."""
    plan = removals(trail, named)
    going = [each for each in plan if each.verdict == "remove"]
    people = is_table(form)
    if people:
        for each in plan:
            line = f"  {each.verdict}" + (f": {each.why}" if each.why else "")
            sentence(_MARKS[each.verdict] + safe(each.what) + Text(safe(line).plain, "dim"), 4)
    if going and not yes:
        things = plural(len(going), "thing")
        agree(f"Remove {things}?", f"{things} would be removed", "look at them, and add --yes")
    done = removed(plan)
    if not people:
        REMOVALS.show(plan, form)
    note(f"{plural(len(done), 'thing')} removed", form)
