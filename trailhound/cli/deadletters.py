"""`trailhound retry-deadletters`."""

from __future__ import annotations

import typer

from ingest.deadletters.retry import Retry
from trailhound.app.enrichment import enricher_from
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, plural, say, warn
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors


def retry_deadletters(
    url: Url = None, namespace: Namespace = None, config: Config = None, json: Json = False
) -> None:
    """Try again what could not be indexed, from the dead-letter index and the spool folder.

    After an upgrade of Trailhound, a changed setting, or a mended cluster. What is indexed now
    leaves the dead letters.

    Example: `trailhound retry-deadletters`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        tried = Retry(connect(settings), settings, enricher_from(settings, warn)).run()
    counts = tried.counts
    if json:
        emit(tried.as_dict())
    else:
        say(
            f"{plural(counts.read, 'dead letter')} tried: {counts.indexed:,} indexed, "
            f"{counts.duplicates:,} were there already, {counts.dead_lettered:,} remain"
        )
    if counts.dead_lettered:
        raise typer.Exit(1)
