"""Where trail files come from: S3, folders, standard input."""

from __future__ import annotations

import stat
from pathlib import Path

from ingest.objects import Selection, Source
from ingest.sources.local import LocalSource
from ingest.sources.stream import STDIN, StreamSource, standard_input
from trailhound.errors import UsageError
from trailhound.settings import Settings

__all__ = ["LocalSource", "StreamSource", "is_stream", "open_source"]


def open_source(text: str, settings: Settings, selection: Selection | None = None) -> Source:
    """The source that a user names: `s3://bucket/prefix`, a folder, a file, a glob, or `-`.

    A `selection` is only checked here: `objects` takes it. Nothing is listed yet.
    Raises `UsageError` for what names no source or selects nothing, `SettingsError`, and
    `SourceUnreachableError` where it is plain already that nothing can be read.

    >>> type(open_source("/", Settings())).__name__
    'LocalSource'
    """
    _check(selection or Selection())
    if text.startswith("s3://"):
        from ingest.sources.s3 import S3Source  # boto3 takes 0.2 s to load: only where it is used

        return S3Source(text, settings)
    if text == STDIN:
        return standard_input(settings.ingest.max_uncompressed_bytes)
    if "://" in text:
        raise UsageError(
            f"{text}: no source of that kind",
            hint="give s3://bucket/prefix, a folder, a file, a glob, or - for standard input",
        )
    if not text:
        raise UsageError("a source is empty", hint="for this folder give .")
    if is_stream(text):
        return StreamSource(
            text,
            lambda: open(text, "rb"),  # noqa: PTH123 - closed where it is read
            limit=settings.ingest.max_uncompressed_bytes,
        )
    return LocalSource(text)


def is_stream(text: str) -> bool:
    """`-`, a named pipe or `<(command)`: it can be read once, and has neither size nor time."""
    if text == STDIN:
        return True
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _check(selection: Selection) -> None:
    since, until = selection.since, selection.until
    if since is not None and until is not None and since > until:
        raise UsageError(f"--since {since} is after --until {until}", hint="swap the two dates")
    for account in sorted(selection.accounts):
        if not (len(account) == 12 and account.isascii() and account.isdigit()):
            raise UsageError(
                f"--account {account} is no account id", hint="an AWS account id has 12 digits"
            )
