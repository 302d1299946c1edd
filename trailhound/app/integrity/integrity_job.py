"""The scheduled verification of a trail's files: which sources, how often, and what it reports."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from opensearchpy import OpenSearch

from detections.running.scheduler import Job, Turn
from ingest.integrity.findings import IntegrityFindingKind
from ingest.integrity.scope import VerificationScope
from trailhound.app.integrity.verify import RecordedVerdicts, keys_of, verify
from trailhound.errors import TrailhoundError, UsageError
from trailhound.plural import plural
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.integrity")
JOB: Final = "integrity"
"""The scheduled job's name."""


def sources_of(settings: Settings) -> list[str]:
    """The sources that the daemon verifies: those of the setting, or those it polls and watches."""
    followed = [str(each.poll or each.watch) for each in settings.run.sources if not each.queue]
    return list(dict.fromkeys(settings.integrity.sources or followed))


class Interrupted(Exception):
    """The daemon is stopping, or another one runs the job now."""


def integrity_job(client: OpenSearch, settings: Settings) -> Job | None:
    """The scheduled verification; None where it is switched off."""
    every = settings.integrity.every
    if every is None:
        return None
    return Job(JOB, every, lambda turn: _run(client, settings, turn))


def _run(client: OpenSearch, settings: Settings, turn: Turn) -> None:
    """Verify every source once. An error of one source does not keep the others from being
    verified, and is raised at the end."""
    sources = sources_of(settings)
    if not sources:
        raise UsageError(
            "nothing is verified: run.sources names queues alone",
            hint="name the bucket in integrity.sources",
        )
    faults: list[str] = []
    for source in sources:
        try:
            faults += _verify_one(client, settings, source, turn)
        except Interrupted:
            return
        except TrailhoundError as error:
            faults.append(f"{source}: {error.message}")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise UsageError(f"{faults[0]}{more}", hint="run `trailhound verify`")


def _verify_one(client: OpenSearch, settings: Settings, source: str, turn: Turn) -> list[str]:
    """Verify one source. Returns why parts of it could not be verified."""
    now = datetime.now(UTC)

    def on_progress(_: int) -> None:
        if not turn.holds_lease():
            raise Interrupted

    made = verify(
        source,
        settings,
        VerificationScope(now - timedelta(days=settings.integrity.days)),
        keys_of(settings),
        client=client,
        on_progress=on_progress,
        now=now,
    )
    whole, recorded = made.whole, made.recorded or RecordedVerdicts()
    for each in whole.findings:
        if each.kind.fails:
            LOG.warning("%s: %s: %s", each.kind.value, each.object, each.detail)
    for uri, indices in recorded.unmarked.items():
        LOG.warning("%s: events are not marked in %s", uri, "; ".join(indices))
    fields = {
        "source": source,
        "digests": whole.digests.valid,
        "files": whole.files.valid,
        "pending": whole.pending,
        "findings": sum(each.kind.fails for each in whole.findings),
        "alerts": len(recorded.alerts),
        "marked": recorded.marked,
    }
    LOG.info("verified", extra={"fields": fields})
    faults = []
    if not (whole.digests.valid or whole.digests.invalid or whole.digests.missing):
        faults.append(
            f"{source}: nothing to verify: no signed digest of the last "
            f"{plural(settings.integrity.days, 'day')}"
        )
    elif not whole.digests.valid:
        faults.append(f"{source}: nothing is verified: no valid digest, see the findings")
    if number := whole.files.unreadable + whole.digests.unreadable:
        first = next(
            each for each in whole.findings if each.kind is IntegrityFindingKind.UNREADABLE
        )
        faults.append(f"{source}: {number:,} could not be read: {first.object}: {first.detail}")
    return faults
