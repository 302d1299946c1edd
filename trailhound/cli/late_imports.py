"""Imports in a command's module that are deferred until a command runs.

A command's help needs only its options, which exist once its module is imported; what the command
works with takes up to a second to import. So each module of `trailhound.cli` puts the imports that
only its functions use under `with late_imports():`. In the `trailhound` program those names are
placeholders at first, and `import_now` replaces all of them before a command runs or a value is
completed. Elsewhere (tests, other programs) they are ordinary imports.

What a module uses while it is imported (types of options, tables of columns, base classes,
decorators) is imported as usual. Python 3.15 has the same as `lazy from … import …` (PEP 810).
"""

from __future__ import annotations

import builtins
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

_Globals = dict[str, Any]

_waiting: list[_Globals] = []
"""The globals of modules that have placeholders."""
_state = SimpleNamespace(puts_off=False)


class _Placeholder:
    """A name of a module that is not imported yet."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __repr__(self) -> str:
        return f"<{self.name} of {self.module}, which is not imported yet>"

    def found(self) -> Any:
        """Import the module and return the named object."""
        module = builtins.__import__(self.module, fromlist=[self.name])
        return getattr(module, self.name)


class _Module:
    """Stands for a module in `from module import name`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _Placeholder:
        return _Placeholder(self._name, name)


@contextmanager
def late_imports() -> Iterator[None]:
    """A context for a block of `from module import name` at the top of a module of
    `trailhound.cli`."""
    if not _state.puts_off:
        yield
        return

    def stand_in(
        name: str,
        globals: _Globals | None = None,  # noqa: A002 - as Python passes them
        locals: object = None,  # noqa: A002, ARG001
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> _Module:
        if not fromlist or "*" in fromlist or level or globals is None:
            raise ImportError(f"write `from {name} import …` below `late_imports`")
        if not _waiting or _waiting[-1] is not globals:
            _waiting.append(globals)
        return _Module(name)

    real = builtins.__import__
    builtins.__import__ = stand_in  # type: ignore[assignment]
    try:
        yield
    finally:
        builtins.__import__ = real


def put_off() -> None:
    """Defer such imports, of modules imported from now on, until `import_now`.

    Imports make many objects and no garbage, so garbage collection is off until then: it would take
    a tenth of the processor time of a short command.
    """
    _state.puts_off = True
    gc.disable()


def import_now() -> None:
    """Import everything that was deferred; later imports are not deferred."""
    _state.puts_off = False
    while _waiting:
        module = _waiting.pop()
        for name, value in list(module.items()):
            if isinstance(value, _Placeholder):
                module[name] = value.found()
    if not gc.isenabled():
        gc.freeze()  # modules stay to the end: no later collection looks through them, nor the last
        gc.enable()
