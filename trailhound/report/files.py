"""Writes a report to files, each in the form of its file name extension."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trailhound.errors import ReportError, UsageError
from trailhound.report.render.document import as_json
from trailhound.report.render.page import as_html
from trailhound.report.render.pdf import as_pdf, find_browser
from trailhound.report.value import Report
from trailhound.settings import Settings

FORMS = (".html", ".json", ".pdf")


def check(paths: Sequence[Path], settings: Settings) -> None:
    """Check before the work on a report that it can be written. Raises `UsageError`,
    `BrowserNotFoundError`.
    """
    for path in paths:
        if path.suffix.lower() not in FORMS:
            raise UsageError(
                f"{path} does not end with one of {', '.join(FORMS)}",
                hint="the file's name determines the format of the report",
            )
        check_writable(path)
    if any(path.suffix.lower() == ".pdf" for path in paths):
        find_browser(settings.report.browser)


def check_writable(path: Path) -> None:
    """Check before the work on a file that it can be written. Raises `UsageError` if its folder is
    missing, or if it is a folder."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"{path} can't be written: there is no such folder", hint="create it first"
        )


def write(report: Report, paths: Sequence[Path], settings: Settings) -> None:
    """Write each file atomically. Raises `ReportError`."""
    page = as_html(report) if any(path.suffix.lower() != ".json" for path in paths) else ""
    for path in paths:
        match path.suffix.lower():
            case ".html":
                write_atomically(path, page.encode())
            case ".pdf":
                write_atomically(path, as_pdf(page, find_browser(settings.report.browser)))
            case _:
                write_atomically(path, as_json(report).encode())


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
