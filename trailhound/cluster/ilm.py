"""Elasticsearch's index lifecycle management. It cannot close an index: the daemon does.

Written from "Index lifecycle management APIs" of Elasticsearch's documentation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from opensearchpy.exceptions import NotFoundError

from trailhound.cluster.lifecycle import Lifecycle

_PHASES: Final = {"delete": {"min_age": "0ms", "actions": {"delete": {}}}}
_BY: Final = "index.lifecycle.name"


class Ilm(Lifecycle):
    """Its policy has one phase, which deletes."""

    def available(self) -> bool:
        return self._action == "delete" and self._answers("/_ilm/status")

    def _put_policy(self) -> None:
        path = f"/_ilm/policy/{self.policy_id}"
        try:
            found = self._request("GET", path)
        except NotFoundError:
            found = {}
        phases = ((found.get(self.policy_id) or {}).get("policy") or {}).get("phases") or {}
        if phases.keys() != _PHASES.keys() or phases["delete"].get("min_age") != "0ms":
            self._request("PUT", path, {"policy": {"phases": _PHASES}})

    def _policies(self, indices: Sequence[str]) -> Mapping[str, str | None]:
        found = self._request("GET", f"/{','.join(indices)}/_settings/{_BY}")
        return {index: _policy_of(found.get(index) or {}) for index in indices}

    def _assign(self, indices: Sequence[str]) -> Collection[str]:
        self._request("PUT", f"/{','.join(indices)}/_settings", {_BY: self.policy_id})
        return ()


def _policy_of(answer: Mapping[str, Any]) -> str | None:
    index = (answer.get("settings") or {}).get("index") or {}
    name = (index.get("lifecycle") or {}).get("name")
    return str(name) if name else None
