"""Writes the documents and the template that a Trailhound makes of a trail.

    python bench/documents.py TRAIL FOLDER

Run with the packages of the Trailhound in question first on PYTHONPATH: `bench.earlier` does it
with those of an earlier commit. FOLDER gets `template.json`, and in `bodies/` bulk bodies of the
writer's size for the index pattern `NAMESPACE-cloudtrail-*`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMESPACE = "documents"


def write(trail: Path, folder: Path) -> None:
    """Both, by the `bench` and `trailhound` packages that Python finds."""
    from bench.environment import BenchEnvironment, bodies
    from trailhound.cluster import templates

    settings = BenchEnvironment("http://127.0.0.1:9200", folder).settings(NAMESPACE)
    (folder / "template.json").write_text(json.dumps(templates.template("events", settings)))
    (folder / "bodies").mkdir()
    for number, (body, documents) in enumerate(bodies(settings, trail)):
        (folder / "bodies" / f"{number:06d}-{documents}").write_bytes(body)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
