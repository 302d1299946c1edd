"""Settings read from their layers: file, environment, flags; all faults reported at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import yaml
from pydantic import TypeAdapter, ValidationError

from trailhound.errors import SettingsError
from trailhound.settings import written
from trailhound.settings.environment import environment, layered
from trailhound.settings.model import Settings
from trailhound.settings.provenance import Location, Origins
from trailhound.settings.section import FORMS, Section
from trailhound.settings.variables import settings_in, unknown_variables

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFAULT_FILE = "trailhound.yaml"
_LONGEST = 4 * 1024 * 1024
_MOST_VALUES = 200_000
"""Bytes and values of a settings file."""
_ROOT = 0
_A_LIST = 'it is a list: write ["VALUE"], or ["VALUE", "VALUE"]'
_WRITTEN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("list_type", "set_type", "frozen_set_type", "tuple_type"), _A_LIST),
    "dict_type": 'it is a mapping: write {"NAME": "VALUE"}',
    "model_type": "it is a section: write its settings below it, indented",
}
"""Pydantic's types of errors about a value's shape → how to write it, as YAML and as JSON."""
_NOT_JSON: Final = (
    """it is not JSON: write a list as '["VALUE"]', a mapping as '{"NAME": "VALUE"}'"""
)
_MOST_MEANT = 3
"""Most suggestions for an unknown name."""

Check = Callable[["Settings"], Iterable[tuple[Location, str]]]
"""Finds faults that no type shows, such as a filter that is not Sigma: (setting path, fault)."""


def load(
    file: Path | None = None, flags: dict[str, Any] | None = None, check: Check | None = None
) -> Settings:
    """The effective settings: `file` (default `trailhound.yaml`, if there), environment, flags.

    `flags` is a nested mapping shaped like the file, holding only what was given.
    Raises `SettingsError` with every fault at once, each with its place: file and line,
    environment variable, or the command line. `check` is called if the types are valid.
    """
    path = settings_file(file)
    explicit = file is not None or bool(os.environ.get("TRAILHOUND_CONFIG"))
    if not explicit:
        _refuse_strangers(path)
    content = _read(path, explicit=explicit)
    origins = Origins(path, flags or {})
    faults = [f"  {name}: it is given twice ({place})" for name, place in origins.twice()]
    variables, unreadable = environment(Settings)
    given = layered([_by_field(flags or {}), variables, _by_field(content)])
    values, errors = _validated(given)
    faults += [_fault(origins, error["loc"], _said(error)) for error in errors]
    faults += [
        f"  {name}: {_no_such([meant] if meant else [])} ({variable})"
        for variable, name, meant in unknown_variables(Settings)
    ]
    faults = [f"  {name.upper()}: {_NOT_JSON}" for name in unreadable] + faults
    made = Settings.model_construct(_fields_set=set(given), **values)
    if not errors and check is not None:
        faults += [_fault(origins, location, fault) for location, fault in check(made)]
    if faults:
        raise SettingsError(
            "\n".join(["invalid settings:", *faults]),
            hint="see docs/settings.md",
        )
    return made


def _by_field(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with the names of the first level in lower case, as the fields have them."""
    fields = Settings.model_fields
    return {name.lower() if name.lower() in fields else name: content[name] for name in content}


def _validated(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[ErrorDetails]]:
    """The validated values of the given settings, and the errors.

    Each section is validated separately, and only if it is given: building all validators takes
    longer than everything else that a command does at its start.
    """
    values: dict[str, Any] = {}
    errors: list[ErrorDetails] = []
    for name, field in Settings.model_fields.items():
        if name not in given:
            continue
        kind: Any = field.annotation
        try:
            if isinstance(kind, type) and issubclass(kind, Section):
                values[name] = kind.model_validate(given[name])
            else:
                kind = Annotated[(kind, *field.metadata)] if field.metadata else kind
                values[name] = TypeAdapter(kind).validate_python(given[name])
        except ValidationError as error:
            errors += [
                {**each, "loc": (name, *each["loc"])}
                for each in error.errors(include_input=False, include_url=False)
            ]
    for name in given:
        if name not in Settings.model_fields:
            errors.append(_unknown(name))
    return values, errors


def _unknown(name: str) -> ErrorDetails:
    """The error that pydantic gives for a name without a field."""
    return {"type": "extra_forbidden", "loc": (name,), "msg": "", "input": None}


def settings_file(file: Path | None = None) -> Path:
    """The file that is read: the one given, else the environment's (an empty variable names
    none), else the default one, which need not exist."""
    return file or Path(os.environ.get("TRAILHOUND_CONFIG") or DEFAULT_FILE)


def _refuse_strangers(path: Path) -> None:
    """Raises `SettingsError` for a default file of another user in a folder that everybody can
    write to, such as /tmp: settings name programs that are run."""
    try:
        owners = {path.lstat().st_uid, path.stat().st_uid}
        shared = path.absolute().parent.stat().st_mode & stat.S_IWOTH
    except OSError:  # reading it says why
        return
    if shared and owners - {os.geteuid(), _ROOT}:
        raise SettingsError(
            f"{path.absolute()} belongs to another user, and everybody can write to its folder: it "
            "is not read",
            hint="name it with --config if its settings are meant",
        )


def _said(fault: ErrorDetails) -> str:
    """Pydantic's message; for a pattern, what to write; for an unknown name, which one may be
    meant."""
    location = fault["loc"]
    if fault["type"] == "string_pattern_mismatch":
        pattern = str(fault.get("ctx", {}).get("pattern", ""))
        return FORMS.get(pattern, fault["msg"])
    if fault["type"] in _WRITTEN:
        return _WRITTEN[fault["type"]]
    if fault["type"] != "extra_forbidden":
        return fault["msg"].removeprefix("Value error, ")
    return _no_such(_meant(location))


def _no_such(meant: Sequence[str]) -> str:
    suggested = " or ".join(repr(each) for each in meant)
    return "there is no such setting" + (f"; did you mean {suggested}?" if meant else "")


def _meant(location: Location) -> list[str]:
    """The names that may be meant by an unknown one: a similar one beside it, or the full names of
    the few settings and sections elsewhere that have it. At the first level these come first: the
    line of their section may be missing."""
    name = str(location[-1])
    near = get_close_matches(name, _names(Settings, location[:-1]), n=1, cutoff=0.7)
    if near and len(location) > 1:
        return near
    elsewhere = [".".join(each) for each in settings_in(Settings) if each[-1] == name]
    return elsewhere if 0 < len(elsewhere) <= _MOST_MEANT else near


def _names(section: Any, location: Location) -> list[str]:
    """The names in the section at `location`; none if that is no section."""
    for part in location:
        fields = getattr(section, "model_fields", {})
        if part in fields:
            section = fields[part].annotation
        while get_args(section):  # a list's items, a dictionary's values, all but None
            section = next(each for each in reversed(get_args(section)) if each is not type(None))
    return list(getattr(section, "model_fields", {}))


def _fault(origins: Origins, location: Location, message: str) -> str:
    """A line: the setting's name, what is wrong, and where. Never its value: maybe a secret."""
    name = ".".join(str(part) for part in location)
    place = origins.of(location)
    return f"  {name}: {message}" + (f" ({place})" if place else "")


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
    if name in written.COMPARED:
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
