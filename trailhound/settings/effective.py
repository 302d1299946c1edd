"""Every setting with its value and the value's origin; and a file of all settings, commented
out."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from trailhound.settings.loading import settings_file
from trailhound.settings.model import Settings
from trailhound.settings.provenance import Origins

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting with its effective value. `value` is a JSON value, a secret in it as
    `**********`; `origin` is `default`, `FILE:LINE`, an environment variable or `the command
    line`."""

    name: str
    value: Any
    origin: str
    given: Any = None
    """The value without the members of its entries that nobody wrote."""

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "from": self.origin}


def effective(
    settings: Settings, file: Path | None = None, flags: Mapping[str, Any] | None = None
) -> list[Effective]:
    """The settings that `load(file, flags)` made, one by one, in the order of the tree."""
    origins = Origins(settings_file(file), flags or {})
    return [
        Effective(".".join(path), dumped, origins.given(path) or DEFAULT, _given(value, dumped))
        for path, value, dumped in _leaves(settings, settings.model_dump(mode="json"))
    ]


def _leaves(
    section: BaseModel, dumped: Mapping[str, Any], before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, dumped[name], (*before, name))
        else:
            yield (*before, name), value, dumped[name]


def _given(value: Any, dumped: Any) -> Any:
    """A dumped value with only those members of sections in lists and mappings that were given."""
    if isinstance(value, BaseModel):
        return {
            name: _given(getattr(value, name), dumped[name])
            for name in dumped
            if name in value.model_fields_set
        }
    if isinstance(value, Mapping):
        return {
            key: _given(each, inner)
            for each, (key, inner) in zip(value.values(), dumped.items(), strict=True)
        }
    if isinstance(value, (list, tuple)):
        return [_given(each, inner) for each, inner in zip(value, dumped, strict=True)]
    return dumped


_HEAD = (
    "## Settings of Trailhound. What stays commented out has its default, which is shown.",
    "## A setting within a section needs the line of its section too: `engine:` above `  port: …`.",
    "## An environment variable has precedence: cluster.username is TRAILHOUND_CLUSTER__USERNAME.",
    "## `trailhound config show` prints the effective values, and where they come from.",
)


def commented() -> str:
    """A settings file with every setting at its default, commented out: a line without its `# ` is
    YAML. The home folder is shown as `~/.trailhound`, independent of the environment."""
    defaults = Settings.model_construct()
    dumped = defaults.model_dump(mode="json") | {"home": "~/.trailhound"}
    lines = [*_HEAD]
    for name in Settings.model_fields:
        value = getattr(defaults, name)
        if isinstance(value, BaseModel):
            lines += ["", *(f"# # {line}" for line in _summary(type(value)))]
        else:
            lines += ["", *_documented(Settings, name, "")]
        lines += _setting(name, value, dumped[name], "")
    return "\n".join(lines) + "\n"


def _setting(name: str, value: Any, dumped: Any, indent: str) -> Iterator[str]:
    if not isinstance(value, BaseModel):
        yield f"# {indent}{name}: {json.dumps(dumped, ensure_ascii=False)}"
        return
    yield f"# {indent}{name}:"
    for inner in type(value).model_fields:
        yield from _documented(type(value), inner, f"{indent}  ")
        yield from _setting(inner, getattr(value, inner), dumped[inner], f"{indent}  ")


def _documented(section: type[BaseModel], name: str, indent: str) -> Iterator[str]:
    """The docstring of a setting, as comments within the comment."""
    for line in _docstrings(section).get(name, "").splitlines():
        yield f"# {indent}# {line.strip()}"


def _summary(section: type[BaseModel]) -> list[str]:
    return inspect.cleandoc(section.__doc__ or "").split("\n\n")[0].splitlines()


def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    """The texts below the fields of a class. Read from the source: Python keeps none of them."""
    (made,) = ast.parse(inspect.getsource(section)).body
    found: dict[str, str] = {}
    body = made.body if isinstance(made, ast.ClassDef) else []
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = inspect.cleandoc(str(text.value.value))
    return found
