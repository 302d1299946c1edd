"""The report as PDF: the HTML page with its print style, printed by a local Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from trailhound.errors import BrowserNotFoundError, ReportError

NAMES: tuple[str, ...] = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
"""Names on the PATH, and paths, where Chromium may be; the first that exists is used."""

SECONDS = 180.0


def find_browser(given: Path | None = None, names: Sequence[str] = NAMES) -> Path:
    """The Chromium to print with: `given`, or the first of `names` that exists.

    Raises `BrowserNotFoundError`.
    """
    if given is not None:
        found = shutil.which(given.expanduser())
        if found is None:
            raise BrowserNotFoundError(
                f"report.browser {given} is not a program", hint="check the path, or leave it out"
            )
        return Path(found)
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    raise BrowserNotFoundError(
        "a PDF needs Chromium to print it, and there is none on this machine",
        hint="install it (Debian: `apt-get install chromium`), name one with report.browser, or "
        "write .html and print that",
    )


def as_pdf(page: str, browser: Path) -> bytes:
    """A PDF of an HTML page. Raises `ReportError` if the browser fails."""
    with tempfile.TemporaryDirectory(prefix="trailhound-pdf-") as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, "utf-8")
        command = [
            str(browser),
            "--headless=new",
            "--disable-gpu",
            "--disable-extensions",
            "--disable-background-networking",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
            *sandbox(),
            source.as_uri(),
        ]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReportError(f"{browser} wrote no PDF: {error}", hint=_HINT) from None
        if not target.exists() or not target.read_bytes().startswith(b"%PDF"):
            lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
            detail = f": {lines[-1][:300]}" if lines else ""
            raise ReportError(
                f"{browser} wrote no PDF (exit code {ended.returncode}){detail}", hint=_HINT
            )
        return target.read_bytes()


_HINT = "write .html and print that in a browser, or name another Chromium with report.browser"


def sandbox() -> list[str]:
    """The flag for Chromium's sandbox, which is switched off only for root, for whom it does not
    work."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
