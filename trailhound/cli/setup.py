"""`trailhound init`."""

from __future__ import annotations

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from

with late_imports():
    from trailhound.cluster.client import connect
    from trailhound.cluster.initialization import InitChange
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.state.setup import init_namespace


LISTING = Listing[InitChange](
    "changes",
    (
        Column("action", lambda each: each.action, "did", ColumnType.ENTIRE),
        Column("name", lambda each: each.name, "name", ColumnType.ENTIRE),
        Column("detail", lambda each: each.detail, "what", whole=True),
    ),
    lambda each: {"name": each.name, "action": each.action, "detail": each.detail},
    empty="nothing to create",
)


def init(
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Create index templates, the ledger, dead-letter and alert indices; upgrade them in place.

    Ledger documents of an earlier release are upgraded to the present form.

    It is safe to run again, and prints what it changed.

    Example: `trailhound init --url https://opensearch.example:9200`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        changes = init_namespace(connect(settings), settings)
    LISTING.show(changes, form)
