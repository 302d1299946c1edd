"""Fetches the graph library of the interactive pages by npm, for wheels and tests (`make assets`).

No third party's code is in this repository. `trailhound/report/render/libraries/cytoscape.json`
names the package, its version, the SHA-512 of npm's archive and the SHA-256 of the two files that
are taken out of it. They are put beside it, into a folder that git ignores; where they are already
there and as pinned, nothing is fetched. Only the standard library is needed: a build has no more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIN = ROOT / "trailhound" / "report" / "render" / "libraries" / "cytoscape.json"
SECONDS = 300


class FetchError(Exception):
    """The library can't be fetched; the text says why, and what to do."""


def fetch(pin_file: Path = PIN) -> list[Path]:
    """The library's files, fetched where missing or not as pinned. Raises `FetchError`."""
    pin = json.loads(pin_file.read_text("utf-8"))
    folder = pin_file.parent / pin["name"]
    targets = {name: folder / Path(name).name for name in pin["files"]}
    if not all(_is_pinned(path, pin["files"][name]) for name, path in targets.items()):
        folder.mkdir(exist_ok=True)
        for name, content in _contents(pin).items():
            _put(targets[name], content)
    return list(targets.values())


def _contents(pin: dict[str, Any]) -> dict[str, bytes]:
    """The pinned files out of npm's archive, each checked."""
    with tempfile.TemporaryDirectory(prefix="trailhound-npm-") as folder:
        archive = _packed(pin, Path(folder))
        found = _digest("sha512", archive.read_bytes())
        if found != pin["integrity"]:
            raise FetchError(
                f"{archive.name} is not as pinned: {found}, not {pin['integrity']}. "
                "Nothing of it was used"
            )
        made = {}
        with tarfile.open(archive) as tar:
            for name, wanted in pin["files"].items():
                member = tar.extractfile(f"package/{name}")
                content = member.read() if member is not None else b""
                if _digest("sha256", content) != wanted:
                    raise FetchError(f"{name} of {archive.name} is not as pinned")
                made[name] = content
        return made


def _packed(pin: dict[str, Any], folder: Path) -> Path:
    """The archive of the package, as npm's registry has it."""
    beside = str(Path(sys.executable).parent)  # where requirements/npm.txt puts one
    npm = shutil.which("npm", path=os.pathsep.join([os.environ.get("PATH", ""), beside]))
    if npm is None:
        raise FetchError(
            "there is no npm on this machine, which fetches the graph library. Install Node.js, or "
            "`pip install --require-hashes -r requirements/npm.txt` (`make assets` does)"
        )
    package = f"{pin['name']}@{pin['version']}"
    sys.stderr.write(f"fetching {package} by npm …\n")
    command = [npm, "pack", package, "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"npm did not fetch {package}: {error}") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = (done.stderr.strip() or done.stdout.strip())[-1_000:]
        raise FetchError(f"npm did not fetch {package} (exit code {done.returncode}): {said}")
    sys.stderr.write(f"fetched {package}, {archives[0].stat().st_size / 2**20:.1f} MiB\n")
    return archives[0]


def _is_pinned(path: Path, wanted: str) -> bool:
    return path.is_file() and _digest("sha256", path.read_bytes()) == wanted


def _digest(algorithm: str, content: bytes) -> str:
    """As npm writes it: the algorithm, and the digest in base 64."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def _put(path: Path, content: bytes) -> None:
    """Whole or not at all: several processes of the tests may fetch at once."""
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(part).chmod(0o644)
    Path(part).replace(path)


if __name__ == "__main__":
    try:
        fetch()
    except FetchError as error:
        sys.exit(str(error))
