"""What a bucket gets and when, with an account of every event that the index has to hold."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

Record = dict[str, Any]
File = tuple[str, list[Record]]
"""A key, and the records of the object."""

_LIVE: Final = timedelta(hours=20)
"""Files of so long before now are delivered one after the other; earlier ones are history, of which
a quarter comes late."""
_REPLACED, _COPIED, _LATE = 0.06, 0.08, 0.25
_DIRTY, _FORGED, _BROKEN, _MENDED, _GHOSTS = 6, 4, 16, 6, 4


@dataclass(frozen=True, slots=True)
class Delivery:
    """An object, put `at` so many seconds (`body` None: deleted). `notices`: how many notifications
    the queue gets about it."""

    at: float
    key: str
    body: bytes | None
    notices: int = 0


@dataclass(slots=True)
class Account:
    """`documents`: how many each (eventID, day) has. `broken`: keys that stay unreadable, and how
    they are broken; `ghosts`: keys that are announced and gone; `unusable`: keys with values that
    are no records, and how many."""

    documents: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    ghosts: list[str] = field(default_factory=list)
    unusable: dict[str, int] = field(default_factory=dict)


def deliveries(
    folder: Path, dice: random.Random, seconds: float, now: datetime, keep_days: int
) -> tuple[list[Delivery], Account]:
    """The files of a sample's folder over so many seconds, in order. Events after `now` are left
    out; those before `keep_days` days are past the retention, and in no account."""
    files = [(file.relative_to(folder).as_posix(), _records(file, now)) for file in _trail(folder)]
    made = _Deliveries([each for each in files if each[1]], dice, seconds * 0.92, now, keep_days)
    for key, records in made.files:
        made.account_for(records)
        made.deliver(key, records)
    made.add_dirty()
    made.add_forged()
    made.add_broken()
    made.add_ghosts()
    return sorted(made.all, key=lambda each: each.at), made.account


def packed(records: list[Any]) -> bytes:
    """The bytes of a trail file; the same for the same records."""
    return gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)


class _Deliveries:
    def __init__(
        self, files: list[File], dice: random.Random, last: float, now: datetime, keep_days: int
    ) -> None:
        self.files = files
        self.all: list[Delivery] = []
        self.account = Account()
        self._dice = dice
        self._last = last
        self._now = now
        self._first_day = (now.date() - timedelta(days=keep_days)).isoformat()

    def account_for(self, records: list[Record]) -> None:
        for each in records:
            if (day := _day(each)) >= self._first_day:
                self.account.documents[each["eventID"], day] = 1

    def deliver(self, key: str, records: list[Record]) -> None:
        """Once, in two steps (a part, then the whole), or a second time under another key."""
        dice, notices = self._dice, self._dice.choices((1, 2, 0), (60, 20, 20))[0]
        at = self._moment(max(map(_time, records)))
        if at == 0:
            notices = 0
        if len(records) > 3 and dice.random() < _REPLACED:
            self._put(at, key, packed(records[: len(records) // 2]), notices)
            at = min(self._last + 20, at + dice.uniform(5, self._last / 2))
            notices = dice.choice((0, 1, 1))
        self._put(at, key, packed(records), notices)
        if dice.random() < _COPIED:
            copy = _named(key, "COPY")
            if dice.random() < 0.3:
                copy = f"copies/{copy.rsplit('/', 1)[1]}"
            self._put(self._any_time(), copy, packed(records), dice.choice((0, 1)))

    def _moment(self, newest: datetime) -> float:
        begins = self._now - _LIVE
        if newest >= begins:
            passed = (newest - begins) / _LIVE * self._last
            return max(5.0, passed + self._dice.uniform(-20, 20))
        return self._any_time() if self._dice.random() < _LATE else 0.0

    def add_dirty(self) -> None:
        """Files that hold values that are no records."""
        for number, (key, records) in enumerate(self._dice.sample(self._kept(), _DIRTY)):
            dirty = _named(key, f"DIRTY{number}")
            body = packed([*records, {"no": "record", "number": number}, 17])
            self._put(self._any_time(), dirty, body, self._dice.choice((0, 1)))
            self.account.unusable[dirty] = 2

    def add_forged(self) -> None:
        """Records with the id of another one, which are kept beside it."""
        for number, (key, records) in enumerate(self._dice.sample(self._kept(), _FORGED)):
            forged = records[0] | {"userAgent": f"another agent {number}"}
            self.account.documents[forged["eventID"], _day(forged)] += 1
            name = _named(key, f"FORGED{number}")
            self._put(self._any_time(), name, packed([forged]), self._dice.choice((0, 1)))

    def add_broken(self) -> None:
        """Files that cannot be read, of which some are replaced by whole ones later."""
        for number, (key, records) in enumerate(self._dice.sample(self.files, _BROKEN)):
            whole, broken = packed(records), _named(key, f"BROKEN{number}")
            bodies = {
                "cut": whole[: len(whole) // 2],
                "noise": self._dice.randbytes(400),
                "empty": b"",
                "no JSON": gzip.compress(b"<html>no trail file</html>", mtime=0),
            }
            how = list(bodies)[number % len(bodies)]
            at = self._dice.uniform(0, self._last * 0.7)
            self._put(at, broken, bodies[how], self._dice.choice((0, 1, 1)))
            if number < _MENDED:
                later = self._dice.uniform(at + 5, self._last)
                self._put(later, broken, whole, self._dice.choice((0, 1)))
            else:
                self.account.broken[broken] = how

    def add_ghosts(self) -> None:
        """Objects that are deleted as soon as they are announced."""
        for number, (key, records) in enumerate(self._dice.sample(self.files, _GHOSTS)):
            at, ghost = self._dice.uniform(5, self._last), _named(key, f"GHOST{number}")
            self._put(at, ghost, packed(records), 1)
            self._put(at + self._dice.uniform(0.0, 0.3), ghost, None)
            self.account.ghosts.append(ghost)

    def _put(self, at: float, key: str, body: bytes | None, notices: int = 0) -> None:
        self.all.append(Delivery(at, key, body, notices))

    def _any_time(self) -> float:
        return self._dice.uniform(5, self._last)

    def _kept(self) -> list[File]:
        return [each for each in self.files if min(map(_day, each[1])) >= self._first_day]


def _trail(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json.gz"))


def _records(file: Path, now: datetime) -> list[Record]:
    records = json.loads(gzip.decompress(file.read_bytes()))["Records"]
    return [each for each in records if _time(each) <= now]


def _named(key: str, name: str) -> str:
    return key.replace(".json.gz", f"{name}.json.gz")


def _day(record: Record) -> str:
    return str(record["eventTime"][:10])


def _time(record: Record) -> datetime:
    return datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
