"""Dead letters tried again: after an upgrade, a new setting, or a mended cluster.

Each letter goes the way of any record. One that is indexed now, or turns out a duplicate, leaves
the dead letters, and its object's entry in the ledger is put right; the others stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from ingest.counts import Counts
from ingest.deadletters.store import raw_of
from ingest.documents.assembler import Assembler
from ingest.ledger import object_id
from ingest.object_progress import ObjectProgress
from ingest.objects import Selection, TrailObject
from ingest.pipeline import Pipeline
from ingest.reading import Chunk
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import SpoolError
from trailhound.settings import Settings

_PAGE = 200
_ADJUST = (
    "ctx._source.dead_lettered -= 1; ctx._source[params.term] = (ctx._source[params.term] ?: 0) + 1"
)


@dataclass(slots=True)
class Retried:
    """`read` letters were tried; what came of them. `indexed` and `duplicates` are gone from
    the dead letters, `dead_lettered` remain."""

    counts: Counts

    def as_dict(self) -> dict[str, int]:
        return self.counts.as_dict()


class Retry:
    """One pass over the dead-letter index and the spool file."""

    def __init__(self, client: OpenSearch, settings: Settings, enricher: Enricher) -> None:
        self._client = client
        self._names = Names(settings.prefix)
        patience = RetryPolicy(settings.ingest.give_up_after)
        self._job = Pipeline(client, settings, enricher, patience, selection=Selection())
        self._assembler = Assembler(enricher, self._job.days.ensure)

    def run(self) -> Retried:
        """Try every letter once. Raises `ClusterError`; what was done stays done."""
        total = Counts()
        for group in self._pages():
            total.add(self._try_group(group, stored=True))
        total.add(self._spooled())
        total.check("the retry")
        return Retried(total)

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        """All letters that are there now, page by page, from a point in time."""
        index = self._names.deadletter
        self._client.indices.refresh(index=index)
        opened = self._client.create_pit(index=index, params={"keep_alive": "10m"})
        pit = {"id": opened["pit_id"], "keep_alive": "10m"}
        after: list[Any] | None = None
        try:
            while True:
                body: dict[str, Any] = {"size": _PAGE, "pit": pit, "sort": [{"_shard_doc": "asc"}]}
                if after:
                    body["search_after"] = after
                hits = self._client.search(body=body)["hits"]["hits"]
                if not hits:
                    return
                after = hits[-1]["sort"]
                yield [hit["_source"] | {"id": hit["_id"]} for hit in hits]
        finally:
            self._client.delete_pit(body={"pit_id": [pit["id"]]})

    def _spooled(self) -> Counts:
        """The letters of the spool file; those that fail again stay in it, or are stored now."""
        spool = self._job.deadletters.spool
        taken = spool.file.with_suffix(".retrying")
        # One that an earlier retry was stopped at comes first: its letters are nowhere else.
        total = self._of_file(taken)
        # A name of its own: what is spooled meanwhile, by us or another, begins a new file.
        if spool.rotate(taken):
            total.add(self._of_file(taken))
        return total

    def _of_file(self, taken: Path) -> Counts:
        total = Counts()
        if not taken.exists():
            return total
        letters, torn = [], []
        for line in taken.read_bytes().splitlines():
            try:
                letters.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                torn.append(line)
        for start in range(0, len(letters), _PAGE):
            total.add(self._try_group(letters[start : start + _PAGE], stored=False))
        if torn:  # a write that a crash cut off: kept for a human to look at
            with taken.with_suffix(".torn").open("ab") as kept:
                kept.writelines(line + b"\n" for line in torn)
        taken.unlink()
        return total

    def _try_group(self, letters: list[dict[str, Any]], *, stored: bool) -> Counts:
        total = Counts()
        settled: list[tuple[dict[str, Any], Counts]] = []
        for letter in letters:
            item = TrailObject(letter["object"], letter.get("etag", ""), 0)
            run = ObjectProgress(item, lambda _: None)
            run.read(1)
            raw = raw_of(letter)
            suspect = {0: "line_break"} if b"\n" in raw or b"\r" in raw else {}
            chunk = Chunk(records=[raw], positions=[letter["position"]], suspects=suspect)
            for made in self._assembler.assemble(chunk, run):
                self._job.deadletters.put(made.dead)
                self._job.settlement.deliver(made.batch)
                self._job.settlement.deliver(made.repaired)
            run.finish_reading()
            if run.aborted:  # neither stored nor spooled: it stays where it is
                raise SpoolError(run.fault, hint="then run the same command again")
            settled.append((letter, run.counts))
            total.add(run.counts)
        self._forget([pair for pair in settled if not pair[1].dead_lettered], stored=stored)
        return total

    def _forget(self, settled: list[tuple[dict[str, Any], Counts]], *, stored: bool) -> None:
        """Take letters out that are settled now, and correct their objects' counts."""
        lines: list[bytes] = []
        for letter, counts in settled:
            term = "indexed" if counts.indexed else "duplicates"
            target = {"_index": self._names.ledger, "_id": object_id(letter["object"])}
            script = {"source": _ADJUST, "params": {"term": term}}
            lines += [
                msgspec.json.encode({"update": target | {"retry_on_conflict": 5}}),
                msgspec.json.encode({"script": script}),
            ]
            if stored:
                gone = {"_index": self._names.deadletter, "_id": letter["id"]}
                lines.append(msgspec.json.encode({"delete": gone}))
        if lines:
            self._client.bulk(body=b"\n".join(lines) + b"\n")
