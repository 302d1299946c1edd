"""Verifies a source by CloudTrail's digests, and records the verdicts if it is given a cluster.

Recording writes the verdicts to the ledger, marks the events of files that are not genuine, and
raises alerts. Without a cluster it only reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts import trail_files
from detections.alerts.trail_files import WrongFile
from ingest.integrity.digest import Place
from ingest.integrity.expected import ExpectedHashes
from ingest.integrity.findings import IntegrityFinding, IntegrityFindingKind, VerificationResult
from ingest.integrity.keys import KeysApi, PublicKeys
from ingest.integrity.marking import EventMarker
from ingest.integrity.recording import LedgerRecord
from ingest.integrity.scope import VerificationScope
from ingest.integrity.store import BucketStore, FolderStore, Store
from ingest.integrity.verification import Verification
from ingest.sources.session import cloudtrail_client
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

_LOCAL_THREADS: Final = 4
_ALERTED: Final = (
    IntegrityFindingKind.UNLISTED,
    IntegrityFindingKind.GAP,
    IntegrityFindingKind.STALE,
)
"""Findings that no digest contradicts: their alerts are of a lower level."""


@dataclass(slots=True)
class RecordedVerdicts:
    """What a verification recorded: numbers of objects by verdict, ids of new alerts, the number of
    marked events, and by object the indices whose events could not be marked."""

    verdicts: Counter[str] = field(default_factory=Counter)
    alerts: set[str] = field(default_factory=set)
    marked: int = 0
    unmarked: dict[str, Sequence[str]] = field(default_factory=dict)

    def add(self, other: RecordedVerdicts) -> None:
        self.verdicts.update(other.verdicts)
        self.alerts |= other.alerts
        self.marked += other.marked
        self.unmarked |= other.unmarked

    def as_dict(self) -> dict[str, Any]:
        """As JSON, which docs/integrity.md describes."""
        return {
            "verdicts": dict(sorted(self.verdicts.items())),
            "alerts": sorted(self.alerts),
            "marked": self.marked,
            "unmarked": {uri: list(each) for uri, each in sorted(self.unmarked.items())},
        }


@dataclass(slots=True)
class Verified:
    """The result: `places` has the verdict on each account and region, `whole` all of them
    together. `recorded` is None where nothing was recorded."""

    places: list[tuple[Place, VerificationResult]]
    whole: VerificationResult
    recorded: RecordedVerdicts | None = None


def verify(
    source: str,
    settings: Settings,
    wanted: VerificationScope,
    keys: PublicKeys | None = None,
    *,
    client: OpenSearch | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
    now: datetime | None = None,
    expected: ExpectedHashes | None = None,
) -> Verified:
    """Verify a bucket or folder.

    Without `keys` each region is asked for its public keys. With `client` the result is recorded.
    With `expected` no file is read; the hashes of the digests are added to it. `on_progress` is
    called with the number of files verified so far. Raises `SourceError`s, `ClusterError` and
    opensearch-py's exceptions.
    """
    now = now or datetime.now(UTC)
    store: Store = (
        BucketStore(source, settings) if source.startswith("s3://") else FolderStore(source)
    )
    marker = None if client is None else EventMarker(client, settings)
    record = None
    if client is not None and marker is not None:
        record = LedgerRecord(client, settings, _marking(marker))
    places = Verification(
        store,
        keys or PublicKeys(),
        wanted,
        api_of=None if keys is not None else _apis(settings),
        limit=settings.ingest.max_uncompressed_bytes,
        threads=settings.ingest.prefetch_threads if store.signed else _LOCAL_THREADS,
        now=now,
        on_progress=on_progress,
        record=record,
        expects=expected.add if expected is not None else None,
    ).run()
    made = Verified(places, VerificationResult())
    for _, verdict in places:
        made.whole.join(verdict)
    if client is not None and record is not None and marker is not None:
        record.close()
        wrong = [each for place, verdict in places for each in _wrong(place, verdict, record)]
        made.recorded = RecordedVerdicts(
            record.verdicts,
            trail_files.record(client, settings, wrong, now),
            marker.marked,
            record.unmarked,
        )
    return made


def _marking(marker: EventMarker) -> Callable[[ObjectState], Sequence[str]]:
    def mark(entry: ObjectState) -> Sequence[str]:
        return marker.mark(entry.uri, entry.integrity.verdict) if entry.integrity else ()

    return mark


def _wrong(place: Place, verdict: VerificationResult, record: LedgerRecord) -> Iterator[WrongFile]:
    """The files to raise alerts about. Those that no digest lists are joined, one for each
    folder."""
    files = [each for each in verdict.findings if each.expected]
    read = record.known([each.object for each in files])
    for each in files:
        entry = read.get(each.object)
        gone = each.kind is IntegrityFindingKind.MISSING
        detail = "it is gone, and a digest names it" if gone else each.detail
        if entry is not None and entry.is_genuine:
            detail += "; its events were read before, from the file that the digest lists"
        yield WrongFile(
            object=each.object,
            detail=detail,
            expected=each.expected,
            found=each.found,
            account=place.account,
            region=place.region,
            events=entry.indexed if entry is not None else 0,
        )
    for kind in _ALERTED:
        folders: dict[str, list[IntegrityFinding]] = {}
        for each in (each for each in verdict.findings if each.kind is kind):
            folder = (
                str(PurePosixPath(each.object).parent)
                if kind is IntegrityFindingKind.UNLISTED
                else ""
            )
            folders.setdefault(folder.replace("s3:/", "s3://", 1) or each.detail, []).append(each)
        for folder, found in folders.items():
            alone = len(found) == 1
            yield WrongFile(
                object=found[0].object if alone else f"{folder}/",
                detail=found[0].detail if alone else f"{len(found):,} files that no digest lists",
                expected=_EXPECTED[kind],
                found=folder if kind is IntegrityFindingKind.UNLISTED else found[0].detail,
                account=place.account,
                region=place.region,
                uncovered=True,
            )


_EXPECTED: Final = {
    IntegrityFindingKind.UNLISTED: "every file is listed by the digest of its hour",
    IntegrityFindingKind.GAP: "a digest of every hour",
    IntegrityFindingKind.STALE: "a digest every hour",
}


def _apis(settings: Settings) -> Callable[[str], KeysApi]:
    """A function that returns CloudTrail's API in a region; clients are reused."""
    made: dict[str, Any] = {}

    def of(region: str) -> KeysApi:
        if region not in made:
            made[region] = cloudtrail_client(settings.aws, region)
        api: KeysApi = made[region]
        return api

    return of


def keys_of(settings: Settings) -> PublicKeys | None:
    """The public keys that the settings name; None where each region is to be asked."""
    file = settings.integrity.public_keys
    return PublicKeys.of_file(file) if file is not None else None
