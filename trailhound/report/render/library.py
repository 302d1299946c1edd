"""The graph library of the interactive pages, Cytoscape.js: part of wheels, fetched in a checkout.

`libraries/cytoscape.json` pins it; `requirements/graph_library.py` fetches it by npm and checks it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from trailhound.errors import LibraryNotFoundError

PIN = Path(__file__).parent / "libraries" / "cytoscape.json"


def graph_library(pin_file: Path = PIN) -> str:
    """The script of the library, with its licence at the top. Raises `LibraryNotFoundError` if it
    is missing or is not the pinned one."""
    pin = json.loads(pin_file.read_text("utf-8"))
    files: dict[str, str] = pin["files"]
    name, wanted = next(each for each in files.items() if each[0].endswith(".js"))
    path: Path = pin_file.parent / pin["name"] / Path(name).name
    known = f"{pin['name']} {pin['version']}"
    hint = "in a checkout `make assets` fetches it by npm; every wheel has it"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise LibraryNotFoundError(
            f"the graph library {known} is not installed", hint=hint
        ) from None
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if f"sha256-{digest}" != wanted:
        raise LibraryNotFoundError(f"{path} is not {known} as pinned", hint=hint)
    return content.decode("utf-8")
