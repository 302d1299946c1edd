"""Reads one object to its end: its records become finished documents, its faults are noted.

This part of reading needs no cluster. A backfill and the daemon send the documents
(`ingest.pipeline`); without a cluster they are written or matched (`ingest.offline`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, Final

from ingest.documents.assembler import Assembled, Assembler
from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from ingest.documents.record_filter import RecordFilter
from ingest.integrity.expected import ExpectedHashes
from ingest.object_progress import ObjectProgress, Proof
from ingest.reading import ReadLimits, TrailReader
from trailhound.cluster.waiting import BLOCKED_CODES, DAY_FOREIGN
from trailhound.errors import (
    CorruptFileError,
    NotATrailFileError,
    NotCloudTrailError,
    ObjectArchivedError,
    SourceError,
    TrailFileError,
)
from trailhound.settings import IngestSettings

MOST_UNREADABLE: Final = 100_000
"""Values of one object that become dead letters because they are no records. A file of 1 MB can
hold hundreds of millions of them, each of which would have a document in the index."""


_WAITING: Final = frozenset({TOO_MANY_NEW_DAYS, DAY_FOREIGN, *BLOCKED_CODES})
"""Codes of dead letters that wait for the index of their day: their records are readable."""


def read_limits(settings: IngestSettings) -> ReadLimits:
    """The limits of reading that the settings have."""
    return ReadLimits(
        max_uncompressed=settings.max_uncompressed_bytes,
        slice_whole=settings.slice_whole_bytes,
    )


class ObjectReader:
    """Reads objects by one set of settings; after a reload of the settings another reader is made.

    With `hashes`, `run.sha256` is set, for the ledger. The content of an object in `expected` is
    compared with the hash there before events are made of it, if it is small enough to be inflated
    whole.
    """

    def __init__(
        self,
        wanted: RecordFilter,
        assembler: Assembler,
        limits: ReadLimits,
        *,
        hashes: bool = False,
        expected: ExpectedHashes | None = None,
    ) -> None:
        self._expected = expected
        self._hashes = hashes
        self._wanted = wanted
        self._assembler = assembler
        self._limits = limits

    def begin(self, stream: BinaryIO, run: ObjectProgress) -> TrailReader:
        """Read an object as far as its first records, for `read` to go on with."""
        reader = self._reader(stream, run)
        reader.begin()
        return reader

    def _reader(self, stream: BinaryIO, run: ObjectProgress) -> TrailReader:
        return TrailReader(stream, self._limits, name=run.item.uri, hashes=self._hashes)

    def read(
        self,
        stream: BinaryIO | SourceError,
        run: ObjectProgress,
        begun: TrailReader | None = None,
    ) -> Iterator[Assembled]:
        """The object's documents, in order, in pieces; `run` counts the records.

        Records that were filtered, or that this run knows to be stored, are counted here; the
        consumer records the outcome of documents and dead letters. `run` is finished when the
        consumer asks for more after the last piece. Why the object could not be read to its end, or
        that it holds no CloudTrail records, is noted in `run` and never raised.
        """
        if isinstance(stream, NotCloudTrailError):
            run.skip(stream.kind)
            return
        if isinstance(stream, SourceError):
            run.archived = isinstance(stream, ObjectArchivedError)
            run.finish_reading(stream.with_hint)
            return
        run.criteria, run.choice = self._wanted.criteria, self._wanted.of(run.item)
        keep = run.choice.accepts if run.choice is not None else None
        run.expected = self._expected.of(run.item.uri) if self._expected is not None else ""
        with closing(stream):  # of one that was begun it may be closed already
            reader = begun if begun is not None else self._reader(stream, run)
            fault = ""
            try:
                unreadable = 0
                for chunk in reader.chunks():
                    if run.aborted:
                        break
                    if unreadable > MOST_UNREADABLE:
                        raise CorruptFileError(
                            f"{run.item.uri}: more than {MOST_UNREADABLE:,} values in it are no "
                            "CloudTrail records: the rest was not read",
                            hint="check what wrote this object",
                        )
                    run.bytes = reader.bytes_in
                    if run.expected:
                        run.proof = "corrupt" if chunk.doubtful else _proof(reader, run.expected)
                    run.read(len(chunk.records) + len(chunk.faults))
                    for made in self._assembler.assemble(chunk, run, keep):
                        if made.filtered:
                            run.record("filtered", made.filtered)
                        if made.duplicates:
                            run.record("duplicates", made.duplicates)
                        unreadable += sum(each.code not in _WAITING for each in made.dead)
                        yield made
            except NotATrailFileError as error:
                if error.kind and run.place is None and not run.counts.read:
                    run.skip(error.kind)
                    return
                fault = error.message
            except SourceError as error:
                fault = error.with_hint
            except TrailFileError as error:
                fault = error.message
            except OSError as error:
                fault = f"reading stopped: {error}"
            run.bytes, run.sha256 = reader.bytes_in, reader.sha256
            if run.expected and run.sha256:
                run.proof = _proof(reader, run.expected)
            run.finish_reading(fault)


def _proof(reader: TrailReader, expected: str) -> Proof:
    """What the comparison with its digest says of content that was inflated whole; nothing yet of a
    part of it."""
    if reader.sha256:
        return "verified" if reader.sha256 == expected else "tampered"
    return "tampered" if reader.is_whole else "unverified"  # something beside one gzip stream
