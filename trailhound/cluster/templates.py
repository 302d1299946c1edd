"""Index templates and the indices made from them: created once, upgraded in place.

Every template and mapping carries a mark, `_meta.trailhound`, with the kind of index and a
fingerprint of the mapping. By it writers tell our indices from those of other tools with the same
name, and `init` finds what must be upgraded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError, TransportError

from trailhound.cluster import mappings
from trailhound.cluster.dialect import OPENSEARCH, Dialect, dialect_of
from trailhound.cluster.refusals import from_response, is_index_block
from trailhound.errors import ForeignTemplateError, SettingsError
from trailhound.settings import Settings

_NO_DAY = "1970.01.01"
"""A day before CloudTrail existed: never created, only used to resolve the template."""
_DAY = re.compile(r"\d{4}\.\d\d\.\d\d")
_MOUNTED = ("restored-", "partial-")
"""Prefixes that ILM adds to the name of an index mounted from a snapshot. ISM appends
`_remote`."""
PRIORITY = 500
"""Above catch-all templates, which commonly have 0 to 200; a template above ours is an error."""

Kind = Literal["events", "ledger", "deadletter", "alerts"]

MAPPINGS: dict[Kind, mappings.Mapping] = {
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
    def ledger(self) -> str:
        return f"{self.prefix}trailhound-ledger"

    @property
    def deadletter(self) -> str:
        return f"{self.prefix}trailhound-deadletter"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}trailhound-alerts"

    def template(self, kind: Kind) -> str:
        return f"{self.prefix}trailhound-{kind}"

    def single(self, kind: Kind) -> str:
        """The index of a kind that is not divided by day."""
        return {"ledger": self.ledger, "deadletter": self.deadletter, "alerts": self.alerts}[kind]


@dataclass(frozen=True, slots=True)
class Change:
    """The name of a template or index that `init` looked at, and what was done to it."""

    name: str
    action: Literal["created", "upgraded", "unchanged", "kept", "skipped"]
    """`kept`: an old index whose fields have other types, which only a reindex could change.
    `skipped`: an index that is read-only, whose metadata is blocked, or that is not ours."""
    detail: str = ""


def mapping(kind: Kind, settings: Settings, dialect: Dialect = OPENSEARCH) -> mappings.Mapping:
    """The mapping, with Trailhound's mark."""
    chosen = mappings.event(settings.index.indexed) if kind == "events" else MAPPINGS[kind]
    fields = dialect.mapping(chosen)
    return {"_meta": {"trailhound": {"kind": kind, "fingerprint": _digest(fields)}}, **fields}


def _fingerprint(kind: Kind, settings: Settings, dialect: Dialect) -> str:
    """A hash of the mapping of this kind."""
    return str(_owner(mapping(kind, settings, dialect))["fingerprint"])


def template(kind: Kind, settings: Settings, dialect: Dialect = OPENSEARCH) -> dict[str, Any]:
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


def _owner(meta_holder: dict[str, Any]) -> dict[str, Any]:
    """The mark of a template or mapping; empty if it is not Trailhound's."""
    mark = (meta_holder.get("_meta") or {}).get("trailhound")
    return mark if isinstance(mark, dict) else {}


def init(client: OpenSearch, settings: Settings) -> list[Change]:
    """Create or upgrade templates and indices; idempotent.

    Raises `ForeignTemplateError` where a name of ours is taken by something that isn't ours.
    """
    changes = [_init_template(client, settings, kind) for kind in MAPPINGS]
    check(client, settings)
    there = _singles(client, settings)
    singles = [kind for kind in MAPPINGS if kind != "events"]
    indices = [_init_index(client, settings, kind, there) for kind in singles]
    upgraded = _upgrade(client, settings)
    # An index has one line: what happened to it.
    named = {each.name for each in upgraded}
    return changes + [each for each in indices if each.name not in named] + upgraded


