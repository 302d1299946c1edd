"""Where a setting was written: a line of the file, an environment variable, a flag.

Every fault is reported with its place, and never with the value, which may be a secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trailhound.settings.written import SafeLoader

Location = Sequence[str | int]
"""A setting's path as pydantic gives it: `("run", "sources", 0, "queue")`."""

_ENV = "TRAILHOUND_"


class Origins:
    """The layers of settings, by precedence: flags, environment, file."""

    def __init__(self, file: Path, flags: Mapping[str, Any]) -> None:
        self._file = file
        self._flags = flags
        self._root = _compose(file)
        self._env = {
            tuple(name.upper().removeprefix(_ENV).lower().split("__")): name
            for name in os.environ
            if name.upper().startswith(_ENV)
        }

    def of(self, location: Location) -> str:
        """The place: `trailhound.yaml:7`, an environment variable, `the command line`.

        That of the layer with the highest precedence that has the setting. If none has it, that of
        the layer with the longest part of its path; empty if none has any part.
        """
        reached = [
            (_depth(self._flags, location), "the command line"),
            self._in_environment(location),
            self._in_file(location),
        ]
        depth, place = max(reached, key=lambda each: each[0])
        return place if depth else ""

    def given(self, location: Location) -> str:
        """The place of a setting that a layer has itself; empty where it has its default."""
        if _depth(self._flags, location) == len(location):
            return "the command line"
        path = tuple(str(part).lower() for part in location)
        for length in range(len(path), 0, -1):
            name = self._env.get(path[:length])
            if name and (length == len(path) or _is_in_json(os.environ[name], path[length:])):
                return name
        depth, place = self._in_file(location)
        return place if depth == len(location) else ""

    def twice(self) -> Iterator[tuple[str, str]]:
        """Names that are given twice in one mapping of the file, which YAML accepts."""
        yield from _twice(self._root, "", self._file)

    def _in_environment(self, location: Location) -> tuple[int, str]:
        path = tuple(str(part).lower() for part in location)
        for length in range(len(path), 0, -1):
            if name := self._env.get(path[:length]):
                # JSON in a variable may hold the rest of the path.
                return len(path), name
        return 0, ""

    def _in_file(self, location: Location) -> tuple[int, str]:
        node, mark, depth = self._root, None, 0
        for part in location:
            step = _step(node, part)
            if step is None:
                break
            mark, node = step
            depth += 1
        return (depth, f"{self._file}:{mark.line + 1}") if mark is not None else (0, "")


def _compose(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return None


def _step(node: yaml.Node | None, part: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    """The position of a key or an item, and its value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


def _depth(content: Any, location: Location) -> int:
    """How many parts of the path a nested mapping has."""
    for depth, part in enumerate(location):
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(location)


def _is_in_json(text: str, path: Location) -> bool:
    try:
        return _depth(json.loads(text), path) == len(path)
    except ValueError:
        return False


def _twice(node: yaml.Node | None, before: str, file: Path) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = f"{before}{key.value}"
            if key.value in seen:
                yield name, f"{file}:{key.start_mark.line + 1}"
            seen.add(key.value)
            yield from _twice(value, f"{name}.", file)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _twice(value, f"{before}{number}.", file)
