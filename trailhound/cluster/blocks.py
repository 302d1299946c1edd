"""What keeps an index from accepting writes: blocks, a full disk, or being closed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, OpenSearchException

from trailhound.cluster.node_disks import GIB, node_disks

_OF_WRITES = ("read_only", "read_only_allow_delete", "write")
"""The other blocks, `metadata` and `read`, let documents be written."""
_OF_READS = ("read",)
_FLOOD_STAGE = "read_only_allow_delete"
_FULL = re.compile(r"flood-stage|\b(?:FORBIDDEN|TOO_MANY_REQUESTS)/12/")
"""What a refusal says that is due to it."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """Whether an index is closed, and its blocks, named without the prefix `index.blocks.`."""

    closed: bool = False
    blocks: frozenset[str] = frozenset()

    @property
    def takes_writes(self) -> bool:
        """Whether documents can be written to it."""
        return not self.closed and not self.blocks.intersection(_OF_WRITES)


def index_states(client: OpenSearch, index: str) -> dict[str, IndexState]:
    """The state of each index that a name or pattern matches, from the cluster's state, which a
    block on metadata does not hide. Raises opensearch-py's exceptions.
    """
    reply: dict[str, Any] = client.transport.perform_request(
        "GET",
        f"/_cluster/state/metadata/{index}",
        params={
            "filter_path": "metadata.indices.*.state,metadata.indices.*.settings.index.blocks",
            "expand_wildcards": "all",
            "ignore_unavailable": "true",
        },
    )
    found = (reply.get("metadata") or {}).get("indices") or {}
    return {name: _state(about) for name, about in found.items()}


def _state(about: Mapping[str, Any]) -> IndexState:
    blocks = ((about.get("settings") or {}).get("index") or {}).get("blocks") or {}
    set_blocks = frozenset(name for name, value in blocks.items() if value == "true")
    return IndexState(about.get("state") == "close", set_blocks)


def index_state(client: OpenSearch, index: str) -> IndexState:
    """The state of one index; the default state if it does not exist. Raises as `index_states`."""
    return index_states(client, index).get(index, IndexState())


def disk_full(client: OpenSearch, indices: Sequence[str]) -> str:
    """That the engine blocked some of these indices because a disk is full, in a sentence with the
    fullest node; empty if it did not, or if the role may not read the cluster's state.

    The engine sets `index.blocks.read_only_allow_delete` at its flood-stage watermark, puts it back
    while the disk is full, and lifts it afterwards. Raises opensearch-py's exceptions.
    """
    try:
        states = index_states(client, ",".join(indices))
    except AuthorizationException:
        return ""
    full = sorted(name for name, state in states.items() if _FLOOD_STAGE in state.blocks)
    if not full:
        return ""
    more = f" and {len(full) - 1:,} more" if len(full) > 1 else ""
    return (
        f"disk full{_fullest_node(client)}: past the flood-stage watermark the cluster blocks "
        f"{full[0]}{more} (index.blocks.{_FLOOD_STAGE}), and accepts no writes"
    )


def why_refused(client: OpenSearch, index: str, reason: str) -> str:
    """Why the engine refuses a write to an index for now: the index and the reason that it gives;
    for its full disk, the sentence of `disk_full`."""
    if _FULL.search(reason):
        with suppress(OpenSearchException):
            return disk_full(client, [index]) or f"{index}: {reason}"
    return f"{index}: {reason}"


def _fullest_node(client: OpenSearch) -> str:
    """` at node …` with its free space; empty if the role may not read the nodes' statistics."""
    try:
        disks = node_disks(client)
    except AuthorizationException:
        return ""
    if not disks:
        return ""
    fullest = min(disks, key=lambda disk: disk.free / max(1, disk.size))
    free, size = fullest.free / GIB, fullest.size / GIB
    return f" at node {fullest.node} ({free:,.0f} of {size:,.0f} GiB free)"


def writes_blocked(client: OpenSearch, *indices: str) -> dict[str, str]:
    """Those of these indices that reject writes, and why, such as `index.blocks.write` or `it is
    closed`. Without those that do not exist; empty if the role may not read the cluster's state.
    Raises opensearch-py's exceptions.
    """
    return _blocked(client, indices, _OF_WRITES)


def use_blocked(client: OpenSearch, index: str) -> str:
    """Why an index rejects reads or writes, as `writes_blocked`; empty if it takes both."""
    return _blocked(client, [index], (*_OF_WRITES, *_OF_READS)).get(index, "")


def _blocked(client: OpenSearch, indices: Sequence[str], kinds: Sequence[str]) -> dict[str, str]:
    try:
        states = index_states(client, ",".join(indices))
    except AuthorizationException:
        return {}
    return {
        name: "it is closed"
        if state.closed
        else ", ".join(f"index.blocks.{each}" for each in kinds if each in state.blocks)
        for name, state in states.items()
        if state.closed or state.blocks.intersection(kinds)
    }
