"""What an error about a missing index says of the namespaces that there are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from trailhound.errors import NoEventsIndexError, RequestFailedError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from trailhound.settings import Settings

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
        error.hint += _others([each for each in there if each != settings.namespace])


def require_namespace(client: OpenSearch, settings: Settings) -> None:
    """Raise `NoEventsIndexError` if the cluster has no such namespace; `name_namespaces` adds those
    that it has. Raises opensearch-py's exceptions too."""
    from trailhound.cluster.namespaces import has_namespace

    if has_namespace(client, settings.prefix):
        return
    name = settings.namespace
    raise NoEventsIndexError(
        f"there is no namespace {name}" if name else "there is no namespace without a name",
        hint="`trailhound init` creates it, or check --namespace",
    )


def _others(there: Sequence[str]) -> str:
    named = [each or "the one without a name" for each in there]
    more = f" and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    return f" (there are: {', '.join(named[:_SHOWN])}{more})" if named else ""
