"""Days past retention, handed to the cluster's Index State Management plugin.

ISM's own condition for age counts from an index's creation, so that a day that was backfilled
yesterday would be kept for years too long. Hence the daemon says which days are over, by their
names, and the policy says what happens to them at once; ISM does it, tries again where it fails,
and keeps the record. No `ism_template`: a policy by pattern would take foreign indices too.

Written from "Policies" and "ISM API" of the OpenSearch documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, NotFoundError, TransportError

from trailhound.settings import Settings

_STATE = "behind-the-retention"
_ABSENT = frozenset({400, 404, 405})
_POLICY_ID = "index.plugins.index_state_management.policy_id"
AT_ONCE = 50
"""Names of indices in one request's path."""


def policy_id(settings: Settings) -> str:
    """The policy's name.

    >>> policy_id(Settings(namespace="team"))
    'team-trailhound-retention'
    """
    return f"{settings.prefix}trailhound-retention"


def policy(settings: Settings) -> dict[str, Any]:
    """The policy: one state, which deletes or closes, and nothing after it."""
    return {
        "policy": {
            "description": "Trailhound: days past retention.days, put here by its daemon",
            "default_state": _STATE,
            "states": [
                {"name": _STATE, "actions": [{settings.retention.action: {}}], "transitions": []}
            ],
        }
    }


def available(client: OpenSearch, _settings: Settings) -> bool:
    """Whether the cluster has the plugin and lets us use it."""
    return answers(client, "/_plugins/_ism/policies", {"size": "1"})


def answers(client: OpenSearch, path: str, params: dict[str, str] | None = None) -> bool:
    """Whether the cluster has what answers at a path, and lets us ask it."""
    try:
        client.transport.perform_request("GET", path, params=params)
    except AuthorizationException:
        return False
    except TransportError as error:
        if error.status_code in _ABSENT:
            return False
        raise
    return True


def hand_over(
    client: OpenSearch, settings: Settings, indices: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Put the policy on these indices: those that got it now, and those that have another one.

    Indices that have it already are in neither. Raises opensearch-py's exceptions.
    """
    _put_policy(client, settings)
    ours, handed, others = policy_id(settings), [], []
    for start in range(0, len(indices), AT_ONCE):
        group = indices[start : start + AT_ONCE]
        found = _request(client, "GET", f"explain/{','.join(group)}")
        bears = {index: (found.get(index) or {}).get(_POLICY_ID) for index in group}
        others += [index for index in group if bears[index] not in (None, ours)]
        free = [index for index in group if bears[index] is None]
        if free:
            reply = _request(client, "POST", f"add/{','.join(free)}", {"policy_id": ours})
            failed = {each["index_name"] for each in reply.get("failed_indices") or ()}
            handed += [index for index in free if index not in failed]
            others += [index for index in free if index in failed]
    return handed, others


def _put_policy(client: OpenSearch, settings: Settings) -> None:
    """Create it, or bring it up to date where `retention.action` has changed."""
    path, wanted = f"policies/{policy_id(settings)}", policy(settings)
    try:
        found = _request(client, "GET", path)
    except NotFoundError:
        _request(client, "PUT", path, wanted)
        return
    states = (found.get("policy") or {}).get("states") or [{}]
    actions = [set(action) - {"retry"} for action in states[0].get("actions") or ()]
    if actions != [{settings.retention.action}]:
        guard = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
        _request(client, "PUT", path, wanted, guard)


def _request(
    client: OpenSearch,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
) -> dict[str, Any]:
    reply: dict[str, Any] = client.transport.perform_request(
        method, f"/_plugins/_ism/{path}", params=params or {}, body=body
    )
    return reply
