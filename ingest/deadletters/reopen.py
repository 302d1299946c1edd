"""Opens days that reject writes for the events that wait for them, and restores them afterwards.

Each block is removed by a separate request, since the cluster rejects other changes of settings in
the same request. The block of a full disk (`read_only_allow_delete`) belongs to the cluster and
stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from trailhound.cluster.blocks import index_state
from trailhound.cluster.refusals import from_response

_BLOCKS = ("read_only", "metadata", "write", "read")
"""Blocks in the order in which they are removed: the first two forbid removing the others."""


@dataclass(slots=True)
class Reopened:
    """Names of indices that were opened for writing; `refused` has the reasons why others could not
    be."""

    indices: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    not_restored: dict[str, str] = field(default_factory=dict)


@contextmanager
def opened(client: OpenSearch, index: str, report: Reopened) -> Iterator[None]:
    """Makes the index accept writes in its block; afterwards it is blocked or closed as before.

    If the cluster refuses either, the report says so. An index that does not exist, or accepts
    writes already, is left unchanged. An interruption restores it; a kill does not.
    """
    undo: list[Callable[[], object]] = []
    try:
        try:
            _open(client, index, undo)
            if undo:
                report.indices.append(index)
        except OpenSearchException as error:
            report.refused[index] = from_response(error).message
        yield
    finally:
        for step in reversed(undo):
            try:
                step()
            except OpenSearchException as error:
                report.not_restored[index] = from_response(error).message


def _open(client: OpenSearch, index: str, undo: list[Callable[[], object]]) -> None:
    """Remove what blocks writes; `undo` gets a step for each change."""
    state = index_state(client, index)
    for name in (each for each in _BLOCKS if each in state.blocks):
        setting = f"index.blocks.{name}"
        client.indices.put_settings(index=index, body={setting: None})
        undo.append(partial(client.indices.put_settings, index=index, body={setting: True}))
    if state.closed:
        undo.append(partial(client.indices.close, index=index))
        client.indices.open(index=index, params={"wait_for_active_shards": "1"})
