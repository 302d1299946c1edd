"""Settings read from their layers: file, environment, flags; all faults reported at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
)
from pydantic_settings import SettingsError as PydanticSettingsError

from trailhound.errors import SettingsError
from trailhound.settings import written
from trailhound.settings.model import Settings
from trailhound.settings.provenance import Location, Origins
from trailhound.settings.section import FORMS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFAULT_FILE = "trailhound.yaml"
COMPARED = ("filter",)
"""Settings whose scalars are compared with events, as they were written."""

_LONGEST = 4 * 1024 * 1024
_MOST_VALUES = 200_000
"""Bytes and values of a settings file."""

Check = Callable[["Settings"], Iterable[tuple[Location, str]]]
"""Finds faults that no type shows, such as a filter that is not Sigma: (setting path, fault)."""


def load(
    file: Path | None = None, flags: dict[str, Any] | None = None, check: Check | None = None
) -> Settings:
    """The settings in force: `file` (default `trailhound.yaml`, if there), environment, flags.

    `flags` is a nested mapping shaped like the file, holding only what was given.
    Raises `SettingsError` with every fault at once, each with its place: file and line,
    environment variable, or the command line. `check` looks at settings that fit so far.
    """
    path = settings_file(file)
    explicit = file is not None or bool(os.environ.get("TRAILHOUND_CONFIG"))
    content = _read(path, explicit=explicit)
    origins = Origins(path, flags or {})
    faults = [f"  {name}: it is given twice ({place})" for name, place in origins.twice()]
    unreadable: list[str] = []

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            environment = _Environment(settings_cls)
            unreadable.extend(_leave_out_unreadable(environment))
            return init_settings, environment, InitSettingsSource(settings_cls, content)

    made: Settings | None = None
    try:
        made = Layered(**(flags or {}))
    except ValidationError as error:
        faults += [
            _fault(origins, fault["loc"], _said(fault))
            for fault in error.errors(include_input=False, include_url=False)
        ]
    except PydanticSettingsError as error:
        faults.append(f"  {error}")
    faults = [f"  {name.upper()}: it is not JSON" for name in unreadable] + faults
    if made is not None and check is not None:
        faults += [_fault(origins, location, said) for location, said in check(made)]
    if made is None or faults:
        raise SettingsError(
            "\n".join(["invalid settings:", *faults]),
            hint="see docs/settings.md",
        )
    # A plain instance: the class above cannot be found again by another process.
    values = {name: getattr(made, name) for name in Settings.model_fields}
    return Settings.model_construct(_fields_set=made.model_fields_set, **values)


def settings_file(file: Path | None = None) -> Path:
    """The file that is read: the one given, else the environment's (an empty variable names
    none), else the default one, which need not exist."""
    return file or Path(os.environ.get("TRAILHOUND_CONFIG") or DEFAULT_FILE)


class _Environment(EnvSettingsSource):
    """The environment, with JSON whose numbers stay as they were written."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002
        decoded = written.load_json(value)
        if field_name in COMPARED or not isinstance(value, str | bytes):
            return decoded
        return written.mapped(decoded, written.setting)


def _leave_out_unreadable(source: EnvSettingsSource) -> list[str]:
    """Variables that should hold JSON and do not: one of them would hide all other faults."""
    everything = dict(source.env_vars)
    unreadable = []
    for name, value in everything.items():
        if name.startswith("trailhound_"):
            source.env_vars = {name: value}
            try:
                source()
            except PydanticSettingsError:
                unreadable.append(name)
    source.env_vars = {name: each for name, each in everything.items() if name not in unreadable}
    return unreadable


def _said(fault: ErrorDetails) -> str:
    """Pydantic's message; for a pattern, what to write; for an unknown name, which one may be
    meant."""
    location = fault["loc"]
    if fault["type"] == "string_pattern_mismatch":
        pattern = str(fault.get("ctx", {}).get("pattern", ""))
        return FORMS.get(pattern, fault["msg"])
    if fault["type"] != "extra_forbidden":
        return fault["msg"].removeprefix("Value error, ")
    known = _names(Settings, location[:-1])
    near = get_close_matches(str(location[-1]), known, n=1, cutoff=0.7)
    return "there is no such setting" + (f"; did you mean {near[0]!r}?" if near else "")


def _names(section: Any, location: Location) -> list[str]:
    """The names that a section of the settings has; none where the way to it is no section."""
    for part in location:
        fields = getattr(section, "model_fields", {})
        if part in fields:
            section = fields[part].annotation
        while get_args(section):  # a list's items, a dictionary's values, all but None
            section = next(each for each in reversed(get_args(section)) if each is not type(None))
    return list(getattr(section, "model_fields", {}))


def _fault(origins: Origins, location: Location, said: str) -> str:
    """A line: the setting's name, what is wrong, and where. Never its value: maybe a secret."""
    name = ".".join(str(part) for part in location)
    place = origins.of(location)
    return f"  {name}: {said}" + (f" ({place})" if place else "")


def _read(path: Path, *, explicit: bool) -> dict[str, Any]:
    """The file's mapping; empty where the default file does not exist."""
    try:
        content = written.load(_text(path))
    except FileNotFoundError:
        if not explicit:
            return {}
        raise SettingsError(f"no settings file at {path}", hint="check --config") from None
    except OSError as error:
        raise SettingsError(
            f"the settings file {path} cannot be read: {error.strerror}",
            hint="check the path and its permissions",
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(
            f"the settings file {path} is not UTF-8 text",
            hint="check --config: it names a YAML file",
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(_not_yaml(path, error), hint="fix that line") from None
    except ValueError as error:  # such as a date of month 13: the parser lets it through
        raise SettingsError(
            f"the settings file {path} holds a value that can't be read: {error}",
            hint="put it in quotes",
        ) from None
    except RecursionError:
        raise SettingsError(
            f"the settings file {path} is nested too deeply", hint="see docs/settings.md"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(
            f"the settings file {path} holds no mapping", hint="start it with `cluster:`"
        )
    _require_bounded(content, path)
    return {str(name): _readable(str(name), value) for name, value in content.items()}


def _readable(name: str, value: Any) -> Any:
    """A setting for pydantic, which reads numbers and booleans from texts."""
    if name in COMPARED:
        return None if isinstance(value, written.Plain) and value in written.NULLS else value
    if name == "detections" and isinstance(value, dict) and "placeholders" in value:
        values = written.mapped(value["placeholders"], str)
        return {**written.mapped(value, written.setting), "placeholders": values or {}}
    return written.mapped(value, written.setting)


def _text(path: Path) -> str:
    """The file's text. A file far too long for settings is refused unread: a pipe, a dump."""
    with path.open("rb") as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise SettingsError(
            f"the settings file {path} is longer than {_LONGEST:,} bytes",
            hint="check --config: it names a YAML file of settings",
        )
    return content.decode("utf-8-sig")


def _require_bounded(content: dict[str, Any], path: Path) -> None:
    """Aliases that repeat aliases make a few lines into millions of values."""
    left, seen = [content], 0
    while left:
        value: Any = left.pop()
        seen += 1
        if seen > _MOST_VALUES:
            raise SettingsError(
                f"the settings file {path} holds more than {_MOST_VALUES:,} values",
                hint="write them without YAML aliases (`*name`)",
            )
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _not_yaml(path: Path, error: yaml.YAMLError) -> str:
    """Where and why; not the line itself, which the parser would quote."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"{path}:{mark.line + 1} is not YAML: {problem}" if mark else f"{path} is not YAML"
