"""What `backfill --verify` does besides reading: verify digests before, raise alerts after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts import trail_files
from detections.alerts.trail_files import WrongFile
from ingest.integrity.expected import ExpectedHashes
from ingest.integrity.findings import VerificationResult, described
from ingest.integrity.scope import VerificationScope
from ingest.objects import Selection
from ingest.sources.layout import place_of
from trailhound.app.integrity.verify import RecordedVerdicts, keys_of, verify
from trailhound.errors import UsageError
from trailhound.settings import Settings
from trailhound.state.objects import BAD, ObjectState
from trailhound.state.store import StateStore


@dataclass(slots=True)
class CheckedChains:
    """Digests that were verified before a backfill; `expected` are the hashes that they list."""

    expected: ExpectedHashes
    whole: VerificationResult
    recorded: RecordedVerdicts

    def as_dict(self) -> dict[str, Any]:
        """As `backfill --verify --json` prints it."""
        found = self.whole.as_dict()
        return {
            "digests": found["digests"],
            "listed": len(self.expected),
            "findings": found["findings"],
            "recorded": self.recorded.as_dict(),
        }


def check_chains(
    client: OpenSearch,
    settings: Settings,
    sources: Sequence[str],
    selection: Selection,
    on_progress: Callable[[int], None] = lambda _: None,
) -> CheckedChains:
    """Verify the digests of what a backfill selects, and record what is wrong with them. Raises
    `UsageError` for a source without digests and files, and as `verify` does."""
    keys = keys_of(settings)
    made = CheckedChains(ExpectedHashes(), VerificationResult(), RecordedVerdicts())
    last = selection.last_folder
    wanted = VerificationScope(
        None if selection.since is None else datetime.combine(selection.since, time(), UTC),
        None if last is None else datetime.combine(last, time.max, UTC),
        selection.accounts,
        selection.regions,
    )
    for source in sources:
        found = verify(
            source,
            settings,
            wanted,
            keys,
            client=client,
            on_progress=on_progress,
            expected=made.expected,
        )
        if not found.places:
            raise UsageError(
                f"{source}: no digests and no trail files here",
                hint="give the bucket or folder above AWSLogs/, or leave out --verify",
            )
        made.whole.join(found.whole)
        made.recorded.add(found.recorded or RecordedVerdicts())
    return made


def alert_of_read(client: OpenSearch, settings: Settings, since: datetime) -> set[str]:
    """Raise an alert for each object that differed from its digest when it was read, since a
    moment. Returns the ids of the new alerts."""
    store = StateStore(client, settings, ObjectState)
    clauses = (
        {"terms": {"integrity.verdict": list(BAD)}},
        {"range": {"integrity.at": {"gte": since.isoformat(timespec="milliseconds")}}},
    )
    wrong = (_wrong_of(entry) for entry in store.all(*clauses))
    return trail_files.record(client, settings, wrong, datetime.now(UTC))


def _wrong_of(entry: ObjectState) -> WrongFile:
    judged = entry.integrity
    assert judged is not None  # noqa: S101 - its verdict was searched for
    place = place_of(entry.uri)
    return WrongFile(
        object=entry.uri,
        detail=described(judged.found, judged.expected),
        expected=judged.expected,
        found=judged.found,
        account=(place.account if place is not None else None) or "",
        region=(place.region if place is not None else None) or "",
        events=entry.indexed,
    )
