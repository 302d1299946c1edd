"""The options that select rules, of several commands, and the pack that they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import warn
from trailhound.errors import UsageError

with late_imports():
    from detections.packs.describe import problem_lines
    from detections.packs.documents import RuleFault
    from detections.packs.loading import load
    from detections.packs.pack import Pack
    from trailhound.settings import Settings


Rules = Annotated[
    list[Path] | None,
    typer.Option("--rules", metavar="PATH", help="More rules: a file or folder. May be repeated."),
]
Only = Annotated[
    bool, typer.Option("--only", help="Only the rules of --rules, without the shipped ones.")
]


def selected_rules(settings: Settings, rules: list[Path] | None, *, only: bool) -> Pack:
    """The active rules. Faults are printed as warnings, and the other rules are used."""
    wanted = settings.detections
    if only:
        if not rules:
            raise UsageError(
                "--only needs --rules: without it there is no rule", hint="give --rules PATH"
            )
        wanted = wanted.model_copy(update={"shipped": False, "rules": []})
    pack = load(wanted, rules or [])
    if only and pack.faults:
        pack = replace(pack, faults=_faults_also_with_all(pack, settings, rules or []))
    for each in problem_lines(pack):
        warn(each)
    return pack


def _faults_also_with_all(
    pack: Pack, settings: Settings, rules: list[Path]
) -> tuple[RuleFault, ...]:
    """The faults of a pack of some rules that are none of the rules left out by `--only`:
    exceptions, overrides and placeholders may be for those."""
    known = {(each.place, each.reason) for each in load(settings.detections, rules).faults}
    given = [path.expanduser().resolve() for path in rules]
    return tuple(
        each
        for each in pack.faults
        if (each.place, each.reason) in known
        or any(each.place.path.resolve().is_relative_to(path) for path in given)
    )
