"""A verification put together: the source, CloudTrail's keys, and what becomes of its verdicts.

By itself it only reads. With a client of the cluster the verdicts go to the ledger, events of files
that are not genuine are marked, and alerts are raised.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import PurePosixPath
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts import trail_files
from detections.alerts.trail_files import WrongFile
from detections.running.scheduler import Job, Turn
from ingest.integrity.digest import Place
from ingest.integrity.expected import ExpectedHashes
from ingest.integrity.findings import Finding, Kind, Verdict, described
from ingest.integrity.keys import KeysApi, PublicKeys
from ingest.integrity.marking import EventMarker
from ingest.integrity.recording import LedgerRecord
from ingest.integrity.store import BucketStore, FolderStore, Store
from ingest.integrity.verification import Verification, Wanted
from ingest.objects import Selection
from ingest.sources.layout import place_of
from ingest.sources.session import cloudtrail_client
from trailhound.errors import TrailhoundError, UsageError
from trailhound.settings import Settings
from trailhound.state.objects import BAD, ObjectState
from trailhound.state.store import StateStore

LOG = logging.getLogger("trailhound.integrity")
JOB: Final = "integrity"
"""The scheduled job's name."""
_LOCAL_THREADS: Final = 4
_ALERTED: Final = (Kind.UNLISTED, Kind.GAP, Kind.STALE)
"""What no file is expected of: alerts of a lower level."""


@dataclass(slots=True)
class Recorded:
    """What became of a verification: the verdicts on objects in the ledger, new alerts by id, how
    many events were marked, and the indices whose events could not be, by object."""

    verdicts: Counter[str] = field(default_factory=Counter)
    alerts: set[str] = field(default_factory=set)
    marked: int = 0
    unmarked: dict[str, Sequence[str]] = field(default_factory=dict)

    def add(self, other: Recorded) -> None:
        self.verdicts.update(other.verdicts)
        self.alerts |= other.alerts
        self.marked += other.marked
        self.unmarked |= other.unmarked

    def as_dict(self) -> dict[str, Any]:
        """docs/integrity.md describes it."""
        return {
            "verdicts": dict(sorted(self.verdicts.items())),
            "alerts": sorted(self.alerts),
            "marked": self.marked,
            "unmarked": {uri: list(each) for uri, each in sorted(self.unmarked.items())},
        }


@dataclass(slots=True)
class Verified:
    """`places`: the verdict on each account and region; `whole`: all of them together. `recorded`
    is None where nothing was."""

    places: list[tuple[Place, Verdict]]
    whole: Verdict
    recorded: Recorded | None = None


def verify(
    source: str,
    settings: Settings,
    wanted: Wanted,
    keys: PublicKeys | None = None,
    *,
    client: OpenSearch | None = None,
    told: Callable[[int], None] = lambda _: None,
    now: datetime | None = None,
    expected: ExpectedHashes | None = None,
) -> Verified:
    """Verify a bucket or folder. Without `keys` each region is asked for its own. With `client`
    what is found is recorded. With `expected` no file is read: their hashes are added to it.

    Raises `SourceError`s, `ClusterError` and opensearch-py's exceptions.
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
        told=told,
        record=record,
        expects=expected.add if expected is not None else None,
    ).run()
    made = Verified(places, Verdict())
    for _, verdict in places:
        made.whole.join(verdict)
    if client is not None and record is not None and marker is not None:
        record.close()
        wrong = [each for place, verdict in places for each in _wrong(place, verdict, record)]
        made.recorded = Recorded(
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


def _wrong(place: Place, verdict: Verdict, record: LedgerRecord) -> Iterator[WrongFile]:
    """What alerts are to be raised of. Files that no digest lists are one thing for each folder."""
    files = [each for each in verdict.findings if each.expected]
    read = record.known([each.object for each in files])
    for each in files:
        entry = read.get(each.object)
        gone = each.kind is Kind.MISSING
        detail = "it is gone, and a digest names it" if gone else each.detail
        if entry is not None and entry.is_genuine:
            detail += "; its events were read before, from the file that the digest lists"
        yield WrongFile(
            each.object,
            detail,
            each.expected,
            each.found,
            place.account,
            place.region,
            entry.indexed if entry is not None else 0,
        )
    for kind in _ALERTED:
        folders: dict[str, list[Finding]] = {}
        for each in (each for each in verdict.findings if each.kind is kind):
            folder = str(PurePosixPath(each.object).parent) if kind is Kind.UNLISTED else ""
            folders.setdefault(folder.replace("s3:/", "s3://", 1) or each.detail, []).append(each)
        for folder, found in folders.items():
            alone = len(found) == 1
            yield WrongFile(
                found[0].object if alone else f"{folder}/",
                found[0].detail if alone else f"{len(found):,} files that no digest lists",
                _EXPECTED[kind],
                folder if kind is Kind.UNLISTED else found[0].detail,
                place.account,
                place.region,
                uncovered=True,
            )


_EXPECTED: Final = {
    Kind.UNLISTED: "every file is listed by the digest of its hour",
    Kind.GAP: "a digest of every hour",
    Kind.STALE: "a digest every hour",
}


def _apis(settings: Settings) -> Callable[[str], KeysApi]:
    """CloudTrail's API in a region, one client each."""
    made: dict[str, Any] = {}

    def of(region: str) -> KeysApi:
        if region not in made:
            made[region] = cloudtrail_client(settings.aws, region)
        api: KeysApi = made[region]
        return api

    return of


