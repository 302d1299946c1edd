"""The graph library: fetched by npm as pinned or not at all, read as pinned or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import runpy
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from trailhound.errors import LibraryNotFoundError
from trailhound.report.render.library import PIN, graph_library

SCRIPT = runpy.run_path(str(Path(__file__).parents[4] / "requirements" / "graph_library.py"))
FetchError: type[Exception] = SCRIPT["FetchError"]
FILES = {"dist/shape.min.js": b"draw()", "LICENSE": b"free"}


def digest(algorithm: str, content: bytes) -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called npm, first on the path, that hands out the archive of this folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (tmp_path / "archive").write_bytes(archive.getvalue())
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(
        f"#!{sys.executable}\nimport pathlib, shutil, sys\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "if not (folder / 'archive').exists(): sys.exit('npm error 404')\n"
        "(folder / 'asked').write_text(' '.join(sys.argv[1:4]))\n"
        "shutil.copy(folder / 'archive', pathlib.Path(sys.argv[-1]) / 'shape-1.0.0.tgz')\n"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent))
    return tmp_path


def pinned(folder: Path, **changed: Any) -> Path:
    pin = {
        "name": "shape",
        "version": "1.0.0",
        "integrity": digest("sha512", (folder / "archive").read_bytes()),
        "files": {name: digest("sha256", content) for name, content in FILES.items()},
    }
    path = folder / "shape.json"
    path.write_text(json.dumps(pin | changed))
    return path


def test_it_is_fetched_once_and_read_as_pinned(registry: Path) -> None:
    pin = pinned(registry)
    made = SCRIPT["fetch"](pin)
    assert [path.read_bytes() for path in made] == list(FILES.values())
    assert (registry / "asked").read_text() == "pack shape@1.0.0 --ignore-scripts"
    assert graph_library(pin) == "draw()"
    assert list((registry / "shape").glob(".*")) == []
    (registry / "archive").unlink()
    assert SCRIPT["fetch"](pin) == made  # it is there, so that npm is not asked


def test_what_is_not_as_pinned_is_refused_whole(registry: Path) -> None:
    for wrong in (
        {"integrity": digest("sha512", b"another")},
        {"files": {name: digest("sha256", b"another") for name in FILES}},
    ):
        with pytest.raises(FetchError, match="not as pinned"):
            SCRIPT["fetch"](pinned(registry, **wrong))
        assert list((registry / "shape").iterdir()) == []


def test_a_changed_file_is_neither_used_nor_kept(registry: Path) -> None:
    pin = pinned(registry)
    script, _ = SCRIPT["fetch"](pin)
    script.write_text("steal()")
    with pytest.raises(LibraryNotFoundError, match="as pinned"):
        graph_library(pin)
    SCRIPT["fetch"](pin)
    assert graph_library(pin) == "draw()"


def test_what_npm_says_is_handed_on(registry: Path) -> None:
    pin = pinned(registry)
    (registry / "archive").unlink()
    with pytest.raises(FetchError, match=r"shape@1\.0\.0 \(exit code 1\): npm error 404"):
        SCRIPT["fetch"](pin)


def test_a_machine_without_npm_gets_a_sentence(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(sys, "executable", str(registry / "python"))
    with pytest.raises(FetchError, match=r"there is no npm .*requirements/npm\.txt"):
        SCRIPT["fetch"](pinned(registry))


def test_a_checkout_without_it_says_what_to_run(tmp_path: Path) -> None:
    copy = tmp_path / PIN.name
    copy.write_bytes(PIN.read_bytes())
    with pytest.raises(LibraryNotFoundError, match="not installed") as missing:
        graph_library(copy)
    assert "make assets" in missing.value.hint
