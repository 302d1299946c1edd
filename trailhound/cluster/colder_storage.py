"""Storage of a cluster that is colder than the disks of its data nodes, if it has any.

UltraWarm and cold storage are features of Amazon OpenSearch Service, used as its developer guide
describes ("UltraWarm storage", "Cold storage"); searchable snapshots exist in both products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, TransportError

from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_ABSENT: Final = frozenset({400, 404, 405})
_AUTOMATED: Final = "cs-automated"
"""Repositories of a managed domain's own snapshots; nothing else may be stored there."""
_LICENSES: Final = frozenset({"enterprise", "trial"})
"""The licenses with which Elasticsearch mounts snapshots."""
_MOUNTS_AND_DELETES: Final = (3, 3)
"""The first OpenSearch whose ISM replaces an index by its snapshot in one action."""
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class ColderStorage:
    """The colder storage. `repository` is empty if no snapshot can be mounted; `why` says why."""

    ultrawarm: bool = False
    cold: bool = False
    repository: str = ""
    why: str = ""

    @property
    def beyond_warm(self) -> bool:
        """Whether there is storage that is colder than a read-only index."""
        return self.cold or bool(self.repository)


def get_if_supported(
    client: OpenSearch, path: str, params: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """The reply of a feature of the cluster; None if it lacks the feature or the role may not use
    it.

    Raises opensearch-py's other exceptions.
    """
    try:
        reply = client.transport.perform_request("GET", path, params=params or {})
    except AuthorizationException:
        return None
    except TransportError as error:
        if error.status_code in _ABSENT:
            return None
        raise
    return reply if isinstance(reply, dict) else {}


def colder_storage(client: OpenSearch, settings: Settings) -> ColderStorage:
    """The colder storage of the cluster. Raises opensearch-py's exceptions."""
    lifecycle = dialect_of(client).lifecycle
    if lifecycle == "ism" and get_if_supported(client, "/_ultrawarm/migration/_status") is not None:
        cold = get_if_supported(client, "/_cold/indices/_search", {"page_size": "1"}) is not None
        why = "" if cold else "the domain's cold storage is not enabled, or the role may not use it"
        return ColderStorage(ultrawarm=True, cold=cold, why=why)
    able = _mounts_with_ism(client) if lifecycle == "ism" else _mounts_with_ilm(client)
    if able:
        return ColderStorage(why=able)
    if settings.retention.repository:
        return ColderStorage(repository=settings.retention.repository)
    found = sorted(
        name
        for name in get_if_supported(client, "/_snapshot") or {}
        if not name.startswith(_AUTOMATED)
    )
    if len(found) == 1:
        return ColderStorage(repository=found[0])
    if found:
        several = ", ".join(found)
        return ColderStorage(
            why=f"it has several snapshot repositories ({several}): set retention.repository"
        )
    return ColderStorage(why="it has no snapshot repository")


def cold_days(client: OpenSearch, names: Names) -> dict[str, str]:
    """The days (`YYYY.MM.DD`) in a managed domain's cold storage, and their indices.

    These days are not searched, and are not in the lists of indices. Empty for other clusters.
    """
    found: dict[str, str] = {}
    params, body = {"page_size": str(_PAGE)}, None
    reply = get_if_supported(client, "/_cold/indices/_search", params)
    while reply and (rows := reply.get("indices")):
        new = {str(row["index"]) for row in rows} - set(found.values())
        found |= {day: index for index in new if (day := names.day_of(index)) is not None}
        if len(rows) < _PAGE or not new:
            break
        body = {"pagination_id": reply.get("pagination_id")}
        reply = client.transport.perform_request(
            "GET", "/_cold/indices/_search", params=params, body=body
        )
    return found


def ultrawarm_indices(client: OpenSearch, names: Names) -> frozenset[str]:
    """The daily indices in a managed domain's UltraWarm. Empty for other clusters."""
    try:
        rows = client.transport.perform_request(
            "GET", "/_cat/indices/_warm", params={"format": "json", "h": "index"}
        )
    except TransportError as error:
        if error.status_code in _ABSENT or isinstance(error, AuthorizationException):
            return frozenset()
        raise
    found = {row["index"] for row in rows if isinstance(row, dict)}
    return frozenset(index for index in found if names.day_of(index) is not None)


def _mounts_with_ism(client: OpenSearch) -> str:
    """Why ISM can't mount snapshots; empty if it can."""
    version = dialect_of(client).version.split(".")
    if tuple(int(part) for part in version[:2] if part.isdigit()) < _MOUNTS_AND_DELETES:
        return "ISM mounts searchable snapshots from OpenSearch 3.3 on"
    if get_if_supported(client, "/_plugins/_ism/policies", {"size": "1"}) is None:
        return "searchable snapshots are made by the ISM plugin, which this cluster does not have"
    reply = client.nodes.info(params={"filter_path": "nodes.*.roles"})
    roles = {role for node in (reply.get("nodes") or {}).values() for role in node["roles"]}
    if not roles & {"warm", "search"}:
        return "no node has the role `warm`, which searches snapshots"
    return ""


def _mounts_with_ilm(client: OpenSearch) -> str:
    """Why ILM can't mount snapshots; empty if it can."""
    if get_if_supported(client, "/_ilm/status") is None:
        return "searchable snapshots are made by ILM, which it has not"
    license_type = ((get_if_supported(client, "/_license") or {}).get("license") or {}).get("type")
    if license_type not in _LICENSES:
        return "searchable snapshots need an Enterprise license"
    return ""
