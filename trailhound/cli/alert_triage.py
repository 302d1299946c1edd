"""`trailhound alerts ack | close | reopen | assign | note`: decisions about one alert or many."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import typer

from trailhound.cli.alert_selection import AlertState
from trailhound.cli.consent import agree
from trailhound.cli.decisions import (
    ambiguous,
    end,
    name_unchanged,
    rows_of,
)
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import note
from trailhound.cli.named_alerts import SelectedAlerts, alert_selector
from trailhound.cli.screen import emit, plural, say, say_on_stderr

with late_imports():
    from detections.alerts.store import NO_ALERT, AlertQuery, AlertStore, Decided, unknown
    from detections.alerts.triage import NOBODY, Decision, Verb
    from detections.incidents.store import IncidentStore
    from detections.investigation.absent_names import check_names
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings


_LISTED = 10
"""Rules that the question before a change names."""


HELP: Final[Mapping[Verb, str]] = {
    "ack": """
    Acknowledge alerts: somebody is working on them.

    Example: `trailhound alerts ack 5f1c0a --by ada --note "asking the team"`
    """,
    "close": """
    Close alerts. The same events don't raise an alert again; new events raise new alerts.

    `benign`: the rule was right, but the activity was intended. An alert that is already closed
    gets the new disposition.

    Example: `trailhound alerts close 5f1c0a --as false-positive --note "a drill"`
    """,
    "reopen": """
    Reopen alerts that were closed or acknowledged. Their history stays.

    Example: `trailhound alerts reopen 5f1c0a --note "it went on"`
    """,
    "assign": """
    Assign alerts to somebody, in any state.

    Example: `trailhound alerts assign 5f1c0a --to ada`
    """,
    "note": """
    Add a note to the history of alerts.

    Example: `trailhound alerts note 5f1c0a --note "the key is revoked"`
    """,
}

SELECT: Final[Mapping[Verb, Callable[..., SelectedAlerts]]] = {
    "ack": alert_selector(AlertState.OPEN),
    "close": alert_selector(AlertState.OPEN, AlertState.ACKNOWLEDGED),
    "reopen": alert_selector(AlertState.CLOSED),
    "assign": alert_selector(AlertState.OPEN, AlertState.ACKNOWLEDGED),
    "note": alert_selector(AlertState.OPEN, AlertState.ACKNOWLEDGED),
}


def decide(settings: Settings, selected: SelectedAlerts, decision: Decision, *, json: bool) -> None:
    """Write a decision to each alert that is named, and report for every id what became of it.

    All ids are resolved before the first write. Exits with 1 if any was not changed; the same
    command again completes the rest. Raises `UsageError` if none of them exists, and the
    cluster's error if it ended the command before anything was written.
    """
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        store = AlertStore(client, settings)
        if selected.incident is not None and selected.query is not None:
            name = IncidentStore(client, settings).named(selected.incident)
            selected = replace(selected, query=replace(selected.query, incident=name))
        names, left = _resolved(store, selected)
        if selected.query is not None and not names:
            check_names(client, settings, selected.query)
            _nothing(store, selected.query, json=json)
            return
        twins = {} if selected.alone else _twins(store, names, decision)
        if selected.query is not None and names and not selected.yes:
            _confirm(decision, names, len(twins.keys() - names.keys()))
        everything = list(dict.fromkeys([*names, *twins]))
        done = store.decide(everything, decision)
    if done.fault is not None and not done.alerts:
        name_unchanged(left | done.left)
        with cluster_errors(settings.hosts[0]):
            raise done.fault
    _report(everything, left, done, decision, twins, json=json)


def _resolved(
    store: AlertStore, selected: SelectedAlerts
) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
    """The alerts to change, by id (with their rules if a query selected them); and the ids that
    name no alert, each with the reason."""
    if selected.query is not None:
        return dict(store.matching(selected.query)), {}
    found = store.resolve(selected.ids)
    if not found.names:
        if all(reason == NO_ALERT for reason in found.left.values()):
            raise unknown(*found.left)
        raise ambiguous(found.left)
    return {key: {} for key in found.names.values()}, found.left


_APPLIES: Mapping[Verb, tuple[str, ...]] = {
    "ack": ("open", "acknowledged"),
    "close": ("open", "acknowledged"),
    "reopen": ("closed", "acknowledged"),
}
"""The states in which a decision also changes twins. Other decisions change them in any state."""


def _twins(store: AlertStore, names: Iterable[str], decision: Decision) -> dict[str, str]:
    """The twins that a decision is also about → an alert that was named."""
    states = _APPLIES.get(decision.verb, ())
    if decision.disposition is not None:
        states = ()  # a closed one gets it too
    return {
        twin["id"]: name
        for name, several in store.twins(list(names)).items()
        for twin in several
        if not states or twin["state"] in states
    }


def _nothing(store: AlertStore, query: AlertQuery, *, json: bool) -> None:
    """Say that a selection has no alert in the states that a decision is about. If alerts of other
    states match, they were decided before, and that is a success. If none does, the command exits
    with 1."""
    others = Counter(
        each["state"]
        for each in (store.matching(replace(query, states=())).values() if query.states else ())
    )
    if json:
        emit({"alerts": [], "not_changed": []})
    states = " or ".join(query.states)
    if others:
        there = ", ".join(f"{count:,} {state}" for state, count in sorted(others.items()))
        _say_beside_json(f"no {states} alert matches, nothing to change ({there})", json=json)
        return
    _say_beside_json("no alert matches, in any state", json=json)
    raise typer.Exit(ExitCode.INCOMPLETE)


def _say_beside_json(text: str, *, json: bool) -> None:
    """Print a sentence for people: on stdout, or on stderr if stdout has the JSON object."""
    if json:
        say_on_stderr(text)
    else:
        say(text)


def _confirm(decision: Decision, matching: Mapping[str, Mapping[str, Any]], twins: int) -> None:
    """Ask before many alerts are changed; the answer no ends the command with 1.

    Raises `UsageError` where nobody can be asked.
    """
    named = counted_by_rule(each["rule"] for each in matching.values())
    also = f" and {plural(twins, 'twin')} of them" if twins else ""
    what = f"{decision.verb} {plural(len(matching), 'alert')}{also}"
    if sys.stdin.isatty():
        for line in (f"{what}, of", *named):
            say_on_stderr(line)
    agree("Go on?", f"this would {what}", "check the number, and add --yes")


def counted_by_rule(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    """How many alerts each rule has, as lines, the most first; with its id where several rules of
    one title are among them."""
    counts = Counter((each["name"], each.get("id", "")) for each in rules).most_common()
    titles = Counter(name for (name, _), _ in counts)
    lines = [
        f"  {count:>6,}  {name}" + (f" ({id_})" if titles[name] > 1 else "")
        for (name, id_), count in counts[:_LISTED]
    ]
    if len(counts) > _LISTED:
        lines.append(f"          and {plural(len(counts) - _LISTED, 'other rule')}")
    return lines


def _report(
    names: Sequence[str],
    left: Mapping[str, str],
    done: Decided,
    decision: Decision,
    twins: Mapping[str, str],
    *,
    json: bool,
) -> None:
    left = {**left, **done.left}
    changed = [done.alerts[name] for name in names if name in done.alerts]
    if json:
        emit({"alerts": changed, "not_changed": rows_of(left)})
    else:
        for alert in changed:
            twin = twins.get(alert["id"])
            also = f" (twin of {twin}: {alert['rule']['name']})" if twin else ""
            say(f"{alert['id']} {_became(alert, decision)}{also}")
        if len(changed) > _LISTED:
            note(f"{plural(len(changed), 'alert')} {_became(changed[0], decision)}")
    end(left, done.fault)


def _became(alert: Mapping[str, Any], decision: Decision) -> str:
    if decision.verb == "assign":
        return f"assigned to {alert.get('assignee') or NOBODY}, by {decision.by}"
    if decision.verb == "note":
        return f"noted, by {decision.by}"
    return f"{state_of(alert)}, by {alert['state_by']}"


def state_of(alert: Mapping[str, Any]) -> str:
    """The state, of a closed alert with what it was."""
    was = alert.get("disposition")
    return str(alert["state"]) + (f" as {was}" if was else "")
