"""Writes a report to files, each in the form of its file name extension."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trailhound.errors import UsageError
from trailhound.report.atomic_file import check_writable, write_atomically
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
