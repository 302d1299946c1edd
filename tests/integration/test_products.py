"""What commands say of the product and version that answers, on each that is supported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.processes import printed, run
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.settings import Settings


@pytest.fixture
def settings(each_engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(each_engine, namespace, tmp_path / "home")


def test_doctor_names_the_product_and_its_parts(settings: Settings) -> None:
    prepared(settings)
    found = printed(run(settings, "doctor", "--json").stdout)["findings"]
    facts = {each["what"]: (each["verdict"], each["fact"]) for each in found}
    dialect = dialect_of(connect(settings))
    assert facts["cluster"] == ("ok", dialect.name)
    assert facts["plugins"] == ("ok", ", ".join(f"{label}: no" for label, _ in dialect.parts))
    assert {facts[what][0] for what in ("index templates", "shards", "clock")} == {"ok"}


def test_a_codec_that_the_product_lacks_is_named_by_init(settings: Settings) -> None:
    ended = run(settings, "init", env={"TRAILHOUND_INDEX__CODEC": "zstd"})
    said = ended.stderr.decode()
    assert ended.returncode == 2
    assert "has no codec zstd" in said
    assert "best_compression" in said


def test_monitors_are_refused_where_the_product_has_none(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "monitors"
    env = {"TRAILHOUND_CLUSTER__HOSTS": f'["{settings.hosts[0]}"]'}
    ended = run(settings, "rules", "export", "--monitors", "-o", folder, env=env)
    dialect = dialect_of(connect(settings))
    if dialect.monitors:
        assert ended.returncode == 0
        assert list(folder.iterdir())
    else:
        assert ended.returncode == 2
        assert dialect.name in ended.stderr.decode()
        assert not folder.exists()
