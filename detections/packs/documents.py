"""YAML documents of rule files, each with its line; a broken one does not affect others."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from sigma.exceptions import SigmaError
from sigma.rule.base import check_alias_expansion

from detections.matcher.written import sigma_values
from detections.rule import FilePosition
from trailhound.regular_files import irregular
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
        *("references", "tags", "fields", "falsepositives", "taxonomy", "date", "modified"),
    }
)
"""Keys whose values are always texts."""


Subject = Literal["rule", "exception", "override", "placeholder", "file", "warning", "note"]
"""The kind of object that has the fault; `warning` and `note` are faults that stop nothing."""


SETTINGS: Final = FilePosition(Path("settings"), 0)
"""The place of a fault of the settings: which file or variable has it is known to the command."""


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A fault of a rule, an exception, an override, a placeholder or a file.

    `stops`: because of it, the rule does not run or the exception is not applied. A `note` is for
    information: nothing is left out, and nothing has to be fixed. A `warning` should be fixed in
    one's own rules, but does not make a pack of others incomplete (`Pack.incomplete`).
    """

    place: FilePosition
    reason: str
    hint: str = ""
    rule_id: str = ""
    stops: bool = True
    what: Subject = "rule"
    setting: tuple[str, ...] = ()
    """The path of the setting that has the fault; `place` is then `SETTINGS`."""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def reason_of(error: Exception) -> str:
    """The text of a pySigma error, without its unknown location."""
    text = str(error).replace(" in None", "").strip()
    return text or type(error).__name__


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document that is a mapping."""

    content: dict[str, Any]
    place: FilePosition
    node: yaml.MappingNode | None = None
    """The position of each key and value."""


def rule_files(path: Path) -> Iterator[Path | RuleFault]:
    """The rule files at `path`, itself or below it, in order; samples are not among them.

    A folder or link that can't be followed is a fault, and so is a folder without any rule file.
    """
    if not path.is_dir():
        yield path
        return
    faults: list[RuleFault] = []

    def unreadable(error: OSError) -> None:
        reason = f"the folder cannot be read: {error.strerror}"
        faults.append(
            RuleFault(FilePosition(Path(error.filename)), reason, "check its mode", what="file")
        )

    found = [
        Path(folder, name)
        for folder, _, names in os.walk(path, onerror=unreadable)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES and not Path(name).stem.endswith(SAMPLES)
    ]
    yield from sorted(found)
    yield from faults
    if not found and not faults:
        reason = f"the folder contains no rule file ({', '.join(SUFFIXES)})"
        yield RuleFault(FilePosition(path), reason, "check the path", stops=False, what="file")


def documents(file: Path) -> Iterator[Document | RuleFault]:
    """Every document of a file. Invalid YAML, or a document that is not a mapping, is a
    fault at its line.

    After invalid YAML, reading continues with the next document (`---`).
    """
    if kind := irregular(file):
        yield RuleFault(
            FilePosition(file), f"it is {kind}, not a file", "check the path", what="file"
        )
        return
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        yield RuleFault(
            FilePosition(file), f"the file cannot be read: {reason}", "check the file", what="file"
        )
        return
    while text:
        text = yield from _until_broken(text, file)


def _until_broken(text: str, file: Path) -> Generator[Document | RuleFault, None, str]:
    """The documents before invalid YAML; returns the rest, at unchanged line numbers."""
    loader = None
    try:
        loader = SafeLoader(text)
        while loader.check_node():
            yield from _document(loader, loader.get_node(), file)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        yield RuleFault(
            FilePosition(file, line), f"not YAML: {problem}", "fix the line", what="file"
        )
        lines = text.split("\n")
        done = next((n for n, each in enumerate(lines) if each), 0)
        after = range(max(line - 1, done + 1), len(lines))
        following = (n for n in after if lines[n].rstrip() == "---")
        begin = next(following, None)
        return "" if begin is None else "\n".join([""] * begin + lines[begin:])
    finally:
        if loader is not None:
            loader.dispose()
    return ""


def _document(loader: Any, node: yaml.Node, file: Path) -> Iterator[Document | RuleFault]:
    place = FilePosition(file, node.start_mark.line + 1)
    twice = list(_repeated_keys(node))
    for each in twice:
        at = FilePosition(file, each.start_mark.line + 1)
        yield RuleFault(
            at, f"the key {each.value!r} occurs twice in one mapping", "remove one of them"
        )
    if twice:
        return
    if not isinstance(node, yaml.MappingNode):
        if not (isinstance(node, yaml.ScalarNode) and node.value in NULLS):
            yield RuleFault(place, "the document is not a mapping", "start it with `title:`")
        return
    content: dict[str, Any] = {}
    try:
        loader.flatten_mapping(node)
        for key, value in node.value:
            at = FilePosition(file, key.start_mark.line + 1)
            content[str(key.value)] = _value(loader, str(key.value), value)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, SigmaError) as error:
        problem = getattr(error, "problem", None) or str(error).replace(" in None", "")
        yield RuleFault(at if content else place, f"not YAML: {problem}", "fix the line")
        return
    yield Document(content, place, node)


def _value(loader: Any, key: str, node: yaml.Node) -> Any:
    """The value of a key of a document.

    Values that are compared with events, and those that are always texts, are kept as written.
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


def _repeated_keys(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Repeated keys, of which YAML would silently use the last."""
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
                    yield key
                names.add(key.value)
            waiting.append(value)
