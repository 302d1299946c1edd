"""What a wheel has besides the files of the repository: the graph library of the HTML pages."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GraphLibrary(BuildHookInterface):  # type: ignore[type-arg]
    """Fetches it where it is missing. An editable install is made without it, as `make demo` needs
    no npm: there `make assets` fetches it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Raises `FetchError`, so that no wheel is built without it."""
        if version != "editable":
            script = Path(self.root) / "requirements" / "graph_library.py"
            runpy.run_path(str(script))["fetch"]()
