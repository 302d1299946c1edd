"""OpenSearch's Index State Management plugin.

Written from "Policies" and "ISM API" of the OpenSearch documentation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from opensearchpy.exceptions import NotFoundError

from trailhound.cluster.lifecycle import Lifecycle

_STATE: Final = "behind-the-retention"
_POLICY_ID: Final = "index.plugins.index_state_management.policy_id"
_API: Final = "/_plugins/_ism"


class Ism(Lifecycle):
    """Its policy has one state, which deletes or closes, and nothing after it."""

    def available(self) -> bool:
        return self._answers(f"{_API}/policies", {"size": "1"})

    def _policy(self) -> dict[str, Any]:
        return {
            "policy": {
                "description": "Trailhound: days past retention.days, put here by its daemon",
                "default_state": _STATE,
                "states": [{"name": _STATE, "actions": [{self._action: {}}], "transitions": []}],
            }
        }

    def _put_policy(self) -> None:
        path = f"{_API}/policies/{self.policy_id}"
        try:
            found = self._request("GET", path)
        except NotFoundError:
            self._request("PUT", path, self._policy())
            return
        states = (found.get("policy") or {}).get("states") or [{}]
        actions = [set(action) - {"retry"} for action in states[0].get("actions") or ()]
        if actions != [{self._action}]:  # `retention.action` has changed
            guard = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            self._request("PUT", path, self._policy(), guard)

    def _policies(self, indices: Sequence[str]) -> Mapping[str, str | None]:
        found = self._request("GET", f"{_API}/explain/{','.join(indices)}")
        return {index: (found.get(index) or {}).get(_POLICY_ID) for index in indices}

    def _assign(self, indices: Sequence[str]) -> Collection[str]:
        path = f"{_API}/add/{','.join(indices)}"
        reply = self._request("POST", path, {"policy_id": self.policy_id})
        return {each["index_name"] for each in reply.get("failed_indices") or ()}
