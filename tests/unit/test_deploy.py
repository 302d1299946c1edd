"""What can be said of the deployment files without a cloud: they start what there is, hardened."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from trailhound.cli.main import app
from trailhound.settings import Settings, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
STOP_SECONDS = Settings.model_fields["run"].get_default(call_default_factory=True).stop_seconds


def understood(arguments: list[str]) -> bool:
    """Whether `trailhound` has such a command with such options."""
    command: Any = typer.main.get_command(app)
    name, *rest = arguments
    known = {option for each in command.commands[name].params for option in each.opts}
    return {each.split("=")[0] for each in rest if each.startswith("--")} <= known


def unit() -> dict[str, list[str]]:
    lines = (DEPLOY / "trailhound.service").read_text("utf-8").splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_the_daemon_hardened() -> None:
    found = unit()
    (start,) = found["ExecStart"]
    assert understood(start.split()[1:])
    assert int(found["TimeoutStopSec"][0]) > STOP_SECONDS
    for name in ("NoNewPrivileges", "DynamicUser", "PrivateTmp", "PrivateDevices"):
        assert found[name] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["RestartPreventExitStatus"] == ["2"]


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    content = (DEPLOY / "kubernetes.yaml").read_text("utf-8")
    return {each["kind"]: each for each in yaml.safe_load_all(content)}


def test_the_pods_are_non_root_and_read_only(manifests: dict[str, Any]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > STOP_SECONDS
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert understood(container["args"])
    guarded = container["securityContext"]
    assert guarded["readOnlyRootFilesystem"] is True
    assert guarded["allowPrivilegeEscalation"] is False
    assert guarded["capabilities"] == {"drop": ["ALL"]}
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in pod["volumes"]
    }
    probes = (container["livenessProbe"], container["readinessProbe"])
    assert [probe["httpGet"]["path"] for probe in probes] == ["/healthz", "/readyz"]


def test_their_settings_are_settings(manifests: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "trailhound.yaml"
    file.write_text(manifests["ConfigMap"]["data"]["trailhound.yaml"], "utf-8")
    settings = load(file)
    assert settings.run.sources[0].queue
    assert settings.run.listen == "0.0.0.0:9464"


def test_the_task_is_non_root_and_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    task = json.loads((DEPLOY / "ecs-task.json").read_text("utf-8"))
    (container,) = task["containerDefinitions"]
    assert understood(container["command"])
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "10001"
    assert container["stopTimeout"] > STOP_SECONDS
    assert {each["sourceVolume"] for each in container["mountPoints"]} == {
        each["name"] for each in task["volumes"]
    }
    for each in container["environment"]:
        monkeypatch.setenv(each["name"], each["value"])
    assert Settings().run.log == "json"
    secrets = {each["name"] for each in container["secrets"]}
    assert secrets == {"TRAILHOUND_CLUSTER__PASSWORD"}
    assert not secrets & {each["name"] for each in container["environment"]}


def test_the_policies_allow_what_is_called_and_no_more() -> None:
    policy = json.loads((DEPLOY / "iam-policy.json").read_text("utf-8"))
    allowed: set[str] = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        allowed |= set([actions] if isinstance(actions, str) else actions)
        assert statement["Resource"] != "*"
    called = {
        "sqs:" + "".join(part.capitalize() for part in call.removesuffix("_batch").split("_"))
        for file in ("sqs.py", "sqs_queue.py")
        for call in re.findall(
            r"client\.((?:get|receive|delete|change)_\w+)\(",
            (ROOT / "ingest" / "feeds" / file).read_text("utf-8"),
        )
    }
    assert {each for each in allowed if each.startswith("sqs:")} == called | {"sqs:SendMessage"}
    assert {each for each in allowed if not each.startswith("sqs:")} == {
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
    }
    sends = json.loads((DEPLOY / "queue-policy.json").read_text("utf-8"))["Statement"][0]
    assert sends["Condition"]["ArnEquals"]["aws:SourceArn"] == "arn:aws:s3:::my-trail-bucket"


def test_the_yaml_on_the_page_is_settings(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "running.md").read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "trailhound.yaml"
    file.write_text("".join(examples), "utf-8")
    found = load(file)
    assert [bool(each.role_arn) for each in found.run.sources] == [False, True, False]
    assert (found.retention.warm_after, found.retention.cold_after) == (14, 90)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_what_the_pages_link_exists(page: Path) -> None:
    for link in re.findall(r"\]\(([^):#]+)\)", page.read_text("utf-8")):
        assert (page.parent / link).exists(), link
