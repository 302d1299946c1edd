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


def no_such_namespace(client: OpenSearch, settings: Settings) -> str:
    """A sentence that the cluster has no such namespace, with those that it has; empty if it has
    it. Raises opensearch-py's exceptions.

    Asks for the namespace's own ledger first: a user with the shipped role sees no others.
    """
    from opensearchpy.exceptions import AuthorizationException, NotFoundError

    from trailhound.cluster.namespaces import namespaces_of
    from trailhound.cluster.templates import Names

    with suppress(NotFoundError):
        client.count(index=Names(settings.prefix).ledger)
        return ""
    there: list[str] = []
    with suppress(AuthorizationException):
        there = namespaces_of(client)
    name = settings.namespace
    named = f"no namespace {name}" if name else "no namespace without a name"
    return f"there is {named}: `trailhound init` creates it, or check --namespace{_others(there)}"


def _others(there: Sequence[str]) -> str:
    named = [each or "the one without a name" for each in there]
    more = f" and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    return f" (there are: {', '.join(named[:_SHOWN])}{more})" if named else ""
