"""What an error about a missing index says of the namespaces that there are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from trailhound.errors import NoEventsIndexError, RequestFailedError, TrailhoundError

_ANSWER_SECONDS: Final = 2.0
_SHOWN: Final = 10


def name_namespaces(error: BaseException) -> None:
    """Add the namespaces on the command's cluster to a hint to check `--namespace`; nothing where
    there is none, or where the cluster does not answer."""
    if not isinstance(error, NoEventsIndexError | RequestFailedError):
        return
    if "--namespace" not in error.hint:
        return
    with suppress(Exception):
        # Imported here: the client is slow to import, and every command imports this module.
        from trailhound.cli.options import settings_in_force
        from trailhound.cluster.client import connect
        from trailhound.cluster.namespaces import namespaces_of

        settings = settings_in_force()
        if settings is None:
            return
        there = namespaces_of(connect(settings, timeout=_ANSWER_SECONDS))
        _add(error, [each for each in there if each != settings.namespace])


def _add(error: TrailhoundError, there: Sequence[str]) -> None:
    named = [each or "the one without a name" for each in there]
    more = f" and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    if named:
        error.hint += f" (there are: {', '.join(named[:_SHOWN])}{more})"
