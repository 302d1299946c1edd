"""Index templates and the indices made from them: their names, their bodies, their marks.

Every template and mapping carries a mark, `_meta.trailhound`, with the kind of index and a
fingerprint of the mapping. By it writers tell our indices from those of other tools with the same
name, and `trailhound.cluster.initialization` finds what must be upgraded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, TransportError

from trailhound.cluster import mappings
from trailhound.cluster.dialect import OPENSEARCH, Dialect, dialect_of
from trailhound.cluster.refusals import is_index_block
from trailhound.cluster.request_params import CLOSED_TOO, OF_WHAT_IS_THERE
from trailhound.errors import ForeignTemplateError
from trailhound.settings import Settings

_DAY = re.compile(r"\d{4}\.\d\d\.\d\d")
_MOUNTED = ("restored-", "partial-")
"""Prefixes that ILM adds to the name of an index mounted from a snapshot. ISM appends
`_remote`."""
PRIORITY = 500
"""Above catch-all templates, which commonly have 0 to 200; a template above ours is an error."""

IndexKind = Literal["events", "ledger", "deadletter", "alerts"]

MAPPINGS: dict[IndexKind, mappings.Mapping] = {
    "events": mappings.EVENT,
    "ledger": mappings.LEDGER,
    "deadletter": mappings.DEADLETTER,
    "alerts": mappings.ALERT,
}
"""The mapping of each kind, before `mapping` applies the settings."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names that Trailhound uses in a cluster, for one namespace.

    >>> Names("team-").day("2025.03.01"), Names("").ledger
    ('team-cloudtrail-2025.03.01', 'trailhound-ledger')
    """

    prefix: str = ""

    @property
    def alias(self) -> str:
        """The alias of all daily indices."""
        return f"{self.prefix}cloudtrail"

    @property
    def days(self) -> str:
        """The pattern of the daily indices."""
        return f"{self.prefix}cloudtrail-*"

    def day(self, day: str) -> str:
        """The index of one UTC day, given as `YYYY.MM.DD`."""
        return f"{self.prefix}cloudtrail-{day}"

    def day_of(self, index: str) -> str | None:
        """The day (`YYYY.MM.DD`) of a daily index, or of its copy mounted from a snapshot; None
        for any other name.

        >>> Names().day_of("cloudtrail-2025.03.01"), Names().day_of("cloudtrail-2025.13.01")
        ('2025.03.01', None)
        >>> Names("team-").day_of("restored-team-cloudtrail-2025.03.01")
        '2025.03.01'
        """
        name = index.removesuffix("_remote")
        for mark in _MOUNTED:
            name = name.removeprefix(mark)
        day = name[-10:]
        if name != self.day(day) or not _DAY.fullmatch(day):
            return None
        try:
            datetime.strptime(day, "%Y.%m.%d")  # noqa: DTZ007 - a day alone
        except ValueError:
            return None
        return day

    @property
    def no_day(self) -> str:
        """The index of a day before CloudTrail existed: never created, only used to resolve the
        template."""
        return self.day("1970.01.01")

    @property
    def ledger(self) -> str:
        return f"{self.prefix}trailhound-ledger"

    @property
    def deadletter(self) -> str:
        return f"{self.prefix}trailhound-deadletter"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}trailhound-alerts"

    @property
    def every(self) -> str:
        """All of them, as one pattern. Not `trailhound-*`: a namespace whose name ends so has its
        own indices there."""
        return ",".join((self.days, self.ledger, self.deadletter, self.alerts))

    def template(self, kind: IndexKind) -> str:
        return f"{self.prefix}trailhound-{kind}"

    def single(self, kind: IndexKind) -> str:
        """The index of a kind that is not divided by day."""
        return {"ledger": self.ledger, "deadletter": self.deadletter, "alerts": self.alerts}[kind]


def mapping(kind: IndexKind, settings: Settings, dialect: Dialect = OPENSEARCH) -> mappings.Mapping:
    """The mapping, with Trailhound's mark."""
    chosen = mappings.event(settings.index.indexed) if kind == "events" else MAPPINGS[kind]
    fields = dialect.mapping(chosen)
    return {"_meta": {"trailhound": {"kind": kind, "fingerprint": _digest(fields)}}, **fields}


def _fingerprint(kind: IndexKind, settings: Settings, dialect: Dialect) -> str:
    """A hash of the mapping of this kind."""
    return str(mark_of(mapping(kind, settings, dialect))["fingerprint"])


def template(kind: IndexKind, settings: Settings, dialect: Dialect = OPENSEARCH) -> dict[str, Any]:
    """The body of the index template of this kind."""
    names = Names(settings.prefix)
    copies = settings.index.replicas
    index: dict[str, Any] = (
        {"auto_expand_replicas": "0-1"} if copies is None else {"number_of_replicas": copies}
    )
    body: dict[str, Any] = {"mappings": mapping(kind, settings, dialect)}
    if kind == "events":
        index |= {
            "number_of_shards": settings.index.shards,
            "refresh_interval": settings.index.refresh_interval,
            "codec": settings.index.codec,
        }
        if settings.index.sort:
            index["sort.field"] = list(settings.index.sort)
        body["aliases"] = {names.alias: {}}
    else:
        index |= {"number_of_shards": 1}
    body["settings"] = {"index": index}
    return {
        "index_patterns": [names.days if kind == "events" else names.single(kind)],
        "priority": PRIORITY,
        "template": body,
        "_meta": {"trailhound": {"kind": kind, "fingerprint": _digest(body)}},
    }


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def mark_of(meta_holder: Mapping[str, Any]) -> dict[str, Any]:
    """The mark of a template or mapping; empty if it is not Trailhound's."""
    mark = (meta_holder.get("_meta") or {}).get("trailhound")
    return mark if isinstance(mark, dict) else {}


