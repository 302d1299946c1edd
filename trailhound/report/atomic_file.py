"""A file of a report or page: checked before the work, and written as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from trailhound.errors import ReportError, UsageError


def check_writable(path: Path) -> None:
    """Check before the work on a file that it can be written. Raises `UsageError` if its folder is
    missing, or if it is a folder."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"{path} can't be written: there is no such folder", hint="create it first"
        )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically, through a temporary file beside it that only the owner can read.
    Raises `ReportError`."""
    try:
        handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(part).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(part).unlink()
            raise
    except OSError as error:
        raise ReportError(
            f"{path} can't be written: {error.strerror}", hint="check the folder and the disk"
        ) from None
