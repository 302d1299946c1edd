"""OpenSearch's Index State Management plugin.

Written from "Policies" and "ISM API" of the OpenSearch documentation, and for managed domains from
"Index State Management" of Amazon OpenSearch Service's developer guide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from trailhound.batching import batched
from trailhound.cluster.colder_storage import ColderStorage, get_if_supported
from trailhound.cluster.lifecycle import INDICES_IN_A_PATH, Lifecycle, Plan, Tier, age, covers
from trailhound.settings import Settings

_STATES: Final[Mapping[Tier, str]] = {
    "warm": "warm",
    "cold": "cold",
    "past": "behind-the-retention",
}
_POLICY_ID: Final = "index.plugins.index_state_management.policy_id"
_API: Final = "/_plugins/_ism"
_MIGRATION: Final = {
    "timeout": "24h",
    "retry": {"count": 5, "backoff": "exponential", "delay": "1h"},
}


class Ism(Lifecycle):
    """One policy for each tier, which acts at once, because ISM counts an index's age only from its
    creation. A day gets the policy of the next tier after the previous one has ended."""

    def __init__(self, client: OpenSearch, settings: Settings, storage: ColderStorage) -> None:
        super().__init__(client, settings, storage)
        self._having: set[str] = set()
        """Indices that have one of our policies."""
        self._due: frozenset[Tier] = frozenset()
        """Tiers whose policies have to be as the settings want them."""

    def available(self) -> bool:
        return get_if_supported(self._client, f"{_API}/policies", {"size": "1"}) is not None

    def can(self, tier: Tier) -> bool:
        return tier != "cold" or self._storage.beyond_warm

    def plan(self, due: Mapping[str, Tier]) -> Plan:
        plan, self._due = Plan(), frozenset(due.values())
        tiers = {self._policy_id(tier): tier for tier in _STATES}
        for group in batched(sorted(due), INDICES_IN_A_PATH):
            found = self._request("GET", f"{_API}/explain/{','.join(group)}")
            for index in group:
                about = found.get(index) or {}
                policy = about.get(_POLICY_ID)
                if policy is not None and policy not in tiers:
                    plan.managed.append(index)
                    continue
                done = tiers[policy] if policy is not None else None
                if policy is not None:
                    self._having.add(index)
                step = self._next(index, due[index], done, about)
                if step is not None:
                    plan.steps[index] = step
                elif why := _failure(about):
                    plan.failed[index] = why
        return plan

    def apply(self, steps: Mapping[str, Tier]) -> dict[str, str]:
        refused: dict[str, str] = {}
        for tier in _STATES:
            indices = [index for index, wanted in steps.items() if wanted == tier]
            if indices or tier in self._due:
                self._put_policy(tier)
            for group in batched(indices, INDICES_IN_A_PATH):
                if before := [index for index in group if index in self._having]:
                    self._request("POST", f"{_API}/remove/{','.join(before)}")
                for index in self._add(group, tier):
                    refused[index] = f"ISM did not take it under the policy {self._policy_id(tier)}"
        return refused

    def _next(
        self, index: str, due: Tier, done: Tier | None, about: Mapping[str, Any]
    ) -> Tier | None:
        """The tier whose policy an index needs now; `done` is that of the policy it has."""
        if due == done:
            return None
        if due == "past":
            return "past"
        if self._mounted(index) or done in ("cold", "past"):
            return None
        if done is None:
            return "warm"
        return "cold" if due == "cold" and about.get("policy_completed") else None

    def _policy_id(self, tier: Tier) -> str:
        ends = {"past": self.policy_id}
        return ends.get(tier, f"{self.policy_id}-{tier}")

    def _policy(self, tier: Tier) -> dict[str, Any]:
        state: dict[str, Any] = {
            "name": _STATES[tier],
            "actions": self._actions(tier),
            "transitions": [],
        }
        states = [state]
        days = self._retention.days
        if tier == "cold" and self._storage.cold and days and self._retention.action == "delete":
            # In cold storage the cluster does not list it: only ISM can find it again.
            name = _STATES["past"]
            state["transitions"] = [
                {"state_name": name, "conditions": {"min_index_age": age(days)}}
            ]
            states.append({"name": name, "actions": [{"cold_delete": {}}], "transitions": []})
        return {
            "policy": {
                "description": "Trailhound: days by their age, put here by its daemon",
                "default_state": state["name"],
                "states": states,
            }
        }

    def _actions(self, tier: Tier) -> list[dict[str, Any]]:
        if tier == "past":
            return [{self._retention.action: {}}]
        if tier == "warm":
            if self._storage.ultrawarm:
                return [{"warm_migration": {}, **_MIGRATION}]
            return [{"read_only": {}}, {"force_merge": {"max_num_segments": 1}}]
        if self._storage.cold:
            return [{"cold_migration": {"timestamp_field": "@timestamp"}, **_MIGRATION}]
        stored = {"repository": self._storage.repository, "snapshot": "{{ctx.index}}"}
        replaced = {"include_aliases": True, "delete_original_index": True}
        return [{"snapshot": stored}, {"convert_index_to_remote": stored | replaced}]

    def _put_policy(self, tier: Tier) -> None:
        path, wanted = f"{_API}/policies/{self._policy_id(tier)}", self._policy(tier)
        try:
            found = self._request("GET", path)
        except NotFoundError:
            self._request("PUT", path, wanted)
            return
        states = (found.get("policy") or {}).get("states")
        if not covers(states, wanted["policy"]["states"]):  # the settings have changed
            guard = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            self._request("PUT", path, wanted, guard)

    def _add(self, indices: Sequence[str], tier: Tier) -> Collection[str]:
        """Assign the policy to indices. Returns those that did not accept it."""
        path = f"{_API}/add/{','.join(indices)}"
        reply = self._request("POST", path, {"policy_id": self._policy_id(tier)})
        return {each["index_name"] for each in reply.get("failed_indices") or ()}


def _failure(about: Mapping[str, Any]) -> str:
    """Why a policy failed for an index, as ISM explains it; empty if it did not."""
    action, retry = about.get("action") or {}, about.get("retry_info") or {}
    if not (action.get("failed") or retry.get("failed")):
        return ""
    info = about.get("info") or {}
    reason = info.get("cause") or info.get("message") or "ISM gives no reason"
    return f"ISM, {action.get('name') or 'its policy'}: {reason}"
