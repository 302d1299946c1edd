"""Reads a secret of a channel from the setting, or from the file named in it."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from trailhound.errors import SettingsError


def read_secret(given: SecretStr | None, file: Path | None, setting: str) -> str:
    """The secret. Raises `SettingsError`, which names the file and never its content."""
    if given is not None:
        secret = given.get_secret_value().strip()
    elif file is not None:
        try:
            secret = file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise SettingsError(
                f"{setting}_file {file} cannot be read: {reason}",
                hint="the file must contain only the value",
            ) from None
    else:
        secret = ""
    if not secret:
        raise SettingsError(f"{setting} is empty", hint=f"set it, or {setting}_file")
    return secret
