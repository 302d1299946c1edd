"""Days moved by the daemon itself, where the cluster has neither ISM nor ILM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException

from trailhound.cluster.blocks import index_states
from trailhound.cluster.lifecycle import Lifecycle, Plan, Tier
from trailhound.cluster.refusals import from_response

_MERGES_AT_ONCE: Final = 20
"""Merges that one run starts. The cluster does them one after the other on each node."""

_MERGE_SECONDS: Final = 20
"""Seconds that the daemon waits for them."""


class OwnLifecycle(Lifecycle):
    """Blocks writes to a day and merges it to one segment, also a day that is due for cold storage.

    Days past retention are deleted or closed.
    """

    by_policy = False

    def available(self) -> bool:
        return True

    def can(self, tier: Tier) -> bool:  # noqa: ARG002 - any
        return True

    def plan(self, due: Mapping[str, Tier]) -> Plan:
        steps: dict[str, Tier] = {i: tier for i, tier in due.items() if tier == "past"}
        kept = sorted(due.keys() - steps.keys())
        if kept:
            states, merged = index_states(self._client, self._names.days), self._merged()
            steps |= {
                index: due[index]
                for index in kept
                if not self._mounted(index)
                and (index not in merged or index not in states or states[index].takes_writes)
            }
        return Plan(steps)

    def apply(self, steps: Mapping[str, Tier]) -> dict[str, str]:
        refused: dict[str, str] = {}
        merge: list[str] = []
        for index, tier in sorted(steps.items()):
            with self.one_refused(index, refused):
                if tier == "past":
                    self._end(index)
                    continue
                self._client.indices.put_settings(index=index, body={"index.blocks.write": True})
                merge.append(index)
        if merge := merge[:_MERGES_AT_ONCE]:
            # Not as a background task of the cluster, whose refusal would go unnoticed.
            try:
                self._client.indices.forcemerge(
                    index=",".join(merge),
                    params={"max_num_segments": "1", "request_timeout": _MERGE_SECONDS},
                )
            except ConnectionTimeout:
                pass  # the cluster continues with the merge
            except OpenSearchException as error:
                refused |= dict.fromkeys(merge, from_response(error).message)
        return refused

    def _end(self, index: str) -> None:
        if self._retention.action == "delete":
            self._client.indices.delete(index=index)
        else:
            self._client.indices.close(index=index)

    def _merged(self) -> set[str]:
        """The daily indices that have at most one segment in each shard."""
        reply = self._request(
            "GET",
            f"/{self._names.days}/_stats/segments",
            params={
                "level": "shards",
                "filter_path": "indices.*.shards.*.segments.count",
                "expand_wildcards": "all",
                "forbid_closed_indices": "false",
            },
        )
        return {
            index
            for index, about in (reply.get("indices") or {}).items()
            if all(
                copy["segments"]["count"] <= 1
                for copies in about["shards"].values()
                for copy in copies
            )
        }