def _init_template(client: OpenSearch, settings: Settings, kind: Kind) -> Change:
    name = Names(settings.prefix).template(kind)
    wanted = template(kind, settings, dialect_of(client))
    try:
        found = client.indices.get_index_template(name=name)["index_templates"][0]
    except NotFoundError:
        _put_template(client, settings, name, wanted)
        return Change(name, "created", "index template")
    mark = _owner(found["index_template"])
    if not mark:
        raise ForeignTemplateError(
            f"the index template {name} was not made by Trailhound",
            hint="rename or delete it, or set a namespace",
        )
    # Compare both marks: that of a mapping edited by hand differs from its template's.
    inside = _owner((found["index_template"].get("template") or {}).get("mappings") or {})
    expected = wanted["_meta"]["trailhound"], _owner(wanted["template"]["mappings"])
    if (mark, inside) == expected:
        return Change(name, "unchanged", "index template")
    _put_template(client, settings, name, wanted)
    return Change(name, "upgraded", "index template")


def _put_template(
    client: OpenSearch, settings: Settings, name: str, wanted: dict[str, Any]
) -> None:
    """Raises `SettingsError` where the cluster does not have the codec of the settings."""
    dialect = dialect_of(client)
    if settings.index.codec not in dialect.codecs:
        raise SettingsError(
            f"index.codec: {dialect.product} has no codec {settings.index.codec}",
            hint=f"set index.codec to one of {', '.join(sorted(dialect.codecs))}",
        )
    try:
        client.indices.put_index_template(name=name, body=wanted)
    except RequestError as error:
        reason = from_response(error).message
        if "index.codec" not in reason:
            raise
        known = re.search(r"must be one of \[([^\]]+)\]", reason)
        raise SettingsError(
            f"index.codec: the cluster has no codec {settings.index.codec}",
            hint=(f"it knows {known[1]}: " if known else "")
            + "set index.codec to one of them, or install the plugin opensearch-custom-codecs",
        ) from error


def _init_index(
    client: OpenSearch, settings: Settings, kind: Kind, there: Collection[str]
) -> Change:
    name = Names(settings.prefix).single(kind)
    if name in there:
        return Change(name, "unchanged", "index")
    try:
        client.indices.create(index=name)
    except RequestError as error:
        if "resource_already_exists" not in str(error.error):
            raise
        _check_single(client, settings)
        return Change(name, "unchanged", "index")
    return Change(name, "created", "index")


def _upgrade(client: OpenSearch, settings: Settings) -> list[Change]:
    """Add new fields to the mappings of existing indices; types do not change."""
    names = Names(settings.prefix)
    dialect = dialect_of(client)
    found = marks(client, f"{names.days},{names.prefix}trailhound-*")
    todays = {kind: mapping(kind, settings, dialect) for kind in MAPPINGS}
    changes = []
    for index, mark in sorted(found.items()):
        kind = mark.get("kind")
        if kind not in MAPPINGS:
            continue
        wanted = todays[kind]
        if mark.get("fingerprint") == _owner(wanted)["fingerprint"]:
            continue
        try:
            there = client.indices.get_mapping(index=index)[index]["mappings"]
            body = wanted | {"properties": _kept(wanted["properties"], there.get("properties", {}))}
            client.indices.put_mapping(index=index, body=body)
            changes.append(Change(index, "upgraded", "fields added to its mapping"))
        except RequestError as error:
            changes.append(Change(index, "kept", from_response(error).message))
        except TransportError as error:
            if not is_index_block(error):
                raise
            detail = "read-only: its mapping stays as it is, its events are found as before"
            changes.append(Change(index, "skipped", detail))
    foreign = "not made by Trailhound: left as it is, and events of its day are not written to it"
    ours = {index for index, mark in found.items() if mark.get("kind") in MAPPINGS}
    return changes + [
        Change(index, "skipped", foreign) for index in sorted(_names(client, names.days) - ours)
    ]


def _names(client: OpenSearch, pattern: str) -> set[str]:
    """The names of all indices of a pattern; none where one of them hides its metadata."""
    which = {"expand_wildcards": "all", "ignore_unavailable": "true", "allow_no_indices": "true"}
    try:
        return set(client.indices.get_alias(index=pattern, params=which))
    except TransportError as error:
        if not is_index_block(error):
            raise
        return set()


