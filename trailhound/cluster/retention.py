"""Days past retention: closed or deleted, and nothing else touched.

Where the cluster has the ISM plugin or Elasticsearch's ILM, that does it; elsewhere we do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster import templates
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.ilm import Ilm
from trailhound.cluster.ism import Ism
from trailhound.cluster.waiting import days_with_letters
from trailhound.settings import Settings

_LIFECYCLES: Final[Mapping[str, type[Ism | Ilm]]] = {"ism": Ism, "ilm": Ilm}
"""Of each product: see `Dialect.lifecycle`."""


@dataclass(slots=True)
class RetentionReport:
    """Names of indices. `foreign` have the name of a day, and are not Trailhound's.

    `handed` were given to ISM or ILM now; `managed` have a policy of somebody else's there and
    are left to it. `waiting`: days that stay open, with the number of dead letters that wait for
    them.
    """

    deleted: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    managed: list[str] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)


def enforce(client: OpenSearch, settings: Settings, today: date) -> RetentionReport:
    """Close or delete each day more than `retention.days` before `today` (UTC).

    A day that dead letters wait for is not closed until they are retried or deleted.
    Only an index that has a day's name and our template's mark is touched. Nothing happens
    while `retention.days` is not set. Raises opensearch-py's exceptions.
    """
    report = RetentionReport()
    days = settings.retention.days
    if days is None:
        return report
    names = templates.Names(settings.prefix)
    oldest = today - timedelta(days=days)
    states = {
        row["index"]: row["status"]
        for row in client.cat.indices(
            index=names.days, format="json", params={"h": "index,status", "expand_wildcards": "all"}
        )
    }
    behind = [index for index in sorted(states) if _before(index, names, oldest)]
    if not behind:
        return report
    marks = templates.marks(client, names.days)
    report.foreign = [index for index in behind if not marks.get(index)]
    delete = settings.retention.action == "delete"
    ours = [index for index in behind if marks.get(index) and (delete or states[index] == "open")]
    if ours and not delete:
        # Its dead letters could not be written any more once a day is closed.
        waits = days_with_letters(client, names, (index[-10:] for index in ours))
        report.waiting = {index: waits[index[-10:]] for index in ours if index[-10:] in waits}
        ours = [index for index in ours if index not in report.waiting]
    lifecycle = _LIFECYCLES[dialect_of(client).lifecycle](client, settings)
    if ours and settings.retention.ism and lifecycle.available():
        report.handed, report.managed = lifecycle.hand_over(ours)
        return report
    for index in ours:
        if delete:
            client.indices.delete(index=index)
            report.deleted.append(index)
        else:
            client.indices.close(index=index)
            report.closed.append(index)
    return report


def _before(index: str, names: templates.Names, oldest: date) -> bool:
    try:
        day = datetime.strptime(index[-10:], "%Y.%m.%d").date()  # noqa: DTZ007 - a day alone
    except ValueError:
        return False
    return index == names.day(index[-10:]) and day < oldest