def _keys_of(settings: Settings) -> PublicKeys | None:
    """The keys that the settings name; None where each region is asked."""
    file = settings.integrity.public_keys
    return PublicKeys.of_file(file) if file is not None else None


def sources_of(settings: Settings) -> list[str]:
    """What the daemon verifies: the setting, or what it polls and watches."""
    followed = [str(each.poll or each.watch) for each in settings.run.sources if not each.queue]
    return list(dict.fromkeys(settings.integrity.sources or followed))


class Interrupted(Exception):
    """The daemon stops, or another one runs the job now."""


def integrity_job(client: OpenSearch, settings: Settings) -> Job | None:
    """The scheduled verification; None where it is switched off."""
    every = settings.integrity.every
    if every is None:
        return None
    return Job(JOB, every, lambda turn: _run(client, settings, turn))


def _run(client: OpenSearch, settings: Settings, turn: Turn) -> None:
    """One verification of every source. A source that can't be verified keeps none of the others
    from it, and is raised at the end."""
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
    """Why parts of a source could not be verified."""
    now = datetime.now(UTC)

    def told(_: int) -> None:
        if not turn.holds_lease():
            raise Interrupted

    made = verify(
        source,
        settings,
        Wanted(now - timedelta(days=settings.integrity.days)),
        _keys_of(settings),
        client=client,
        told=told,
        now=now,
    )
    whole, recorded = made.whole, made.recorded or Recorded()
    for each in whole.findings:
        if each.kind.fails:
            LOG.warning("%s: %s: %s", each.kind.value, each.object, each.detail)
    for uri, indices in recorded.unmarked.items():
        LOG.warning("%s: events are not marked in %s", uri, "; ".join(indices))
    said = {
        "source": source,
        "digests": whole.digests.valid,
        "files": whole.files.valid,
        "pending": whole.pending,
        "findings": sum(each.kind.fails for each in whole.findings),
        "alerts": len(recorded.alerts),
        "marked": recorded.marked,
    }
    LOG.info("verified", extra={"fields": said})
    faults = []
    if not (whole.digests.valid or whole.digests.invalid or whole.digests.missing):
        faults.append(
            f"{source}: nothing to verify: no signed digest of the last "
            f"{settings.integrity.days} days"
        )
    elif not whole.digests.valid:
        faults.append(f"{source}: nothing is verified: no valid digest, see the findings")
    if number := whole.files.unreadable + whole.digests.unreadable:
        first = next(each for each in whole.findings if each.kind is Kind.UNREADABLE)
        faults.append(f"{source}: {number:,} could not be read: {first.object}: {first.detail}")
    return faults


@dataclass(slots=True)
class CheckedChains:
    """Digests that were verified before a backfill: `expected` are the hashes that they list."""

    expected: ExpectedHashes
    whole: Verdict
    recorded: Recorded

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
    told: Callable[[int], None] = lambda _: None,
) -> CheckedChains:
    """Verify the digests of what a backfill selects, and record what is wrong with them. Raises
    `UsageError` for a source without digests and files, and as `verify` does."""
    keys = _keys_of(settings)
    made = CheckedChains(ExpectedHashes(), Verdict(), Recorded())
    last = selection.last_folder
    wanted = Wanted(
        None if selection.since is None else datetime.combine(selection.since, time(), UTC),
        None if last is None else datetime.combine(last, time.max, UTC),
        selection.accounts,
        selection.regions,
    )
    for source in sources:
        found = verify(
            source, settings, wanted, keys, client=client, told=told, expected=made.expected
        )
        if not found.places:
            raise UsageError(
                f"{source}: no digests and no trail files here",
                hint="give the bucket or folder above AWSLogs/, or leave out --verify",
            )
        made.whole.join(found.whole)
        made.recorded.add(found.recorded or Recorded())
    return made


def alert_of_read(client: OpenSearch, settings: Settings, since: datetime) -> set[str]:
    """Raise an alert for each object that was found wrong since then while it was read; the ids of
    the new ones."""
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
        entry.uri,
        described(judged.found, judged.expected),
        judged.expected,
        judged.found,
        (place.account if place is not None else None) or "",
        (place.region if place is not None else None) or "",
        entry.indexed,
    )
