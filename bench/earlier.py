"""The documents and the template of the last release, made by its own code out of git."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EARLIER = "3c22c6c"
"""The commit before documents and template were made smaller."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a Trailhound makes of a trail: its template of events, and its documents."""

    template: dict[str, Any]
    documents: list[tuple[bytes, bytes]]
    """`_id` and text of each."""


def of_now(trail: Path, folder: Path) -> Made:
    """By the packages of this checkout."""
    return _made(trail, folder, ROOT)


def of_commit(trail: Path, folder: Path, commit: str = EARLIER) -> Made:
    """By the packages of an earlier commit. Raises `RuntimeError` where git does not have it."""
    sources = folder / "sources"
    found = subprocess.run(
        ["git", "archive", commit],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        reason = found.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"git has no commit {commit} ({reason}): fetch the whole history")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(sources, filter="data")
    return _made(trail, folder, sources)


def _made(trail: Path, folder: Path, packages: Path) -> Made:
    out = folder / "made"
    out.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-P", ROOT / "bench" / "documents.py", trail, out],
        env=os.environ | {"PYTHONPATH": str(packages)},
        check=True,
    )
    bodies = (path.read_bytes() for path in sorted((out / "bodies").iterdir()))
    return Made(json.loads((out / "template.json").read_text()), list(documents(bodies)))


def documents(bodies: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """`_id` and text of each document of bulk bodies."""
    for body in bodies:
        lines = body.splitlines()
        for head, document in zip(lines[::2], lines[1::2], strict=True):
            yield json.loads(head)["create"]["_id"].encode(), document
