"""`trailhound retry-deadletters`."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.deadletters.retry import Retry
from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from trailhound.app.enrichment import enricher_from
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, plural, say, warn
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.waiting import BLOCKED_CODES

Reopen = Annotated[
    bool,
    typer.Option(
        "--reopen",
        help="Make read-only or closed days writable for the events that wait for them, and "
        "restore each day's state afterwards.",
    ),
]

NewDays = Annotated[
    bool,
    typer.Option(
        "--new-days",
        help="Create the daily indices that exceeded the limit for one object "
        "(ingest.new_days_per_object, ingest.new_days_per_export).",
    ),
]


def retry_deadletters(
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
    reopen: Reopen = False,
    new_days: NewDays = False,
) -> None:
    """Index again what could not be indexed, from the dead-letter index and the spool folder.

    For use after an upgrade of Trailhound, a changed setting, or a repair of the cluster. What is
    indexed is removed from the dead letters.

    Example: `trailhound retry-deadletters --reopen`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        retry = Retry(connect(settings), settings, enricher_from(settings, warn), new_days=new_days)
        tried = retry.run(reopen=reopen)
    counts = tried.counts
    if json:
        emit(tried.as_dict())
    else:
        say(
            f"{plural(counts.read, 'dead letter')} tried: {counts.indexed:,} indexed, "
            f"{counts.duplicates:,} were already in the index, {counts.dead_lettered:,} remain"
        )
        if tried.days.indices:
            say(f"opened and restored: {', '.join(tried.days.indices)}")
        waiting = sum(tried.codes.get(code, 0) for code in BLOCKED_CODES)
        if waiting and not reopen:
            say(
                f"{plural(waiting, 'event')} of read-only or closed days: "
                "`trailhound retry-deadletters --reopen` makes those days writable for them"
            )
        if tried.new_days:
            say(
                f"{plural(tried.codes.get(TOO_MANY_NEW_DAYS, 0), 'event')} of "
                f"{plural(len(tried.new_days), 'day')} without an index "
                f"({_named(tried.new_days)}): "
                "`trailhound retry-deadletters --new-days` creates the indices"
            )
    for index, reason in tried.days.refused.items():
        warn(f"{index} could not be opened for writing: {reason}")
    for index, reason in tried.days.not_restored.items():
        warn(f"{index} could not be restored; make it read-only or close it: {reason}")
    if counts.dead_lettered or tried.days.not_restored:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _named(days: list[str]) -> str:
    """
    >>> _named(["2024.03.01"]), _named(["2024.03.01", "2024.03.02", "2024.03.09"])
    ('2024.03.01', '2024.03.01 to 2024.03.09')
    """
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
