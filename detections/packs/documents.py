"""YAML documents of rule files, each with the line it begins on; a broken one is a fault alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sigma.exceptions import SigmaError
from sigma.rule.base import check_alias_expansion

from detections.matcher.written import sigma_values
from detections.rule import Place
from trailhound.settings.written import (
    NULLS,
    SafeLoader,
    as_written,
    json_value,
    mapped,
    setting,
)

SUFFIXES = (".yml", ".yaml")
SAMPLES = ".samples"
COMPARED = frozenset({"detection", "filter"})
"""Keys whose scalars are compared with events."""
TEXTS = frozenset(
    {
        *("title", "id", "name", "status", "level", "description", "author", "license"),
        *("references", "tags", "fields", "falsepositives", "taxonomy"),
    }
)
"""Keys that hold texts and nothing else."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a rule, an exception or a file.

    `stops` says whether the rule doesn't run for it; otherwise it is a warning.
    """

    place: Place
    reason: str
    hint: str = ""
    rule_id: str = ""
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document that is a mapping."""

    content: dict[str, Any]
    place: Place
    node: yaml.MappingNode | None = None
    """Where each of its keys and values was written."""


def rule_files(path: Path) -> list[Path]:
    """The rule files at `path`, itself or below it, in order; samples are not among them."""
    if path.is_file():
        return [path]
    return sorted(
        each
        for each in path.rglob("*")
        if each.suffix in SUFFIXES and not each.stem.endswith(SAMPLES) and each.is_file()
    )


def documents(file: Path) -> Iterator[Document | Fault]:
    """Every document of a file. What is not YAML, or no mapping, is a fault at its line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        yield Fault(Place(file), f"the file cannot be read: {reason}", "check the file")
        return
    loader = None
    try:
        loader = SafeLoader(text)
        while loader.check_node():
            yield from _document(loader, loader.get_node(), file)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        yield Fault(Place(file, line), f"not YAML: {said}", "mend the line; what follows is unread")
    finally:
        if loader is not None:
            loader.dispose()


def _document(loader: Any, node: yaml.Node, file: Path) -> Iterator[Document | Fault]:
    place = Place(file, node.start_mark.line + 1)
    twice = _repeated_key(node)
    if twice is not None:
        at = Place(file, twice.start_mark.line + 1)
        yield Fault(at, f"the key {twice.value!r} stands twice in one mapping", "leave one of them")
        return
    if not isinstance(node, yaml.MappingNode):
        if not (isinstance(node, yaml.ScalarNode) and node.value in NULLS):
            yield Fault(place, "the document is not a mapping", "start it with `title:`")
        return
    content: dict[str, Any] = {}
    try:
        loader.flatten_mapping(node)
        for key, value in node.value:
            at = Place(file, key.start_mark.line + 1)
            content[str(key.value)] = _value(loader, str(key.value), value)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, SigmaError) as error:
        problem = getattr(error, "problem", None) or str(error).replace(" in None", "")
        yield Fault(at if content else place, f"not YAML: {problem}", "fix the line")
        return
    yield Document(content, place, node)


def _value(loader: Any, key: str, node: yaml.Node) -> Any:
    """What stands under a key of a document.

    What is compared with events, and what can only be a text, is taken as it was written.
    """
    if key in COMPARED:
        value = as_written(node)
        check_alias_expansion(value)
        return sigma_values(value) if isinstance(value, dict) else mapped(value, json_value)
    if key in TEXTS:
        value = as_written(node)
        check_alias_expansion(value)
        return mapped(value, setting)
    return loader.construct_document(node)


def _repeated_key(root: yaml.Node) -> yaml.Node | None:
    """A key that YAML would let win over an earlier one of the same name, silently."""
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
            continue
        names: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in names:
                    return key
                names.add(key.value)
            waiting.append(value)
    return None
