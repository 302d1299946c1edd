"""Set-up of a namespace: templates, indices, and the upgrade of the ledger's documents."""

from __future__ import annotations

from datetime import UTC, datetime

from opensearchpy import OpenSearch

from trailhound.cluster.initialization import InitChange, init
from trailhound.cluster.templates import Names
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.housekeeping import remove_stale
from trailhound.state.migration import begin_catch_up, migrate, note_backfills


def init_namespace(client: OpenSearch, settings: Settings) -> list[InitChange]:
    """Create or upgrade everything of a namespace; idempotent, and safe to interrupt.

    Raises `ForeignTemplateError` if another tool uses one of Trailhound's names,
    `ClusterError`, and opensearch-py's exceptions.
    """
    # Before the templates, without which no daemon of this release starts: it would give rules
    # that never ran checkpoints of now.
    catch_up = begin_catch_up(client, settings)
    changes = init(client, settings)
    ledger = Names(settings.prefix).ledger
    if catch_up is not None:
        what = f"`run --poll` had switched off the scheduled rules: {catch_up.describe()}"
        changes.append(InitChange(ledger, "upgraded", what))
    if noted := note_backfills(client, settings):
        what = f"{plural(noted, 'backfill')} of the last release did not end"
        named = "the next one names the events that no rule has looked at"
        changes.append(InitChange(ledger, "upgraded", f"{what}: {named}"))
    made = migrate(client, settings)
    if made.total:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(made.kinds.items()))
        changes.append(
            InitChange(ledger, "upgraded", f"documents upgraded to the present form: {kinds}")
        )
    changes += [InitChange(ledger, "kept", reason) for reason in made.unreadable.values()]
    stale = remove_stale(client, settings, datetime.now(UTC))
    if stale:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(stale.items()))
        changes.append(
            InitChange(ledger, "upgraded", f"removed documents of processes that ended: {kinds}")
        )
    return changes
