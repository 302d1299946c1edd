"""Settings of a namespace of a test's own, and a client on it: what most tests of an engine use."""

from __future__ import annotations

from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.helpers.trails import own_settings, prepared
from trailhound.settings import Settings


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    """The defaults, on the engine of the session. `init` has run only where a test takes `client`
    too, or does it itself."""
    return own_settings(engine, namespace, tmp_path / "home")


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    """A client on the cluster of `settings`, where `init` has run."""
    return prepared(settings)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """The folder of a trail; it does not exist yet."""
    return tmp_path / "trail"
