"""`.ndjson` files of saved objects as data: read, put together, renamed, written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dashboards.saved_object import compact
from trailhound.errors import UsageError

Line = dict[str, Any]
"""One saved object, as the file has it."""

_EXPORTED = "name an .ndjson file that was exported from OpenSearch Dashboards or Kibana"
_OURS = re.compile(r"(?<![\w.-])(?:cloudtrail-\*|trailhound-[a-z0-9-]+)")
"""Our indices and our objects' ids, wherever they occur: titles, ids, references, links, Vega."""


def read(path: Path) -> list[Line]:
    """The objects of a file; the summary that `_export` may put at its end is left out.

    Raises `UsageError` where it cannot be read or holds anything else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}",
            hint=_EXPORTED,
        ) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> list[Line]:
    """The objects in a text; `name` is its name in errors. Raises `UsageError`."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{name}:{number} is not JSON: {error}", hint=_EXPORTED) from None
        if isinstance(content, dict) and "exportedCount" in content:
            continue
        if not isinstance(content, dict) or not {"type", "id", "attributes"} <= content.keys():
            raise UsageError(
                f"{name}:{number} is not a saved object",
                hint="each line has a type, an id and attributes",
            )
        lines.append(content)
    if not lines:
        raise UsageError(f"{name} holds no saved object", hint=_EXPORTED)
    return lines


def written(lines: Iterable[Line]) -> str:
    """The content of an `.ndjson` file."""
    return "".join(compact(line) + "\n" for line in lines)


def together(files: Iterable[Sequence[Line]]) -> list[Line]:
    """The objects of several files, each once: that of the first file which has it."""
    found: dict[tuple[str, str], Line] = {}
    for lines in files:
        for line in lines:
            found.setdefault((line["type"], line["id"]), line)
    return list(found.values())


def namespaced(lines: Iterable[Line], prefix: str) -> list[Line]:
    """The objects for another namespace, with its indices, and with ids of their own, so that teams
    that share one Dashboards do not overwrite each other's objects.

    >>> namespaced([{"type": "index-pattern", "id": "cloudtrail-*", "attributes": {}}], "red-")
    [{'type': 'index-pattern', 'id': 'red-cloudtrail-*', 'attributes': {}}]
    """
    if not prefix:
        return list(lines)
    renamed = _OURS.sub(lambda found: prefix + found[0], written(lines))
    return parse(renamed, "the namespaced objects")


def timed(lines: Iterable[Line], since: str, until: str) -> list[Line]:
    """The objects, with dashboards that open on this range (`now-30d`, or a date)."""
    if not (since or until):
        return list(lines)
    given = {key: value for key, value in (("timeFrom", since), ("timeTo", until)) if value}
    return [
        line | {"attributes": line["attributes"] | given} if line["type"] == "dashboard" else line
        for line in lines
    ]
