"""Where trail files come from: S3, folders, standard input."""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from ingest.objects import HISTORY, Selection, Source
from ingest.sources.local import LocalSource
from ingest.sources.stream import (
    STDIN,
    StreamSource,
    opened_pipe,
    standard_input,
    written_pipe,
)
from trailhound.errors import UsageError
from trailhound.regular_files import PIPE, irregular
from trailhound.settings import Settings

__all__ = ["LocalSource", "StreamSource", "is_of_aws", "is_stream", "open_source"]

S3: Final = "s3://"


def open_source(text: str, settings: Settings, selection: Selection | None = None) -> Source:
    """The source that a user names: `s3://bucket/prefix`, `lookup://`, a folder, a file, a glob,
    or `-`.

    A `selection` is only checked here: `objects` takes it. Nothing is listed yet.
    Raises `UsageError` for an invalid source or selection, `SettingsError`, and
    `SourceUnreachableError` if it is known already that nothing can be read.

    >>> type(open_source("/", Settings())).__name__
    'LocalSource'
    """
    _check(selection or Selection())
    if not text:
        raise UsageError("a source is empty", hint="for this folder give .")
    opener = next(opener for matches, opener in _KINDS if matches(text))
    return opener(text, settings)


def is_stream(text: str) -> bool:
    """`-`, a named pipe or `<(command)`: it can be read once, and has neither size nor time."""
    if text == STDIN:
        return True
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def is_of_aws(text: str) -> bool:
    """Whether reading a source takes requests to AWS, and so credentials."""
    return text.startswith((S3, HISTORY))


def _s3(text: str, settings: Settings) -> Source:
    from ingest.sources.s3 import S3Source  # botocore takes long to load: only where it is used

    return S3Source(text, settings)


def _lookup(text: str, settings: Settings) -> Source:
    from ingest.sources.lookup import LookupSource

    return LookupSource(text, settings)


def _unknown(text: str, _: Settings) -> Source:
    raise UsageError(
        f"{text}: not a source",
        hint="give s3://bucket/prefix, lookup://, a folder, a file, a glob, or - for standard "
        "input",
    )


def _standard_input(_: str, settings: Settings) -> Source:
    return standard_input(settings.ingest.max_uncompressed_bytes)


def _pipe(text: str, settings: Settings) -> Source:
    """A named pipe, or what the shell has opened. Raises `UsageError` for a device."""
    if (kind := irregular(text)) and kind != PIPE:
        raise _no_file(text, kind)
    opened = written_pipe if kind else opened_pipe
    return StreamSource(text, partial(opened, text), limit=settings.ingest.max_uncompressed_bytes)


def _local(text: str, _: Settings) -> Source:
    if kind := irregular(Path(text).expanduser()):
        raise _no_file(text, kind)
    return LocalSource(text)


def _no_file(text: str, kind: str) -> UsageError:
    return UsageError(
        f"{text} is {kind}, not a file", hint="pipe the content in: … | trailhound backfill -"
    )


_KINDS: Final[tuple[tuple[Callable[[str], bool], Callable[[str, Settings], Source]], ...]] = (
    (lambda text: text.startswith(S3), _s3),
    (lambda text: text.startswith(HISTORY), _lookup),
    (lambda text: text == STDIN, _standard_input),
    (lambda text: "://" in text, _unknown),
    (is_stream, _pipe),
    (lambda _: True, _local),
)
"""Which names a kind of source has, and what opens it: the first one that matches."""


def _check(selection: Selection) -> None:
    since, until = selection.since, selection.until
    if since is not None and until is not None and since > until:
        raise UsageError(f"--since {since} is after --until {until}", hint="swap the two dates")
    for account in sorted(selection.accounts):
        if not (len(account) == 12 and account.isascii() and account.isdigit()):
            raise UsageError(
                f"--account {account} is not an account id", hint="an AWS account id has 12 digits"
            )
