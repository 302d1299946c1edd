"""The events that rules match, kept in a temporary file and read by rule, in the order of time.

For rules over files: these come in any order, and windows need the order of time. Of an event only
the top-level fields that are read afterwards are kept. The file has no name, it is in `TMPDIR` and
gone with the process; `CACHE_BYTES` of it are in memory, however many events there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detections.events.doc_values import DocValues
from detections.events.fields import Hit
from detections.matcher.event_values import Record, text
from enrich.view import dumps, loads
from trailhound.batching import batched
from trailhound.temporary_tables import TemporaryTables

_TABLES: Final = """
CREATE TABLE event (
  seq INTEGER PRIMARY KEY, time INTEGER, name BLOB, object BLOB, position INTEGER,
  id BLOB, source BLOB
);
CREATE TABLE matched (rule INTEGER, time INTEGER, seq INTEGER);
"""
_INDICES: Final = """
CREATE INDEX by_rule ON matched (rule, time, seq);
CREATE INDEX by_id ON event (id, time);
"""
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class MatchedHit:
    """An event as a search would bring it, and the numbers of the rules that match it."""

    hit: Hit
    rules: frozenset[int]


class MatchedEvents:
    """Filled by `add`, then read. `kept` counts the events, `kept_bytes` what is kept of them."""

    def __init__(self, roots: Collection[str]) -> None:
        """`roots`: the first names of the fields that are read of a hit."""
        self._roots = frozenset(roots)
        self._tables = TemporaryTables(_TABLES)
        self._indexed = False
        self.kept = 0
        self.kept_bytes = 0

    def add(self, id_: str, time: int, source: Record, rules: Collection[int]) -> None:
        """One more event; `time` in milliseconds since 1970, `source` as it would be indexed."""
        self.kept += 1
        kept = {
            name: value for name, value in source.items() if name.partition(".")[0] in self._roots
        }
        written = dumps(kept)
        self.kept_bytes += len(written)
        trail = source.get("trail") or {}
        name = source.get("eventID")
        self._tables.write(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self.kept,
                time,
                None if name is None else _bytes(text(name)),
                _bytes(str(trail.get("object", ""))),
                trail.get("position", 0),
                _bytes(id_),
                written,
            ),
        )
        self._tables.write_many(
            "INSERT INTO matched VALUES (?, ?, ?)", ((rule, time, self.kept) for rule in rules)
        )

    def hits(self, rules: Sequence[int], since: int, until: int) -> Iterator[MatchedHit]:
        """The events of some rules from `since` to before `until` (milliseconds), in the order of
        `detections.events.index.SORT`."""
        self._finish()
        marks = ", ".join("?" * len(rules))
        found = self._tables.rows(
            "SELECT event.id, event.time, event.source, group_concat(matched.rule) "  # noqa: S608
            "FROM matched JOIN event USING (seq) "
            f"WHERE matched.rule IN ({marks}) AND matched.time >= ? AND matched.time < ? "
            "GROUP BY event.time, event.name IS NULL, event.name, event.object, event.position, "
            "event.seq ORDER BY event.time, event.name IS NULL, event.name, event.object, "
            "event.position, event.seq",
            (*rules, since, until),
        )
        for id_, time, source, numbers in found:
            decoded = loads(source)
            hit = {
                "_id": _text(id_),
                "_source": decoded,
                "fields": DocValues(decoded),
                "sort": [time],
            }
            yield MatchedHit(hit, frozenset(map(int, numbers.split(","))))

    def sources(
        self, ids: Sequence[str], since: int, until: int
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What is kept of events, by id; both times, in milliseconds, are included."""
        self._finish()
        for part in batched(ids, _AT_ONCE):
            marks = ", ".join("?" * len(part))
            found = self._tables.rows(
                f"SELECT id, source FROM event WHERE id IN ({marks}) "  # noqa: S608
                "AND time BETWEEN ? AND ? ORDER BY time",
                (*map(_bytes, part), since, until),
            )
            for id_, source in found:
                yield _text(id_), loads(source)

    def close(self) -> None:
        """Give up the file."""
        self._tables.close()

    def _finish(self) -> None:
        if not self._indexed:
            self._indexed = True
            self._tables.run(_INDICES)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogatepass")
