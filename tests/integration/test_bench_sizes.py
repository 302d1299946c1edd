"""The bench's bytes a document are of what is stored now, not of a statistic from before."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from bench.indexing import merged_bytes
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail

PAYLOAD = 1_500


def test_bytes_are_those_of_the_merged_segments(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    noise = random.Random(7)
    write_trail(tmp_path / "trail", [record()], "first")
    backfill(settings, tmp_path / "trail")
    merged_bytes(client, settings)
    client.indices.stats(index=f"{settings.prefix}cloudtrail-*")  # which the engine now remembers
    for name in "ab":
        events = [
            record(errorMessage=base64.b64encode(noise.randbytes(PAYLOAD)).decode())
            for _ in range(200)
        ]
        write_trail(tmp_path / "trail", events, name)
        backfill(settings, tmp_path / "trail")
    size = merged_bytes(client, settings)
    assert PAYLOAD < size < 10 * PAYLOAD
    assert merged_bytes(client, settings) == size
