"""What the README and the pages of settings and commands say is what the code says."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ingest.documents.noise_filter import NoiseFilter, filter_doubts
from trailhound.cli.exit_codes import ExitCode
from trailhound.settings import Settings, load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text("utf-8")
COMMANDS = (ROOT / "docs/commands.md").read_text("utf-8")
ROW = re.compile(
    r"^\| `(?P<path>[a-z0-9_.]+)` \| (?P<default>`[^`]*`|–) \| (?P<says>.*)\|$", re.MULTILINE
)


def leaves(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """(dotted path, field) of every setting of the tree."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{before}{name}.")
        else:
            yield before + name, field


def shown(path: str, default: Any) -> str:
    """A default as the table writes it."""
    match default:
        case _ if path == "home":
            return "`~/.trailhound`"
        case None:
            return "–"
        case bool():
            return f"`{str(default).lower()}`"
        case frozenset():
            return f"`{', '.join(sorted(default))}`"
        case "":
            return '`""`'
        case _:
            return f"`{default}`"


def table() -> dict[str, str]:
    """The tables of settings: path to default."""
    tables = [part.split("\n\n")[0] for part in SETTINGS.split("| setting | default |")[1:]]
    return {row["path"]: row["default"] for part in tables for row in ROW.finditer(part)}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    tree = {path: shown(path, field.get_default()) for path, field in leaves(Settings)}
    assert table() == tree


def test_the_default_home_is_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAILHOUND_HOME", raising=False)
    assert Settings().home == Path("~/.trailhound").expanduser()


def test_the_yaml_examples_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRAILHOUND_")]:
        monkeypatch.delenv(name)
    examples = re.findall(r"```yaml\n(.*?)```", SETTINGS, re.DOTALL)
    assert len(examples) == 2
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.yaml"
        file.write_text(example, "utf-8")
        settings = load(file)
        assert settings.model_dump(exclude_unset=True).keys() == yaml.safe_load(example).keys()
        NoiseFilter(settings.filter)


def test_the_filter_example_drops_what_it_says() -> None:
    examples = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", SETTINGS, re.DOTALL))
    blocks = next(example["filter"] for example in examples if "filter" in example)
    noise = NoiseFilter(blocks)
    reserved = "aws-service-role/config.amazonaws.com/"
    recorder, named = (
        {
            "userIdentity": {
                "arn": "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForConfig/x",
                "sessionContext": {
                    "sessionIssuer": {
                        "arn": f"arn:aws:iam::111122223333:role/{path}AWSServiceRoleForConfig"
                    }
                },
            }
        }
        for path in (reserved, "")
    )
    assert filter_doubts(blocks) == []
    assert noise.drops({"eventSource": "kms.amazonaws.com", "eventName": "Decrypt"}) == "filter.0"
    assert noise.drops({"eventName": "ListRoles", **recorder}) == "config-recorder"
    assert noise.drops({"eventName": "ListRoles", "errorCode": "AccessDenied", **recorder}) is None
    assert noise.drops({"eventName": "ListRoles", **named}) is None


def test_every_exit_code_is_explained() -> None:
    explained = COMMANDS.split("| exit code | means |")[1].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", explained, re.MULTILINE)} == set(
        ExitCode
    )


def test_the_policy_is_read_only_and_names_what_it_allows() -> None:
    found = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert found is not None
    statements = json.loads(found[1])["Statement"]
    allowed = {statement["Action"]: statement["Resource"] for statement in statements}
    assert set(allowed) == {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}
    assert allowed["s3:GetObject"] == f"{allowed['s3:ListBucket']}/AWSLogs/*"
    assert all(not resource.endswith(":*") for resource in allowed.values())


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    root = {"type": "Root", "arn": "arn:aws:iam::111122223333:root"}
    record = {
        "eventTime": "2025-03-04T10:00:00Z",
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "StopLogging",
        "userIdentity": root,
        "sourceIPAddress": "203.0.113.9",
    }
    data = json.dumps({"Records": [record, "no record"]}).encode()
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(data))
    monkeypatch.chdir(tmp_path)
    exec(example, {})  # noqa: S102
    *found, fault = capsys.readouterr().out.splitlines()
    assert found
    assert all(line.endswith(" 10") for line in found)
    assert fault.startswith("not read: 1 not_an_object")


def test_files_that_are_linked_exist() -> None:
    links = re.findall(r"\]\(([^):]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link.partition("#")[0]).is_file(), link