def _kept(wanted: mappings.Mapping, there: mappings.Mapping) -> mappings.Mapping:
    """The wanted fields, but with the parameters that the index has for them.

    An index can't change the parameters of a field (`index`, `doc_values`). A field of another type
    is left as wanted, so that the cluster rejects it and the difference is reported.
    """
    made: mappings.Mapping = {}
    for name, field in wanted.items():
        known = there.get(name, {})
        if "properties" in field and "properties" in known:
            made[name] = field | {"properties": _kept(field["properties"], known["properties"])}
        elif "type" in field and field["type"] == known.get("type"):
            made[name] = known
        else:
            made[name] = field
    return made


def marks(client: OpenSearch, pattern: str) -> dict[str, dict[str, Any]]:
    """Index name → mark of its mapping.

    A foreign index has an empty value or is left out.
    """
    which = {
        "expand_wildcards": "all",
        "ignore_unavailable": "true",
        "allow_no_indices": "true",
    }
    paths = {"filter_path": "*.mappings._meta,*.mappings.dynamic"}
    try:
        reply = client.transport.perform_request(
            "GET", f"/{pattern}/_mapping", params=paths | which
        )
    except TransportError as error:
        if not is_index_block(error):
            raise
        return _marks_of_state(client, pattern, which)
    return {index: _owner(body["mappings"]) for index, body in (reply or {}).items()}


def _marks_of_state(
    client: OpenSearch, pattern: str, which: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """The marks from the cluster's state, which `index.blocks.metadata` of a day does not hide."""
    paths = {"filter_path": "metadata.indices.*.mappings._doc._meta,metadata.indices.*.state"}
    reply = client.transport.perform_request(
        "GET", f"/_cluster/state/metadata/{pattern}", params=paths | which
    )
    found = ((reply or {}).get("metadata") or {}).get("indices") or {}
    return {
        index: _owner((body.get("mappings") or {}).get("_doc") or {})
        for index, body in found.items()
    }


def _singles(client: OpenSearch, settings: Settings) -> dict[str, Any]:
    """Those of the single indices that exist, each with its mapping. Complete, where `marks` leaves
    out an index without a mark."""
    names = Names(settings.prefix)
    singles = [names.single(kind) for kind in MAPPINGS if kind != "events"]
    found: dict[str, Any] = client.indices.get_mapping(
        index=",".join(singles), params={"ignore_unavailable": "true", "allow_no_indices": "true"}
    )
    return found


def _check_single(client: OpenSearch, settings: Settings) -> set[Kind]:
    """The kinds whose single index exists with the current mapping. Raises
    `ForeignTemplateError`."""
    current: set[Kind] = set()
    dialect = dialect_of(client)
    for index, body in _singles(client, settings).items():
        mark = _owner(body["mappings"])
        if not mark:
            raise ForeignTemplateError(
                f"the index {index} was not made by Trailhound",
                hint="reindex or rename it, or set a namespace",
            )
        kind = mark.get("kind")
        if kind in MAPPINGS and mark.get("fingerprint") == _fingerprint(kind, settings, dialect):
            current.add(kind)
    return current


def check(client: OpenSearch, settings: Settings) -> None:
    """Refuse to write if the template that would apply is not ours, or not of this release.

    An index created by another template would have a dynamic mapping: rejected events and a
    thousand fields. The cluster is asked to resolve the template for a day that never existed. The
    ledger, dead letters and alerts must be our indices too; those that exist with the current
    mapping need no template. Raises `ForeignTemplateError`.
    """
    names = Names(settings.prefix)
    current = _check_single(client, settings)
    for kind in MAPPINGS:
        if kind in current:
            continue
        index = names.day(_NO_DAY) if kind == "events" else names.single(kind)
        what = f"new days ({names.days})" if kind == "events" else index
        reply = client.transport.perform_request(
            "POST", f"/_index_template/_simulate_index/{index}"
        )
        applies = reply.get("template") or {}
        mark = _owner(applies.get("mappings") or {})
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
