"""`trailhound init`."""

from __future__ import annotations

from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, out, table
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.state.setup import init_namespace


def init(
    url: Url = None, namespace: Namespace = None, config: Config = None, json: Json = False
) -> None:
    """Create index templates, the ledger, dead-letter and alert indices; upgrade them in place.

    Ledger documents of an earlier release are upgraded to the present form.

    It is safe to run again, and prints what it changed.

    Example: `trailhound init --url https://opensearch.example:9200`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        changes = init_namespace(connect(settings), settings)
    if json:
        emit({"changes": [_row(change) for change in changes]})
        return
    rows = [(change.action, change.name, change.detail) for change in changes]
    out.print(table(["", "name", "what"], rows))


def _row(change: templates.Change) -> dict[str, str]:
    return {"name": change.name, "action": change.action, "detail": change.detail}
