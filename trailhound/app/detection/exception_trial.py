"""Tries an exception, before it is saved, on all rules and on alerts: by default of 30 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from opensearchpy import OpenSearch
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.alerts.document import stamp
from detections.alerts.paging import every
from detections.alerts.remedies import networks_of
from detections.matcher import SigmaMatcher
from detections.packs.actions import Actions
from detections.packs.documents import RuleFault, documents
from detections.packs.loading import load
from detections.packs.narrowing import Condition, written
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule
from detections.span import Span
from trailhound.app.detection.events_of_alerts import in_parts, read_events
from trailhound.cluster.templates import Names
from trailhound.errors import RuleError, UsageError
from trailhound.settings import DetectionSettings, Settings

DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Effect:
    """What an exception would have changed about the alerts of a rule in a time, in any
    state.

    `hidden`: alerts all of whose events are left out; `fewer`: alerts some of whose events are left
    out, so that too few may remain; `unknown`: alerts whose events are no longer in the index.
    """

    since: datetime
    until: datetime
    itself: bool
    """Whether the alert that the exception is made from is hidden."""
    alerts: int
    hidden: int
    fewer: int
    unknown: int
    hidden_ids: tuple[str, ...] = ()
    """The alerts that would be hidden, the latest first."""
    networks: Mapping[str, int] = field(default_factory=dict)
    """The networks of these, with the number of alerts that are from each."""
    apart: Mapping[str, str] = field(default_factory=dict)
    """Those of them that are from a network where no other one is from, with that."""


def tried(content: Mapping[str, Any], settings: DetectionSettings) -> tuple[Pack, SigmaMatcher]:
    """The pack with an exception, read from a file as it will be, and what decides whether an
    event passes it. Raises `RuleError`."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "exception.yml")
        file.write_text(written(content), encoding="utf-8")
        given = [*settings.exceptions, file]
        pack = load(settings.model_copy(update={"exceptions": given}))
        for fault in pack.faults:
            if fault.place.path == file and fault.what != "note":
                raise RuleError(f"the exception is not valid: {fault.reason}", hint=fault.hint)
        (document,) = documents(file)
    assert not isinstance(document, RuleFault), "it was loaded"  # noqa: S101
    parsed = Actions().parse(document)
    assert isinstance(parsed, SigmaFilter), "it was loaded as one"  # noqa: S101
    return pack, SigmaMatcher.from_detections(parsed.filter, settings.placeholders)


def compared_rules(
    before: Pack,
    after: Pack,
    rule: Rule,
    narrows: Sequence[SigmaRule],
    events: Sequence[Mapping[str, Any]],
) -> int:
    """The number of other rules, all unchanged. Raises `UsageError` if another rule is changed, or
    the rule itself is not.

    A condition that no query can express exactly (text beyond ASCII) changes no query; there the
    matchers decide about the alert's events.
    """
    meant = {rule_id(each) for each in narrows}
    changed = {
        key
        for key, compiled in after.compiled.items()
        if key not in before.compiled or compiled.plain != before.compiled[key].plain
    }
    if not meant <= changed | {key for key in meant if _leaves_out(before, after, key, events)}:
        raise UsageError(
            f"the exception would leave {rule.title!r} as it is",
            hint="what it names is left out already: see `trailhound rules list`",
        )
    if changed - meant:
        titles = ", ".join(sorted(after.rule(key).title for key in changed - meant))
        raise UsageError(
            f"the exception would narrow other rules too: {titles}",
            hint="name the rule in it by its whole id",
        )
    return sum(each.alerts and each.id != rule.id for each in after.rules)


def _leaves_out(before: Pack, after: Pack, key: str, events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a rule finds fewer of some events than before."""
    old, new = before.compiled[key].matcher, after.compiled[key].matcher
    if old is None or new is None:
        return False
    return any(old.matches(each) and not new.matches(each) for each in events)


def time_of_trial(
    alert: Mapping[str, Any], now: datetime, span: Span | None = None
) -> tuple[datetime, datetime]:
    """The time on whose alerts an exception is tried. Without a `span`, the last 30 days, or those
    up to the alert where it is older.

    >>> from datetime import UTC
    >>> now = datetime(2025, 3, 31, tzinfo=UTC)
    >>> [f"{each:%d %b %Y}" for each in time_of_trial({"last_seen": "2024-05-01T00:00Z"}, now)]
    ['02 Apr 2024', '02 May 2024']
    >>> span = Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    >>> [f"{each:%d %b %Y}" for each in time_of_trial({}, now, span)]
    ['01 Jan 2024', '31 Mar 2025']
    """
    if span is not None:
        return span.since, min(span.until, now)
    until = min(now, datetime.fromisoformat(alert["last_seen"]) + timedelta(days=1))
    if now - until < timedelta(days=DAYS):
        until = now
    return until - timedelta(days=DAYS), until


def alerts_of_rule(
    client: OpenSearch,
    settings: Settings,
    alert: Mapping[str, Any],
    since: datetime,
    until: datetime,
) -> dict[str, dict[str, Any]]:
    """The events of the alerts of a rule in a time, by the alerts' ids."""
    asked = [
        {"term": {"rule.id": alert["rule"]["id"]}},
        {"range": {"last_seen": {"gte": stamp(since), "lte": stamp(until)}}},
    ]
    found = every(
        client,
        Names(settings.prefix).alerts,
        asked,
        but=[{"exists": {"field": "merged_into"}}],
        fields=("evidence.event_id", "first_seen", "last_seen", "entity.address"),
    )
    return dict(found)


def effect_on(
    client: OpenSearch,
    settings: Settings,
    alert: Mapping[str, Any],
    alerts: Mapping[str, Mapping[str, Any]],
    passes: SigmaMatcher,
    conditions: Sequence[Condition],
    time: tuple[datetime, datetime],
) -> Effect:
    """The effect on the alerts of a rule, by the events of which the exception's conditions
    decide. Raises `ClusterError`."""
    fields = sorted({f"{each.field.split('.')[0]}*" for each in conditions} | {"trail"})
    left_out: dict[str, bool] = {}
    for part in in_parts(alerts.values()):
        for name, event in read_events(client, settings, part, fields):
            left_out.setdefault(name, not passes.matches(event))
    fewer = unknown = 0
    hidden: list[str] = []
    for name, each in sorted(alerts.items(), key=lambda it: str(it[1]["last_seen"]), reverse=True):
        known = [left_out[event] for event in each["evidence"]["event_id"] if event in left_out]
        if known and all(known):
            hidden.append(name)
        fewer += any(known) and not all(known)
        unknown += not known
    itself = alert["id"] in hidden
    networks = {name: networks_of(alerts[name]) for name in hidden}
    counted = Counter(each for found in networks.values() for each in sorted(found))
    return Effect(
        since=time[0],
        until=time[1],
        itself=itself,
        alerts=len(alerts),
        hidden=len(hidden),
        fewer=fewer,
        unknown=unknown,
        hidden_ids=tuple(hidden),
        networks=dict(counted.most_common()),
        apart={
            name: network
            for name, found in networks.items()
            for network in sorted(found)
            if len(hidden) > 1 and counted[network] == 1
        },
    )
