"""The checks of `trailhound doctor`, in their order: each has a result and advice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from trailhound.app.doctor.channel_checks import with_last_messages
from trailhound.app.doctor.check import Check, failed
from trailhound.app.doctor.cluster_checks import (
    clock,
    cluster,
    dead_letters,
    disk,
    messages,
    objects,
    plugins,
    retention,
    shards,
    skipped,
    tiers,
)
from trailhound.app.doctor.heap_check import heap
from trailhound.app.doctor.local_checks import local_checks, machine_checks, named_source_checks
from trailhound.app.doctor.not_loaded import loaded_settings, restarts
from trailhound.app.doctor.readiness_checks import joined, readiness_checks
from trailhound.app.doctor.template_checks import index_templates, indices
from trailhound.app.doctor.undetected_checks import late_events, unfinished_backfills
from trailhound.cluster.namespaces import has_namespace
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterError, TrailhoundError
from trailhound.settings import Settings


def diagnose(client: OpenSearch, settings: Settings, source: str | None) -> Iterator[Check]:
    """The checks, one by one. Raises nothing: an unreachable cluster is a failed check."""
    try:
        yield cluster(client)
    except ClusterError as error:
        yield failed("cluster", error)
        yield from local_checks(settings)
    else:
        checks, found = readiness_checks(client, settings)
        asked = _of_cluster(client, settings)
        here = with_last_messages(local_checks(settings), client, settings)
        yield from joined(chain(asked, checks, here), found)
    yield from machine_checks(settings)
    if source:
        yield from named_source_checks(source, settings)


def _of_cluster(client: OpenSearch, settings: Settings) -> Iterator[Check]:
    """Checks that ask a cluster that answers."""
    looks = [*_OF_SERVER, *(_OF_NAMESPACE if _is_there(client, settings) else ())]
    for look in looks:
        try:
            with cluster_errors(settings):
                found = look(client, settings)
                yield from [found] if isinstance(found, Check) else found
        except TrailhoundError as error:
            yield failed(look.__name__.replace("_", " "), error)


def _is_there(client: OpenSearch, settings: Settings) -> bool:
    """Whether there is the namespace; True if that cannot be read, so that each check says why."""
    try:
        return has_namespace(client, settings.prefix)
    except OpenSearchException:
        return True


_OF_SERVER = (plugins, index_templates, shards, heap, disk, clock)
_OF_NAMESPACE = (
    indices,
    tiers,
    retention,
    dead_letters,
    objects,
    messages,
    skipped,
    late_events,
    unfinished_backfills,
    loaded_settings,
    restarts,
)
"""Left out where there is no ledger, since nothing that they read is known: readiness names it."""
