"""The dashboards that come with Trailhound, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dashboards import ndjson
from dashboards.build import FOLDER
from dashboards.catalogue import DASHBOARDS
from dashboards.ndjson import Line
from trailhound.errors import UsageError

NAMES = tuple(each.id for each in DASHBOARDS)


def chosen(what: Sequence[str]) -> list[Line]:
    """The objects of shipped dashboards, by name, or of files, each once. All dashboards if `what`
    is empty. Raises `UsageError`."""
    return ndjson.together(
        ndjson.read(FOLDER / f"{each}.ndjson" if each in NAMES else _file(each))
        for each in what or NAMES
    )


def object_id(name: str, prefix: str) -> str:
    """The id of a dashboard in Dashboards: a shipped one by its name, any other as it is.

    >>> object_id("overview", "red-"), object_id("my-own", "red-")
    ('red-trailhound-overview', 'my-own')
    """
    return f"{prefix}trailhound-{name}" if name in NAMES else name


def _file(name: str) -> Path:
    if not name.endswith(".ndjson"):
        raise UsageError(
            f"no dashboard is called {name!r}",
            hint=f"choose one of {', '.join(NAMES)}, or name an .ndjson file",
        )
    return Path(name)
