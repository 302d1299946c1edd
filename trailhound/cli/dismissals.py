"""`trailhound deadletters dismiss`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from trailhound.cli import dates
from trailhound.cli.consent import agree
from trailhound.cli.decisions import By, who
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.ledger import Object
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import emit, plural, say, say_on_stderr, warn
from trailhound.errors import UsageError

with late_imports():
    from ingest.deadletters.dismissal import Dismissal, Dismissals, SelectedLetters
    from ingest.deadletters.selection import LetterSelection
    from trailhound.app.search.ledger import DeadLetterSearch
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]…",
        help="From `trailhound deadletters list`; the beginnings are enough. Without a question.",
    ),
]
Codes = Annotated[
    list[str] | None,
    typer.Option("--code", metavar="CODE", help="Only dead letters of this code; may be repeated."),
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Only those whose reason contains this text; `*` matches any text.",
    ),
]

_LISTED: Final = 10
"""Reasons that the question before a change names."""


def dismiss(
    ids: Ids = None,
    code: Codes = None,
    reason: Reason = None,
    object_: Object = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[
        bool, typer.Option("--all", help="All that the other options match; alone, all that wait.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Make dismissed dead letters wait again.")
    ] = False,
    by: By = None,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="The reason; stored with each of them.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Dismiss dead letters that can never be indexed: they stay stored, and no longer warn.

    Those of the spool folder of this machine are included, except by id. New dead letters warn
    again, also with the same reason. `deadletters list --dismissed` shows who dismissed which and
    why, and `retry-deadletters --dismissed` tries these too.

    Examples:

    `trailhound deadletters dismiss --code bad_event_time --note "a test of ours"`

    `trailhound deadletters dismiss --all --undo`
    """
    given = [code, reason, object_, since, until, every]
    if ids and any(given):
        raise UsageError("ids and options that select do not go together", hint="give one of them")
    if not ids and not any(given):
        raise UsageError(
            "no dead letters are named",
            hint="give ids, --code, --reason, --object, --since or --all",
        )
    dates.check_order(since, until)
    dismissal = Dismissal(who(by), datetime.now(UTC), note)
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        search = DeadLetterSearch(client, settings)
        selection = LetterSelection(
            ids=[search.named(each)["id"] for each in ids or ()],
            codes=code or (),
            object=object_ or "",
            reason=reason or "",
            since=since,
            until=dates.end_of(until) if until else None,
            dismissed=undo,
        )
        job = Dismissals(client, settings)
        found = job.select(selection)
        if not found:
            others = len(job.select(replace(selection, dismissed=not undo)))
            _nothing(others, undo=undo, json=json)
            return
        if not (ids or yes):
            _confirm(found, undo=undo)
        changed = job.set(found, None if undo else dismissal)
    gone = len(found) - changed
    if json:
        emit(
            {
                "undone" if undo else "dismissed": changed,
                "spooled": len(found.spooled),
                "gone": gone,
                "codes": _codes(found),
                **({} if undo else dismissal.as_dict()),
            }
        )
    else:
        what = "wait again" if undo else f"dismissed, by {dismissal.by}"
        say(f"{plural(changed, 'dead letter')} {what}")
    if gone:
        warn(f"{plural(gone, 'dead letter')} had been indexed or deleted meanwhile")


def _nothing(others: int, *, undo: bool, json: bool) -> None:
    """Say that nothing is to be changed. A success where all that match are so already."""
    if json:
        emit({"undone" if undo else "dismissed": 0, "spooled": 0, "gone": 0, "codes": {}})
    say_it = say_on_stderr if json else say
    if others:
        so = "none is dismissed" if undo else f"{others:,} dismissed before"
        say_it(f"no dead letter that matches is to be changed ({so})")
        return
    say_it("no dead letter matches")
    raise typer.Exit(ExitCode.INCOMPLETE)


def _confirm(found: SelectedLetters, *, undo: bool) -> None:
    """Ask before letters are changed; the answer no ends the command with 1.

    Raises `UsageError` where nobody can be asked.
    """
    objects = plural(len(found.objects), "object")
    what = f"{'undo the dismissal of' if undo else 'dismiss'} {plural(len(found), 'dead letter')}"
    if sys.stdin.isatty():
        for line in (f"{what} of {objects}:", *_reasons(found)):
            say_on_stderr(line)
    agree("Go on?", f"this would {what} of {objects}", "check the number, and add --yes")


def _reasons(found: SelectedLetters) -> Sequence[str]:
    """How many there are of each code and reason, as lines, the most first."""
    most = sorted(found.reasons.items(), key=lambda each: -each[1])
    lines = [f"  {number:>6,}  {code}: {reason}" for (code, reason), number in most[:_LISTED]]
    if len(most) > _LISTED:
        lines.append(f"          and {plural(len(most) - _LISTED, 'other reason')}")
    return lines


def _codes(found: SelectedLetters) -> dict[str, int]:
    codes: Counter[str] = Counter()
    for (code, _), number in found.reasons.items():
        codes[code] += number
    return dict(codes.most_common())
