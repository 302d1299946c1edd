"""Elasticsearch's index lifecycle management. It can't close indices; the daemon does that.

Written from "Index lifecycle management APIs" of Elasticsearch's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from opensearchpy.exceptions import NotFoundError

from trailhound.batching import batched
from trailhound.cluster.colder_storage import get_if_supported
from trailhound.cluster.lifecycle import INDICES_IN_A_PATH, Lifecycle, Plan, Tier, age, covers

_BY: Final = "index.lifecycle.name"
_SINCE: Final = "index.lifecycle.origination_date"


class Ilm(Lifecycle):
    """One policy with a phase for each tier. A setting of each index says from when its age
    counts."""

    def available(self) -> bool:
        return self._has_phases() and get_if_supported(self._client, "/_ilm/status") is not None

    def can(self, tier: Tier) -> bool:
        if tier == "past":
            return self._retention.action == "delete"
        return tier != "cold" or self._storage.beyond_warm

    def plan(self, due: Mapping[str, Tier]) -> Plan:
        plan = Plan()
        for group in batched(sorted(due), INDICES_IN_A_PATH):
            found = self._request("GET", f"/{','.join(group)}/_settings/index.lifecycle*")
            for index in group:
                lifecycle = _lifecycle(found.get(index) or {})
                policy = lifecycle.get("name")
                # Without a day's begin, as a policy that acted at once needed none.
                aged = not self._retention.tiered or lifecycle.get("origination_date")
                if not policy or (policy == self.policy_id and not aged):
                    plan.steps[index] = due[index]
                elif policy != self.policy_id:
                    plan.managed.append(index)
        if due and self._retention.tiered:
            plan.failed = self._failures(due)
        return plan

    def apply(self, steps: Mapping[str, Tier]) -> dict[str, str]:
        refused: dict[str, str] = {}
        self._put_policy()
        if not self._retention.tiered:
            for group in batched(sorted(steps), INDICES_IN_A_PATH):
                self._assign_all(group, refused)
            return refused
        for index in sorted(steps):
            begin = datetime.strptime(self._names.day_of(index) or "", "%Y.%m.%d")  # noqa: DTZ007
            since = int(begin.replace(tzinfo=UTC).timestamp() * 1000)
            with self.one_refused(index, refused):
                self._assign([index], {_BY: self.policy_id, _SINCE: since})
        return refused

    def _assign_all(self, group: Sequence[str], refused: dict[str, str]) -> None:
        """Give the policy to indices by one request, which the cluster refuses for all of them
        where it refuses it for one: then each by itself."""
        whole: dict[str, str] = {}
        with self.one_refused("", whole):
            self._assign(group, {_BY: self.policy_id})
        for index in group if whole else ():
            with self.one_refused(index, refused):
                self._assign([index], {_BY: self.policy_id})

    def _has_phases(self) -> bool:
        return self._retention.tiered or self._retention.action == "delete"

    def _phases(self) -> dict[str, Any]:
        kept, tiered = self._retention, self._retention.tiered
        phases: dict[str, Any] = {}
        read_only = {"readonly": {}, "forcemerge": {"max_num_segments": 1}}
        warm_after = kept.warm_after if kept.warm_after is not None else kept.cold_after
        if warm_after is not None:
            phases["warm"] = {"min_age": age(warm_after), "actions": read_only}
        if kept.cold_after is not None and self._storage.repository:
            mount = {"snapshot_repository": self._storage.repository}
            phases["cold"] = {
                "min_age": age(kept.cold_after),
                "actions": {"searchable_snapshot": mount},
            }
        if kept.days is not None and kept.action == "delete":
            least = age(kept.days) if tiered else "0ms"
            phases["delete"] = {"min_age": least, "actions": {"delete": {}}}
        return phases

    def _put_policy(self) -> None:
        path = f"/_ilm/policy/{self.policy_id}"
        try:
            found = self._request("GET", path)
        except NotFoundError:
            found = {}
        there = ((found.get(self.policy_id) or {}).get("policy") or {}).get("phases") or {}
        wanted = self._phases()
        if there.keys() != wanted.keys() or not covers(there, wanted):
            self._request("PUT", path, {"policy": {"phases": wanted}})

    def _assign(self, indices: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._request("PUT", f"/{','.join(indices)}/_settings", dict(settings))

    def _failures(self, due: Mapping[str, Tier]) -> dict[str, str]:
        """The indices for which ILM stopped with an error."""
        params = {"only_errors": "true", "only_managed": "true"}
        reply = get_if_supported(self._client, f"/{self._names.days}/_ilm/explain", params) or {}
        failed: dict[str, str] = {}
        for index, about in (reply.get("indices") or {}).items():
            if index in due and about.get("policy") == self.policy_id:
                reason = (about.get("step_info") or {}).get("reason") or "it gives no reason"
                failed[index] = f"ILM, {about.get('failed_step') or 'its policy'}: {reason}"
        return failed


def _lifecycle(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ((answer.get("settings") or {}).get("index") or {}).get(
        "lifecycle"
    ) or {}
    return found
