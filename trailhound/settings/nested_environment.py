"""Environment variables of nested settings, parsed by pydantic-settings."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings import SettingsError as PydanticSettingsError

from trailhound.settings import written
from trailhound.settings.variables import DELIMITER, NULL, PREFIX


class _Environment(EnvSettingsSource):
    """The environment, with JSON whose numbers stay as they were written."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002
        decoded = written.load_json(value)
        if field_name in written.COMPARED or not isinstance(value, str | bytes):
            return decoded
        return written.mapped(decoded, written.setting)


def parsed(model: type[BaseModel]) -> tuple[dict[str, Any], list[str]]:
    """As `trailhound.settings.environment.environment`."""
    source = _Environment(
        cast("type[BaseSettings]", model),  # its fields alone are looked at
        case_sensitive=False,
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_parse_none_str=NULL,
    )
    unreadable = _leave_out_unreadable(source)
    return source(), unreadable


def _leave_out_unreadable(source: EnvSettingsSource) -> list[str]:
    """Variables that should hold JSON and do not: one of them would hide all other faults."""
    everything = dict(source.env_vars)
    unreadable = []
    for name, value in everything.items():
        if name.startswith(PREFIX.lower()):
            source.env_vars = {name: value}
            try:
                source()
            except PydanticSettingsError:
                unreadable.append(name)
    source.env_vars = {name: each for name, each in everything.items() if name not in unreadable}
    return unreadable
