"""The pipeline of a process: objects are read, assembled and sent, and the results recorded.

A backfill and the daemon each use one; they differ in where the objects come from and in what
they do once an object is complete.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import BinaryIO, Final

from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from ingest.bulk.conflicts import Conflicts
from ingest.bulk.days import Days
from ingest.bulk.limiter import AdaptiveLimiter
from ingest.bulk.result_handler import BulkResultHandler
from ingest.bulk.sender import Sender
from ingest.bulk.stored_records import StoredRecords
from ingest.bulk.writer import BulkWriter
from ingest.deadletters.store import DeadLetters
from ingest.documents.assembler import Assembler
from ingest.documents.day_limit import DayLimit
from ingest.documents.record_filter import RecordFilter
from ingest.integrity.expected import ExpectedHashes
from ingest.ledger.ledger import Ledger
from ingest.object_progress import ObjectProgress
from ingest.object_reader import ObjectReader, read_limits
from ingest.objects import Selection
from ingest.reading import TrailReader
from trailhound.cluster import templates
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.retry_policy import RetryPolicy, Stopped
from trailhound.errors import SourceError, TrailhoundError
from trailhound.settings import Settings

_CUT_OFF_SECONDS: Final = 2.0


class Pipeline:
    """The parts between a stream of bytes and the index, and the ledger beside them.

    With `skip_stored`, a record that this run knows to be in the index is counted as a duplicate
    and not sent. Not for a process that outlives its indices, such as a daemon: what was deleted
    under it could not be read again. `selected`: somebody selected the objects, see `DayLimit`.
    `expected`: what verified digests list, see `ObjectReader`.
    Raises `ForeignTemplateError` where the templates in force are not ours.
    """

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        enricher: Enricher,
        retry_policy: RetryPolicy,
        *,
        selection: Selection,
        skip_stored: bool = False,
        selected: bool = False,
        expected: ExpectedHashes | None = None,
    ) -> None:
        self._expected = expected
        self._settings = settings
        self._retry_policy = retry_policy
        names = templates.Names(settings.prefix)
        templates.check(client, settings)
        self.days = Days(client, settings, retry_policy)
        self.ledger = Ledger(
            client, names.ledger, retry_policy, claim_seconds=settings.ingest.claim_seconds
        )
        self.deadletters = DeadLetters(client, names.deadletter, settings.spool, retry_policy)
        self.sender = Sender(client, retry_policy, AdaptiveLimiter(settings.ingest.in_flight))
        conflicts = Conflicts(client, retry_policy)
        self._stored, self._skip_stored = StoredRecords(), skip_stored
        self.result_handler = BulkResultHandler(
            self.sender, conflicts, self.days, self.deadletters, retry_policy, self._stored
        )
        self._selection = selection
        self._selected = selected
        self._mark_flat = dialect_of(client).marks_flat
        self.enrich_with(enricher, settings)
        self._writer: BulkWriter | None = None

    def enrich_with(self, enricher: Enricher, settings: Settings) -> None:
        """Enrich and filter by these settings from the next object on."""
        wanted = RecordFilter(settings, self._selection)
        limit = DayLimit(
            settings.ingest, self.days.exists, self.days.has_room, selected=self._selected
        )
        assembler = Assembler(
            enricher,
            self.days.begin,
            limit=limit,
            stored=self._stored,
            skip_stored=self._skip_stored,
            unsearched=settings.index.unsearched,
            object_names=settings.index.object_names,
            mark_flat=self._mark_flat,
        )
        self._reader = ObjectReader(
            wanted,
            assembler,
            read_limits(settings.ingest),
            hashes=True,
            expected=self._expected,
        )
        self.ledger.wanted = wanted.criteria

    def start(self) -> None:
        """Start the senders, and register this worker."""
        self.ledger.start()  # first: it may raise, and senders would wait for ever
        self._writer = BulkWriter(
            self._settings.ingest,
            retry_policy=self._retry_policy,
            result_handler=self.result_handler,
        )

    @property
    def writer(self) -> BulkWriter:
        assert self._writer is not None  # noqa: S101 - `start` was called
        return self._writer

    def begin(self, stream: BinaryIO, run: ObjectProgress) -> TrailReader:
        """Read one object as far as its first records, for `read` to go on with."""
        return self._reader.begin(stream, run)

    def read(
        self,
        stream: BinaryIO | SourceError,
        run: ObjectProgress,
        begun: TrailReader | None = None,
    ) -> None:
        """Read one object to its end; its documents may still be in flight afterwards.

        Of one that could not be fetched, or holds no CloudTrail records, record why.
        """
        # A reload is for the objects after this one.
        for made in self._reader.read(stream, run, begun):
            if made.dead:
                self.deadletters.put(made.dead)
            if made.batch.heads:
                self.writer.add(made.batch)
            if made.repaired.heads:
                self.writer.submit(made.repaired)

    def finish(self) -> None:
        """Wait until every document has a result, and close the ledger. Raises a sender's error."""
        self.writer.close()
        self.ledger.close()

    def abandon(self) -> None:
        """After an error: stop sending, and release claims if the cluster still replies."""
        self._retry_policy.stop.set()
        self.writer.abandon()
        with suppress(TrailhoundError, Stopped):
            self.ledger.close()

    def cut_off(self) -> None:
        """As `abandon`, but for a person who wants it to end: a request without an answer is waited
        for no longer than `_CUT_OFF_SECONDS`. A claim that is not released is taken over, since its
        process has ended."""

        def abandon() -> None:
            with suppress(Exception):
                self.abandon()

        ending = threading.Thread(target=abandon, name="cut off", daemon=True)
        ending.start()
        ending.join(_CUT_OFF_SECONDS)
