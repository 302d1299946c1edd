"""The shipped `.ndjson` files, made from the code: one a dashboard, each complete in itself."""

from __future__ import annotations

from pathlib import Path

from dashboards.catalogue import DASHBOARDS
from dashboards.saved_object import ndjson

FOLDER = Path(__file__).with_name("saved_objects")


def files() -> dict[str, str]:
    """File name → content; the same content from the same code."""
    return {f"{each.id}.ndjson": ndjson(each.saved_objects()) for each in DASHBOARDS}


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the files, remove `.ndjson` files that no dashboard stands for; what was changed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted, changed = files(), []
    for path in sorted(folder.glob("*.ndjson")):
        if path.name not in wanted:
            path.unlink()
            changed.append(path)
    for name, content in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed
