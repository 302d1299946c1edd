"""The shipped `.ndjson` files, made from the code: one for each dashboard, with all it needs."""

from __future__ import annotations

from pathlib import Path

from dashboards.catalogue import DASHBOARDS
from dashboards.kibana import for_kibana
from dashboards.ndjson import namespaced, parse, written
from dashboards.saved_object import ndjson

FOLDER = Path(__file__).with_name("saved_objects")


def files(*, kibana: bool = False, prefix: str = "") -> dict[str, str]:
    """File name → content. `kibana`: in Kibana's form; `prefix`: of a namespace (`red-`). Without
    either it depends only on the code."""
    made = {f"{each.id}.ndjson": ndjson(each.saved_objects()) for each in DASHBOARDS}
    if not kibana and not prefix:
        return made
    lines = {name: namespaced(parse(text, name), prefix) for name, text in made.items()}
    return {name: written(for_kibana(each) if kibana else each) for name, each in lines.items()}


def write(folder: Path = FOLDER, *, kibana: bool = False, prefix: str = "") -> dict[Path, str]:
    """Write the files, remove `.ndjson` files without a dashboard. Returns what was done with which
    file: `written` (it is new), `changed` or `removed`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files(kibana=kibana, prefix=prefix)
    done: dict[Path, str] = {}
    for path in sorted(folder.glob("*.ndjson")):
        if path.name not in wanted:
            path.unlink()
            done[path] = "removed"
    for name, content in wanted.items():
        path = folder / name
        is_new = not path.exists()
        if is_new or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8", newline="\n")
            done[path] = "written" if is_new else "changed"
    return done