def index_marks(client: OpenSearch, pattern: str) -> dict[str, dict[str, Any]]:
    """Index name → mark of its mapping.

    A foreign index has an empty value or is left out.
    """
    paths = {"filter_path": "*.mappings._meta,*.mappings.dynamic"}
    try:
        reply = client.transport.perform_request(
            "GET", f"/{pattern}/_mapping", params=paths | CLOSED_TOO
        )
    except TransportError as error:
        if not is_index_block(error):
            raise
        return _marks_of_state(client, pattern)
    return {index: mark_of(body["mappings"]) for index, body in (reply or {}).items()}


def _marks_of_state(client: OpenSearch, pattern: str) -> dict[str, dict[str, Any]]:
    """The marks from the cluster's state, which `index.blocks.metadata` of a day does not hide."""
    paths = {"filter_path": "metadata.indices.*.mappings._doc._meta,metadata.indices.*.state"}
    reply = client.transport.perform_request(
        "GET", f"/_cluster/state/metadata/{pattern}", params=paths | CLOSED_TOO
    )
    found = ((reply or {}).get("metadata") or {}).get("indices") or {}
    return {
        index: mark_of((body.get("mappings") or {}).get("_doc") or {})
        for index, body in found.items()
    }


def descriptions(client: OpenSearch, pattern: str) -> dict[str, dict[str, Any]]:
    """Index name → its `mappings`, `aliases` and `settings`. One whose metadata is blocked is left
    out."""
    try:
        return _described(client, pattern)
    except TransportError as error:
        if not is_index_block(error):
            raise
    found: dict[str, dict[str, Any]] = {}
    for index in _marks_of_state(client, pattern):
        try:
            found |= _described(client, index)
        except TransportError as error:
            if not is_index_block(error):
                raise
    return found


def _described(client: OpenSearch, pattern: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = client.indices.get(index=pattern, params=CLOSED_TOO)
    return found


def get_template(client: OpenSearch, name: str) -> dict[str, Any] | None:
    """The body of an index template of the cluster; None if it has none of this name."""
    try:
        (found,) = client.indices.get_index_template(name=name)["index_templates"]
    except NotFoundError:
        return None
    body: dict[str, Any] = found["index_template"]
    return body


def single_indices(client: OpenSearch, settings: Settings) -> dict[str, Any]:
    """Those of the single indices that exist, each with its mapping. Complete, whereas
    `index_marks` leaves out an index without a mark."""
    names = Names(settings.prefix)
    wanted = [names.single(kind) for kind in MAPPINGS if kind != "events"]
    found: dict[str, Any] = client.indices.get_mapping(
        index=",".join(wanted), params=OF_WHAT_IS_THERE
    )
    return found


def check_singles(client: OpenSearch, settings: Settings) -> set[IndexKind]:
    """The kinds whose single index exists with the current mapping. Raises
    `ForeignTemplateError`."""
    current: set[IndexKind] = set()
    dialect = dialect_of(client)
    for index, body in single_indices(client, settings).items():
        mark = mark_of(body["mappings"])
        if not mark:
            raise ForeignTemplateError(
                f"the index {index} was not made by Trailhound",
                hint="reindex or rename it, or set a namespace",
            )
        kind = mark.get("kind")
        if kind in MAPPINGS and mark.get("fingerprint") == _fingerprint(kind, settings, dialect):
            current.add(kind)
    return current


def applied(client: OpenSearch, index: str) -> dict[str, Any]:
    """What the cluster's templates would give a new index: `mappings`, `settings`, `aliases`."""
    reply = client.transport.perform_request("POST", f"/_index_template/_simulate_index/{index}")
    return reply.get("template") or {}


def check(client: OpenSearch, settings: Settings) -> None:
    """Refuse to write if the template that would apply is not ours, or not of this release.

    An index created by another template would have a dynamic mapping: rejected events and a
    thousand fields. The cluster is asked to resolve the template for a day that never existed. The
    ledger, dead letters and alerts must be our indices too; those that exist with the current
    mapping need no template. Raises `ForeignTemplateError`.
    """
    names = Names(settings.prefix)
    current = check_singles(client, settings)
    for kind in MAPPINGS:
        if kind in current:
            continue
        index = names.no_day if kind == "events" else names.single(kind)
        what = f"new days ({names.days})" if kind == "events" else index
        applies = applied(client, index)
        mark = mark_of(applies.get("mappings") or {})
        if not any(applies.values()):
            raise ForeignTemplateError(
                f"there is no index template for {what} yet", hint="run `trailhound init`"
            )
        if not mark:
            raise ForeignTemplateError(
                f"the index template that applies to {what} is not Trailhound's",
                hint="run `trailhound init`; if it is refused, another template has a "
                f"priority over {PRIORITY}: lower it, or set a namespace",
            )
        if mark.get("fingerprint") != _fingerprint(kind, settings, dialect_of(client)):
            raise ForeignTemplateError(
                f"the index template that applies to {what} is from another version of Trailhound "
                "or from other settings of its fields (`index.indexed`)",
                hint="run `trailhound init`: it upgrades in place",
            )
