"""Days past retention, handed to Elasticsearch's index lifecycle management.

As with ISM (`trailhound.cluster.ism`) the daemon says which days are over, by their names, and the
policy deletes them at once: ILM's own age counts from an index's creation, so that a day that was
backfilled yesterday would be kept for years too long. ILM cannot close an index: the daemon does.

Written from "Index lifecycle management APIs" of Elasticsearch's documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from trailhound.cluster.ism import AT_ONCE, answers, policy_id
from trailhound.settings import Settings

_PHASES: Final = {"delete": {"min_age": "0ms", "actions": {"delete": {}}}}
_BY: Final = "index.lifecycle.name"


def available(client: OpenSearch, settings: Settings) -> bool:
    """Whether the cluster has ILM, lets us use it, and it can do what `retention.action` says."""
    return settings.retention.action == "delete" and answers(client, "/_ilm/status")


def hand_over(
    client: OpenSearch, settings: Settings, indices: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Put the policy on these indices: those that got it now, and those that have another one.

    What has it already is in neither. Raises opensearch-py's exceptions.
    """
    ours = policy_id(settings)
    _put_policy(client, ours)
    handed: list[str] = []
    others: list[str] = []
    for start in range(0, len(indices), AT_ONCE):
        group = indices[start : start + AT_ONCE]
        found = _request(client, "GET", f"/{','.join(group)}/_settings/{_BY}")
        policies = {index: _policy_of(found.get(index) or {}) for index in group}
        others += [index for index in group if policies[index] not in (None, ours)]
        free = [index for index in group if policies[index] is None]
        if free:
            _request(client, "PUT", f"/{','.join(free)}/_settings", {_BY: ours})
            handed += free
    return handed, others


def _policy_of(answer: dict[str, Any]) -> str | None:
    index = (answer.get("settings") or {}).get("index") or {}
    name = (index.get("lifecycle") or {}).get("name")
    return str(name) if name else None


def _put_policy(client: OpenSearch, name: str) -> None:
    """Create it, or bring it back to what it was."""
    path = f"/_ilm/policy/{name}"
    try:
        found = _request(client, "GET", path)
    except NotFoundError:
        found = {}
    phases = ((found.get(name) or {}).get("policy") or {}).get("phases") or {}
    if phases.keys() != _PHASES.keys() or phases["delete"].get("min_age") != "0ms":
        _request(client, "PUT", path, {"policy": {"phases": _PHASES}})


def _request(
    client: OpenSearch, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    reply: dict[str, Any] = client.transport.perform_request(method, path, body=body)
    return reply
