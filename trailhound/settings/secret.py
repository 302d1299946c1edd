"""The value of a secret: given in the settings, or in a file that they name."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from trailhound.errors import SettingsError


def read_secret(setting: str, value: SecretStr | None, file: Path | None) -> str | None:
    """The secret: `value`, else the content of `file` without its last line break.

    None if neither is given. Raises `SettingsError` if the file (`{setting}_file`) cannot be read;
    the error names the file and never its content.
    """
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    try:
        return file.expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(
            f"{setting}_file {file} cannot be read: {reason}",
            hint="the file must contain only the value",
        ) from None


def require_secret(setting: str, value: SecretStr | None, file: Path | None) -> str:
    """The secret without white space around it. Raises `SettingsError` where there is none."""
    secret = (read_secret(setting, value, file) or "").strip()
    if not secret:
        raise SettingsError(f"{setting} is empty", hint=f"set it, or {setting}_file")
    return secret
