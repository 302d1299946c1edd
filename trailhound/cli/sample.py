"""`trailhound sample`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note
from trailhound.cli.options import Json
from trailhound.cli.screen import emit, plural, say, size, warn
from trailhound.errors import UsageError

with late_imports():
    from trailhound.sample import SampleSpec, write_sample
    from trailhound.sample.exercise import ANSWERS, SEALED, read_solution, write_exercise
    from trailhound.sample.grading import Graded, answers_of, graded, total
    from trailhound.sample.write import LABELS, companion_path


_TRAINING = "Training"

GRADES = Listing[Graded](
    "questions",
    (
        Column("question", lambda each: each.question, "question", ColumnType.ENTIRE),
        Column("points", lambda each: each.points, "points", ColumnType.NUMBER),
        Column("of", lambda each: each.of, "of", ColumnType.NUMBER),
        Column("right", lambda each: each.right, "right", shown=lambda each: _few(each.right)),
        Column("wrong", lambda each: each.wrong, "wrong", shown=lambda each: _few(each.wrong)),
        Column(
            "missed",
            lambda each: each.missed,
            "missed",
            whole=True,
            shown=lambda each: ", ".join(each.missed),
        ),
    ),
    lambda each: each.as_dict(),
)
"""`trailhound sample --grade`."""


def _few(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{len(texts):,}" if texts else ""


def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    events: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of distinct events.")
    ] = 20_000,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="The same seed gives the same bytes. Default: 1."),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            parser=dates.day,
            metavar=dates.METAVAR,
            help="First UTC day: 2025-03-01, or 7d (before now).",
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of days the trail covers.")
    ] = 7,
    accounts: Annotated[int, typer.Option(min=1, metavar="N", help="Number of AWS accounts.")] = 3,
    events_per_file: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Events in one file. Default: varying, as CloudTrail delivers."
        ),
    ] = None,
    attacks: Annotated[bool, typer.Option(help="Include labelled attacks.")] = True,
    exercise: Annotated[
        bool,
        typer.Option(
            "--exercise",
            help="Include one unlabelled attack to be found, and a form for the answers.",
            rich_help_panel=_TRAINING,
        ),
    ] = False,
    grade: Annotated[
        Path | None,
        typer.Option(
            "--grade",
            metavar="ANSWERS",
            help="Grade the answers to the exercise in DIR; shows the solution.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Write a realistic, labelled CloudTrail trail as `AWSLogs/….json.gz` files.

    The attacks are listed in `DIR/.sample/labels.json`. With `--exercise` there is one, which
    is another with each `--seed` (a random one by default), and its labels are sealed.

    Examples: `trailhound sample /tmp/trail --events 100000 && trailhound backfill /tmp/trail`,
    `trailhound sample /tmp/hunt --exercise`
    """
    if grade is not None:
        _grade(directory, grade, form_of(output, json))
        return
    if output is not None:
        raise UsageError("--output is of --grade", hint="leave it out, or give --json")
    if exercise and not attacks:
        raise UsageError("an exercise without an attack", hint="leave out --no-attacks")
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", hint="name a new folder")
    spec = SampleSpec(
        events=events,
        seed=seed if seed is not None else secrets.randbelow(10**6) if exercise else 1,
        days=days,
        accounts=accounts,
        events_per_file=events_per_file,
        attacks=attacks,
    )
    if start:
        spec = replace(spec, start=start.date())
    summary = (write_exercise if exercise else write_sample)(directory, spec)
    if json:
        emit(
            {
                "directory": str(summary.directory),
                "events": summary.events,
                "records": summary.records,
                "files": summary.files,
                "bytes": summary.bytes,
                "distinct_addresses": summary.distinct_addresses,
                "distinct_arns": summary.distinct_arns,
                "dropped_attacks": list(summary.dropped_attacks),
                "events_for_attacks": summary.events_for_attacks,
            }
        )
        return
    say(
        f"{plural(summary.events, 'event')} in {plural(summary.files, 'file')} "
        f"({size(summary.bytes)}) below {directory}"
    )
    if summary.attacks:
        labels = companion_path(directory, LABELS)
        say(f"{labels} lists {plural(len(summary.attacks), 'attack')} in it")
    if summary.dropped_attacks:
        warn(
            f"{plural(len(summary.dropped_attacks), 'attack')} left out, since days of so few "
            f"events have no room for {'it' if len(summary.dropped_attacks) == 1 else 'them'}: "
            f"{', '.join(summary.dropped_attacks)}. For all of them give --events "
            f"{summary.events_for_attacks}, or fewer --days or --accounts"
        )
    say(f"try: trailhound backfill {directory}")
    if exercise:
        form = directory / ANSWERS
        say(f"one intruder is in it: write what you find into {form}")
        say(f"then: trailhound sample {directory} --grade {form}")
        say(f"{companion_path(directory, SEALED)} holds the solution: leave it alone until then")


def _grade(directory: Path, answers: Path, form: Form) -> None:
    """Points, and what was right, wrong and missed; the attack itself beside it."""
    solution = read_solution(directory)
    results = graded(answers_of(answers), solution)
    points = total(results)
    first, last = solution.steps[0], solution.steps[-1]
    GRADES.show(results, form, beside={"total": points, "solution": solution.as_json()})
    note(f"{points} of 100 points", form)
    note(
        f"the attack: {solution.attack} in account {solution.account}, "
        f"{plural(len(solution.steps), 'call')} from {first.event_time} ({first.event_name}) to "
        f"{last.event_time} ({last.event_name}); seed {solution.seed}",
        form,
        indent=12,
    )
