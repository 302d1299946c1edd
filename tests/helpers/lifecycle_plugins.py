"""Stand-ins for ISM and ILM, which the engines of the tests do not have.

Each is the script of a proxy (`tests.faults.proxy`) before a real engine, and answers for that part
alone, as the documentation says. A managed domain's storage and snapshot repositories likewise.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from tests.faults.proxy import Fault, Request, Say


class Plugin(ABC):
    """Policies, which index has which, and how many policies were written."""

    fixture: str
    """The engine that it belongs to."""

    def __init__(
        self,
        *,
        allowed: bool = True,
        repositories: Sequence[str] = (),
        ultrawarm: bool = False,
        cold: Sequence[str] | None = None,
    ) -> None:
        """`cold`: the indices in the domain's cold storage; None where it has none."""
        self.policies: dict[str, Any] = {}
        self.policy_of: dict[str, str] = {}
        self.since: dict[str, Any] = {}
        """By index, from when its age counts."""
        self.ended: set[str] = set()
        """Indices whose policy has nothing more to do."""
        self.failing: dict[str, str] = {}
        self.locked: set[str] = set()
        """Indices whose settings may not be changed, as by `index.blocks.read_only`."""
        self.writes = 0
        self._allowed = allowed
        self._repositories = repositories
        self._ultrawarm, self._cold = ultrawarm, cold

    def script(self, request: Request) -> Fault | None:
        parts = unquote(request.path.partition("?")[0]).strip("/").split("/")
        body = {} if parts[-1] in ("_bulk", "_msearch") else json.loads(request.body or b"{}")
        reply = self._storage(parts) or self.reply(request.method, parts, body)
        return reply if self._allowed or reply is None else refusal(403, "security_exception")

    def _storage(self, parts: list[str]) -> Say | None:
        """What it says of snapshots, and what a managed domain says of its colder storage."""
        match parts:
            case ["_snapshot"]:
                return Say(200, {name: {"type": "s3"} for name in self._repositories})
            case ["_license"]:
                return Say(200, {"license": {"status": "active", "type": "enterprise"}})
            case ["_ultrawarm", "migration", "_status"] if self._ultrawarm:
                return Say(200, {})
            case ["_cold", "indices", "_search"] if self._cold is not None:
                rows = [{"index": index} for index in self._cold]
                return Say(200, {"pagination_id": "1", "total_results": 1, "indices": rows})
            case ["_nodes"] if self._repositories:
                return Say(200, {"nodes": {"one": {"roles": ["data", "warm"]}}})
        return None

    @abstractmethod
    def reply(self, method: str, parts: list[str], body: Any) -> Say | None:
        """What it says; None for what is the engine's to answer."""

    @abstractmethod
    def action(self, name: str) -> dict[str, Any]:
        """What a policy does at once."""

    def put(self, name: str, policy: Any) -> None:
        self.writes += 1
        self.policies[name] = policy

    def assign(self, indices: str, name: str) -> None:
        self.policy_of |= dict.fromkeys(indices.split(","), name)


def refusal(status: int, kind: str) -> Say:
    return Say(status, {"error": {"type": kind}, "status": status})


class IsmPlugin(Plugin):
    """What "ISM API" of OpenSearch's documentation says."""

    fixture = "opensearch"

    def reply(self, method: str, parts: list[str], body: Any) -> Say | None:
        if parts[:2] != ["_plugins", "_ism"]:
            return None
        versions = {"_seq_no": 1, "_primary_term": 1}
        match parts[2:]:
            case ["policies"]:
                return Say(200, {"policies": [], "total_policies": 0})
            case ["policies", name] if method == "PUT":
                self.put(name, body["policy"])
                return Say(201, {"_id": name, **versions})
            case ["policies", name] if name in self.policies:
                return Say(200, {"_id": name, "policy": self.policies[name], **versions})
            case ["policies", _]:
                return refusal(404, "status_exception")
            case ["explain", indices]:
                key = "index.plugins.index_state_management.policy_id"
                return Say(
                    200,
                    {
                        name: {key: self.policy_of.get(name)} | self._progress(name)
                        for name in indices.split(",")
                    },
                )
            case ["remove", indices]:
                for name in indices.split(","):
                    del self.policy_of[name]
                self.ended -= set(indices.split(","))
                return Say(200, {"updated_indices": 1, "failures": False, "failed_indices": []})
            case ["add", indices]:
                self.assign(indices, body["policy_id"])
                return Say(200, {"updated_indices": 1, "failures": False, "failed_indices": []})
        return Say(400, {"error": "no handler"})

    def _progress(self, index: str) -> dict[str, Any]:
        if why := self.failing.get(index):
            failed = {"name": "force_merge", "failed": True}
            return {"action": failed, "info": {"message": why}}
        return {"policy_completed": True} if index in self.ended else {}

    def action(self, name: str) -> dict[str, Any]:
        (state,) = self.policies[name]["states"]
        assert "ism_template" not in self.policies[name]
        assert state["transitions"] == []
        (action,) = state["actions"]
        return dict(action)


class IlmPlugin(Plugin):
    """What "Index lifecycle management APIs" of Elasticsearch's documentation says."""

    fixture = "elasticsearch_8"

    def reply(self, method: str, parts: list[str], body: Any) -> Say | None:
        match parts:
            case ["_ilm", "status"]:
                return Say(200, {"operation_mode": "RUNNING"})
            case ["_ilm", "policy", name] if method == "PUT":
                self.put(name, body["policy"])
                return Say(200, {"acknowledged": True})
            case ["_ilm", "policy", name] if name in self.policies:
                return Say(200, {name: {"version": 1, "policy": self.policies[name]}})
            case ["_ilm", "policy", _]:
                return refusal(404, "resource_not_found_exception")
            case [indices, "_settings", "index.lifecycle*"]:
                return Say(
                    200,
                    {
                        name: {"settings": {"index": {"lifecycle": self._lifecycle(name, policy)}}}
                        for name, policy in self.policy_of.items()
                        if name in indices.split(",")
                    },
                )
            case [indices, "_settings"] if method == "PUT" and self.locked & {*indices.split(",")}:
                return refusal(403, "cluster_block_exception")
            case [indices, "_settings"] if method == "PUT" and "index.lifecycle.name" in body:
                self.assign(indices, body["index.lifecycle.name"])
                if since := body.get("index.lifecycle.origination_date"):
                    self.since |= dict.fromkeys(indices.split(","), since)
                return Say(200, {"acknowledged": True})
            case [_, "_ilm", "explain"]:
                return Say(
                    200,
                    {
                        "indices": {
                            name: {
                                "policy": self.policy_of[name],
                                "step": "ERROR",
                                "failed_step": "forcemerge",
                                "step_info": {"reason": why},
                            }
                            for name, why in self.failing.items()
                        }
                    },
                )
        return None

    def _lifecycle(self, index: str, policy: str) -> dict[str, str]:
        since = self.since.get(index)
        return {"name": policy} | ({"origination_date": str(since)} if since else {})

    def action(self, name: str) -> dict[str, Any]:
        phases = self.policies[name]["phases"]
        assert list(phases) == ["delete"]
        assert phases["delete"]["min_age"] == "0ms"
        return dict(phases["delete"]["actions"])
