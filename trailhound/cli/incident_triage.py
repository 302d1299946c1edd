"""`trailhound incidents ack | close | reopen | assign | note`: decisions about all their alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from trailhound.cli import completion
from trailhound.cli.decisions import (
    ambiguous,
    end,
    rows_of,
)
from trailhound.cli.incident_seen import Seen, SeenOption, changed_since, recent
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import emit, part_of, say, warn

with late_imports():
    from detections.alerts.triage import Decision, Verb
    from detections.incidents.store import IncidentStore, ResolvedIncidents, no_incident
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings


Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID…",
        help="From `trailhound incidents list`, or an alert's id; a unique prefix is enough.",
        autocompletion=completion.incident_ids,
    ),
]


HELP: Final[Mapping[Verb, str]] = {
    "ack": """
    Acknowledge incidents, with all their open alerts: somebody is working on them.

    Example: `trailhound incidents ack 5f1c0a --by ada --note "asking the team"`
    """,
    "close": """
    Close incidents, with all their alerts that are not closed yet; closed ones keep what they were
    closed as (`alerts close --all --incident ID --state closed --as` changes it).

    With `--seen` an incident that alerts have joined since is not closed, and they are named. Else
    those of the last 15 minutes that were closed with it are named. A new alert that joins an
    incident opens it again. Exits with 1 if an alert could not be closed; run the same command
    again to complete it.

    Example: `trailhound incidents close 5f1c0a --seen 12 --as true-positive --note "key revoked"`
    """,
    "reopen": """
    Reopen incidents, with all their alerts that were closed or acknowledged.

    Example: `trailhound incidents reopen 5f1c0a --note "it went on"`
    """,
    "assign": """
    Assign all alerts of incidents to somebody, in any state.

    Example: `trailhound incidents assign 5f1c0a --to ada`
    """,
    "note": """
    Add a note to the history of all alerts of incidents, in any state.

    Example: `trailhound incidents note 5f1c0a --note "the key is revoked"`
    """,
}


@dataclass(frozen=True, slots=True)
class Selected:
    """The ids that a command line names, and what was seen of their incidents, if it says so."""

    ids: Sequence[str]
    seen: Seen | None = None


def select(ids: Ids) -> Selected:
    """What a command line names; a function whose parameter is the option."""
    return Selected(ids)


def select_seen(ids: Ids, seen: SeenOption = None) -> Selected:
    """The same for `close`."""
    return Selected(ids, seen)


SELECT: Final[Mapping[Verb, Callable[..., Selected]]] = {
    verb: select_seen if verb == "close" else select for verb in HELP
}


def decide(settings: Settings, selected: Selected, decision: Decision, *, json: bool) -> None:
    """Write a decision to all alerts of incidents, and print what became of each incident. Exits
    with 1 if an alert was not changed. Raises `UsageError` if none of the ids is an incident's."""
    with cluster_errors(settings.hosts[0]):
        store = IncidentStore(connect(settings), settings)
        found = store.resolve(dict.fromkeys(selected.ids))
        names = _resolved(found)
        alerts = store.raised(names)
        kept = changed_since(alerts, selected.seen) if selected.seen is not None else {}
        decided = {name: each for name, each in alerts.items() if name not in kept}
        done = store.decide_of(decided, decision)
        if done.fault is not None and not done.alerts:
            raise done.fault
        now = [store.get(name) for name in names]
    left = found.left | kept | done.left
    changed = sorted(done.alerts)
    if json:
        closed = {"closed": changed} if decision.verb == "close" else {}
        emit({"incidents": now, "changed": changed, **closed, "not_changed": rows_of(left)})
    else:
        for incident in (each for each in now if each["id"] not in kept):
            say(_became(incident, decision, done.alerts))
            if command := _to_change(incident, decision):
                say(f"to change what they were closed as: {command}")
    if decision.verb == "close" and selected.seen is None:
        closed_now = {
            name: each
            for name, each in decided.items()
            if any(it.name in done.alerts for it in each)
        }
        for line in recent(closed_now, datetime.now(UTC)):
            warn(line)
    end(left, done.fault)


def _became(incident: Mapping[str, Any], decision: Decision, done: Mapping[str, Any]) -> str:
    own = [name for entry in incident["timeline"] for name in (entry["alert"], *entry["twins"])]
    changed = sum(name in done for name in own)
    of = part_of(changed, len(own), "alert")
    if decision.verb == "assign":
        return f"{incident['id']} assigned to {decision.assignee}, by {decision.by}: {of}"
    if decision.verb == "note":
        return f"{incident['id']} noted, by {decision.by}: {of}"
    if decision.verb == "close":
        what = f" as {decision.disposition}" if decision.disposition else " without a disposition"
        by = f"{what}, by {decision.by}" if changed else ""  # someone else closed them before
        before = "".join(_closed_before(incident, [done[name] for name in own if name in done]))
        return f"{incident['id']} {incident['state']}{by}: {of} closed{before}"
    return f"{incident['id']} {incident['state']}, by {decision.by}: {of}"


def _to_change(incident: Mapping[str, Any], decision: Decision) -> str:
    """The command by which alerts that keep another disposition get this one; empty for none."""
    others = [each for each in incident["closed_as"] if each["disposition"] != decision.disposition]
    if decision.verb != "close" or not decision.disposition or not others:
        return ""
    return (
        f"trailhound alerts close --all --incident {incident['id']} --state closed "
        f"--as {decision.disposition}"
    )


def _closed_before(incident: Mapping[str, Any], now: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How many alerts of an incident were not closed `now`, but before, as what and by whom."""
    ways: Counter[tuple[str, str]] = Counter()
    for each in incident["closed_as"]:
        ways[each["disposition"], each["by"]] += each["alerts"]
    ways -= Counter((each.get("disposition") or "", each.get("state_by") or "") for each in now)
    if ways:
        yield f"; {ways.total():,} stay{'s' if ways.total() == 1 else ''} as closed before: "
        yield "; ".join(
            (f"{alerts:,} " if len(ways) > 1 else "") + closure(disposition, by)
            for (disposition, by), alerts in ways.most_common()
        )


def _resolved(found: ResolvedIncidents) -> list[str]:
    """The ids of the incidents. Raises `UsageError` if no id is an incident's."""
    if found.names:
        return list(dict.fromkeys(found.names.values()))
    if all(why.startswith("there is no") for why in found.left.values()):
        raise no_incident(*found.left)
    raise ambiguous(found.left)


def closure(disposition: str, by: str) -> str:
    """How alerts were closed: as what, and by whom."""
    as_ = f"as {disposition}" if disposition else "without a disposition"
    return as_ + (f", by {by}" if by else "")
