"""Packages of other projects that are imported in part, because the whole takes too long.

The `__init__` of opensearch-py imports a query language, an asynchronous client and a second HTTP
library beside the client: most of the time that it takes to import, and none of it is used here.
So in the `trailhound` program such a package starts out empty. Names in `NEEDED` are taken from the
modules that define them; any other name makes the package run its own `__init__`, and from then on
it is as everywhere else. Other programs, and tests, import the package whole.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final

NEEDED: Final[dict[str, dict[str, str]]] = {
    "opensearchpy": {
        "OpenSearch": "opensearchpy.client",
        "Transport": "opensearchpy.transport",
        "JSONSerializer": "opensearchpy.serializer",
        "Urllib3HttpConnection": "opensearchpy.connection.http_urllib3",
    },
    "opensearchpy.connection": {
        "Connection": "opensearchpy.connection.base",
        "Urllib3HttpConnection": "opensearchpy.connection.http_urllib3",
    },
    "opensearchpy.helpers": {},
}
"""Package → name → the module that defines it. A package comes before those in it."""

_lock = threading.RLock()
_running: set[str] = set()
"""Packages whose `__init__` is running, in the thread that holds the lock."""


class _Partial(ModuleType):
    """A package whose `__init__` has not run."""

    def __getattr__(self, name: str) -> Any:
        place = NEEDED[self.__name__].get(name)
        if place is not None:
            value = getattr(import_module(place), name)
            setattr(self, name, value)
            return value
        if name.startswith("__"):  # the import system and `inspect` ask for such
            raise AttributeError(name)
        with _lock:
            if self.__name__ in _running:
                raise AttributeError(name)
            if isinstance(self, _Partial):  # else another thread did it meanwhile
                _run_whole(self)
        return getattr(self, name)


def import_in_part() -> None:
    """Let the packages in `NEEDED` start out empty, those that are not imported yet."""
    for name in NEEDED:
        spec = find_spec(name) if name not in sys.modules else None
        if spec is None:
            continue
        package = module_from_spec(spec)
        package.__class__ = _Partial
        sys.modules[name] = package
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, package)


def _run_whole(package: ModuleType) -> None:
    spec = package.__spec__
    if spec is None or spec.loader is None:
        raise ImportError(f"{package.__name__} can't be imported whole")
    _running.add(package.__name__)
    try:
        spec.loader.exec_module(package)
    finally:
        _running.discard(package.__name__)
    package.__class__ = ModuleType
