"""Which sources of the settings no running daemon follows, by the names that daemons write."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator

from trailhound.settings import FeedSettings
from trailhound.state.daemons import DaemonState


def not_followed(
    sources: Iterable[FeedSettings], daemons: Iterable[DaemonState]
) -> Iterator[FeedSettings]:
    """Those that no active daemon follows; none where no daemon is active, or one of them does not
    say what it follows."""
    reports = [daemon.report for daemon in daemons]
    if not reports or any("sources" not in report for report in reports):
        return
    names = {str(each["name"]) for report in reports for each in report["sources"]}
    for source in sources:
        if not _is_followed(source, names):
            yield source


def _is_followed(source: FeedSettings, names: Collection[str]) -> bool:
    """Whether daemons name a source, in whichever form each has it: a queue by name, URL or ARN, a
    folder by its absolute path."""
    if source.watch is not None:
        path = os.fsencode(os.path.normpath(source.watch.expanduser()))
        name = path.decode("utf-8", "backslashreplace")
        # A relative path is of the daemon's folder, which is not known here.
        return name in names or any(each.endswith(f"/{name}") for each in names)
    return _form(source.place) in map(_form, names)


def _form(name: str) -> str:
    """One form of the names of a queue, and of a bucket with a prefix.

    >>> _form("arn:aws:sqs:eu-west-1:111122223333:trail"), _form("s3://logs/")
    ('trail', 's3://logs')
    """
    return name.rstrip("/") if name.startswith("s3://") else re.split("[/:]", name)[-1]
