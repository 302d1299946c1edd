"""Where the engine refuses writes because its disk is full, a command says what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.helpers.processes import LONGEST, start
from tests.helpers.queues import until
from tests.helpers.trails import backfill, documents, record, write_trail
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_AGAIN = 0.2


@contextmanager
def full(client: OpenSearch, index: str) -> Iterator[None]:
    """Within, an index is blocked as at the flood stage: an engine with free space lifts the block
    once in a while, so it is set again and again."""
    ended = threading.Event()

    def block(on: bool | None) -> None:
        client.indices.put_settings(index=index, body={"index.blocks.read_only_allow_delete": on})

    def keep() -> None:
        while not ended.wait(_AGAIN):
            block(True)

    block(True)
    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        block(None)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("blocked", ["the ledger", "the day"])
def test_a_backfill_names_the_full_disk_while_it_waits_and_goes_on(
    client: OpenSearch, settings: Settings, tmp_path: Path, blocked: str, workers: int
) -> None:
    names = Names(settings.prefix)
    backfill(settings, write_trail(tmp_path / "first", [record()]))
    index = (
        names.ledger
        if blocked == "the ledger"
        else next(iter(client.indices.get(index=names.days)))
    )
    second = write_trail(tmp_path / "second", [record(), record()])
    with ExitStack() as running:
        with full(client, index):
            begun = start(settings, "-q", "backfill", str(second), "--workers", str(workers))
            process = running.enter_context(begun)
            until(lambda: b"waiting" in process.written(1) or process.poll() is not None, "a wait")
        _, said = process.communicate(timeout=LONGEST)
    first = next(line for line in said.decode().splitlines() if "waiting" in line)
    assert first.startswith("warning: waiting ")
    assert "s for the cluster: disk full at node " in first
    assert index in first
    assert process.returncode == 0
    assert len(documents(client, settings)) == 3
