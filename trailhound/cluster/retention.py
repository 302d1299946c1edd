"""Moves days by their age: to read-only, to colder storage, then closed or deleted.

The ISM plugin or Elasticsearch's ILM does it if the cluster has one; otherwise the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster import templates
from trailhound.cluster.colder_storage import ColderStorage, colder_storage
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.ilm import Ilm
from trailhound.cluster.ism import Ism
from trailhound.cluster.lifecycle import Lifecycle, Tier, due_tier
from trailhound.cluster.own_lifecycle import OwnLifecycle
from trailhound.cluster.waiting import days_with_letters
from trailhound.settings import Settings

_LIFECYCLES: Final[Mapping[str, type[Ism | Ilm]]] = {"ism": Ism, "ilm": Ilm}
"""The lifecycle management of each product: see `Dialect.lifecycle`."""


@dataclass(slots=True)
class RetentionReport:
    """What a run did, as names of indices.

    `foreign`: have the name of a day, but are not Trailhound's. `moved`: were moved to a warm or
    cold tier, or given to ISM or ILM for that. `handed`: past retention, and given to ISM or ILM.
    `managed`: have a foreign policy, and are left to it. `waiting`: days that stay because
    dead letters wait for them, with their number. `failed`: days that did not reach their tier,
    with the reason.
    """

    deleted: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    moved: dict[str, Tier] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    managed: list[str] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def lifecycles(
    client: OpenSearch, settings: Settings, storage: ColderStorage
) -> tuple[Lifecycle, ...]:
    """The ways to move days on this cluster: the first that can serves a tier. Raises
    opensearch-py's exceptions."""
    own = OwnLifecycle(client, settings, storage)
    theirs = _LIFECYCLES[dialect_of(client).lifecycle](client, settings, storage)
    if settings.retention.ism and theirs.available():
        return theirs, own
    return (own,)


def storage_of(client: OpenSearch, settings: Settings) -> ColderStorage:
    """The colder storage of the cluster; not queried if no setting could use it."""
    retention = settings.retention
    if not retention.tiered:
        return ColderStorage()
    if not retention.ism:
        return ColderStorage(why="`retention.ism` is false, and the daemon moves no index itself")
    return colder_storage(client, settings)


def reachable(tier: Tier, storage: ColderStorage) -> Tier:
    """The tier that can be reached: warm instead of cold, if there is no colder storage."""
    return "warm" if tier == "cold" and not storage.beyond_warm else tier


def enforce(client: OpenSearch, settings: Settings, today: date) -> RetentionReport:
    """Move each day to the tier that it is due for at its age on `today` (UTC).

    A day that dead letters wait for stays writable until they are retried or deleted, but is
    deleted with the others. Only indices with the name of a day and the mark of our template are
    touched. Does nothing while no number of days is set. Raises opensearch-py's exceptions.
    """
    report = RetentionReport()
    if not settings.retention.active:
        return report
    due, report.foreign = days_due(client, settings, today)
    if not due:
        return report
    names = templates.Names(settings.prefix)
    storage = storage_of(client, settings)
    deletes = settings.retention.action == "delete"
    due = {index: reachable(tier, storage) for index, tier in due.items()}
    for lifecycle in lifecycles(client, settings, storage):
        mine = {index: tier for index, tier in due.items() if lifecycle.can(tier)}
        due = {index: tier for index, tier in due.items() if index not in mine}
        if mine:
            _move(client, names, lifecycle, mine, report, deletes=deletes)
    return report


def days_due(
    client: OpenSearch, settings: Settings, today: date
) -> tuple[dict[str, Tier], list[str]]:
    """Our daily indices that are due for another tier than hot on `today` (UTC), closed ones only
    where they are to be deleted; and those with the name of such a day that are not Trailhound's.
    Raises opensearch-py's exceptions."""
    names, retention = templates.Names(settings.prefix), settings.retention
    states = {
        row["index"]: row["status"]
        for row in client.cat.indices(
            index=names.days, format="json", params={"h": "index,status", "expand_wildcards": "all"}
        )
    }
    due: dict[str, Tier] = {}
    for index in sorted(states):
        day = names.day_of(index)
        if day is not None and (tier := due_tier(retention, day, today)) != "hot":
            due[index] = tier
    if not due:
        return {}, []
    marks = templates.index_marks(client, names.days)
    deletes = retention.action == "delete"
    ours = {
        index: tier
        for index, tier in due.items()
        if marks.get(index) and ((tier == "past" and deletes) or states[index] == "open")
    }
    return ours, [index for index in due if not marks.get(index)]


def _move(
    client: OpenSearch,
    names: templates.Names,
    lifecycle: Lifecycle,
    due: Mapping[str, Tier],
    report: RetentionReport,
    *,
    deletes: bool,
) -> None:
    plan = lifecycle.plan(due)
    steps = plan.steps
    # Once a day is closed or moved, its dead letters could not be written to it any more.
    held = {i: names.day_of(i) or "" for i, tier in steps.items() if tier != "past" or not deletes}
    if held:
        waits = days_with_letters(client, names, held.values())
        report.waiting |= {index: waits[day] for index, day in held.items() if day in waits}
        steps = {index: tier for index, tier in steps.items() if index not in report.waiting}
    refused = lifecycle.apply(steps)
    report.managed += plan.managed
    report.failed |= plan.failed | refused
    for index, tier in steps.items():
        if index in refused:
            continue
        if tier != "past":
            report.moved[index] = tier
        elif lifecycle.by_policy:
            report.handed.append(index)
        else:
            (report.deleted if deletes else report.closed).append(index)
