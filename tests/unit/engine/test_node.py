"""A node's configuration, and what its log is taken to say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from trailhound.engine import node
from trailhound.errors import DiskFullError, EngineStartError, TrailhoundError

TEN_YEARS = 3653


def test_configuration_binds_loopback_and_holds_ten_years(tmp_path: Path) -> None:
    node.write_config(tmp_path, {"action.auto_create_index": False})
    settings = yaml.safe_load((node.config_folder(tmp_path) / "opensearch.yml").read_text())
    assert settings["network.host"] == "127.0.0.1"
    assert settings["discovery.seed_hosts"] == []
    assert settings["cluster.max_shards_per_node"] > TEN_YEARS
    assert settings["search.max_open_pit_context"] > TEN_YEARS
    assert settings["action.auto_create_index"] is False


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ("java.io.IOException: No space left on device", DiskFullError, "too little disk"),
        ("java.lang.OutOfMemoryError: Java heap space", EngineStartError, "Java heap space"),
    ],
)
def test_the_log_tells_why(
    tmp_path: Path, said: str, error: type[TrailhoundError], message: str
) -> None:
    node.log_file(tmp_path).write_text(f"[INFO ] starting\n{said}\n\tat java.base/x.y(Z.java:1)\n")
    explained = node.explain(tmp_path, "the engine ended unexpectedly")
    assert type(explained) is error
    assert message in explained.message
    assert "Z.java" not in explained.message


def test_an_engine_that_said_nothing(tmp_path: Path) -> None:
    explained = node.explain(tmp_path, "the engine ended unexpectedly")
    assert explained.message == "the engine ended unexpectedly, and its log is empty"


def test_tail_reads_the_end_of_a_long_log(tmp_path: Path) -> None:
    node.log_file(tmp_path).write_text("".join(f"line {n}\n" for n in range(200_000)))
    node.console_file(tmp_path).write_bytes(b"\xff said the JVM\n")
    assert node.tail(tmp_path, 3).splitlines() == [
        "line 199998",
        "line 199999",
        "\ufffd said the JVM",
    ]
