"""The wheel as users install it: built, put into an environment of its own, and run from there."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from trailhound import __version__
from trailhound.api import RuleSet
from trailhound.report.render.library import PIN

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
DATA = (
    *("detections/rules/", "detections/notify/templates/", "dashboards/saved_objects/"),
    *(
        "trailhound/engine/locks/",
        "trailhound/report/render/templates/",
        "trailhound/report/render/assets/",
        "trailhound/report/render/libraries/",
    ),
    *("trailhound/cluster/role.json", "trailhound/py.typed", "dashboards/world.json"),
)
COUNT = """
from pathlib import Path
import trailhound, detections
from trailhound.api import RuleSet
assert Path(trailhound.__file__).is_relative_to({site!r}), trailhound.__file__
rules = RuleSet.shipped()
assert not rules.faults, rules.faults
print(len(rules.rules) + len(rules.needs_history))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / built.stdout.split()[-1]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it. What it depends on is taken from the tests' own
    environment, by a path file that is searched after the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    found = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", found)  # one of its own takes 4 s to install
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    return found


def files_below(path: str) -> set[str]:
    """Tracked files, as they are named in the wheel."""
    listed = subprocess.run(
        ["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(listed.stdout.split())


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for data in DATA:
        wanted = files_below(data)
        assert wanted, data
        assert wanted <= names


def test_the_graph_library_is_in_the_wheel_as_pinned_and_with_its_licence(wheel: Path) -> None:
    """It is no file of the repository: the build fetches it."""
    assert files_below("trailhound/report/render/libraries") == {str(PIN.relative_to(ROOT))}
    pin = json.loads(PIN.read_text("utf-8"))
    with zipfile.ZipFile(wheel) as archive:
        found = {
            name: archive.read(f"trailhound/report/render/libraries/cytoscape/{Path(name).name}")
            for name in pin["files"]
        }
    for name, content in found.items():
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert pin["files"][name] == f"sha256-{digest}"
    assert b"The Cytoscape Consortium" in found["LICENSE"]


@pytest.mark.parametrize("module", [False, True], ids=["trailhound", "python -m trailhound"])
def test_the_command_runs_from_the_wheel(python: Path, module: bool, tmp_path: Path) -> None:
    command = [python, "-m", "trailhound"] if module else [python.parent / "trailhound"]
    said = subprocess.run(
        [*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert __version__ in said.stdout


def test_the_shipped_rules_are_loaded_from_the_wheel(python: Path, tmp_path: Path) -> None:
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    said = subprocess.run(
        [python, "-c", COUNT.format(site=str(site))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    rules = RuleSet.shipped()
    assert int(said.stdout) == len(rules.rules) + len(rules.needs_history) > 0
