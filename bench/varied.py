"""Recorded events, repeated with fresh ids: as many as a measurement needs, and none like another.

What a service makes anew for each call (UUIDs, request ids, tokens) is made anew for each copy, in
the same form; names, addresses and ARNs stay. All get times of one day: a few hundred events of
many years would be as many indices, of a document each.
"""

from __future__ import annotations

import gzip
import json
import re
import string
from collections.abc import Iterable, Iterator
from itertools import cycle, islice, pairwise
from pathlib import Path
from random import Random
from typing import Any

Record = dict[str, Any]

DAY = "2025-03-03"
A_FILE = 500
"""Records of a file."""

_NEEDED = {"eventName", "eventSource", "eventTime"}
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=]{16,}")
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{16,17}")
"""An access key's, role's or user's: it comes again in many events."""
_HEX = re.compile(r"[0-9A-Fa-f]+")
_LETTERS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)


def records(data: Path) -> list[Record]:
    """Every CloudTrail record in the `.json`, `.jsonl` and `.gz` files of a folder, once each."""
    found: dict[str, Record] = {}
    for path in sorted(data.rglob("*")):
        if path.suffix not in (".json", ".jsonl", ".gz") or not path.is_file():
            continue
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        for value in _values(text):
            for record in _inside(value):
                found.setdefault(json.dumps(record, sort_keys=True), record)
    return list(found.values())


def _values(text: str) -> Iterator[Any]:
    """The values of a JSON file, or of each line; none of what is neither."""
    for part in (text, *text.splitlines()):
        try:
            yield json.loads(part)
        except ValueError:
            continue
        if part is text:
            return


def _inside(value: Any) -> Iterator[Record]:
    if isinstance(value, str) and value.startswith('{"eventVersion"'):  # of `lookup-events`
        value = json.loads(value)
    if isinstance(value, dict) and value.keys() >= _NEEDED:
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inside(each)


def varied(recorded: Iterable[Record], count: int, seed: int = 1) -> Iterator[Record]:
    """So many events, each recorded one in turn, with ids and times of their own."""
    random = Random(seed)
    for number, record in enumerate(islice(cycle(recorded), count)):
        second = number * 86_400 // count
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        made = {name: _renewed(value, random) for name, value in record.items()}
        yield made | {"eventTime": f"{DAY}T{clock}Z", "eventID": _uuid(random)}


def write(made: Iterable[Record], folder: Path) -> Path:
    """The events as trail files of one account; the folder of the trail."""
    year, month, day = DAY.split("-")
    account = "111122223333"
    below = folder / "AWSLogs" / account / "CloudTrail" / "us-east-1" / year / month / day
    below.mkdir(parents=True)
    rest, number = iter(made), 0
    while some := list(islice(rest, A_FILE)):
        name = f"{account}_CloudTrail_us-east-1_{year}{month}{day}T0000Z_{number:016x}.json.gz"
        (below / name).write_bytes(gzip.compress(json.dumps({"Records": some}).encode(), 1))
        number += 1
    return folder


def _renewed(value: Any, random: Random) -> Any:
    if isinstance(value, dict):
        return {name: _renewed(each, random) for name, each in value.items()}
    if isinstance(value, list):
        return [_renewed(each, random) for each in value]
    if not isinstance(value, str):
        return value
    if _UUID.fullmatch(value):
        return _uuid(random)
    if _TOKEN.fullmatch(value) and not _UNIQUE_ID.fullmatch(value) and _is_random(value):
        return _alike(value, random)
    return value


def _uuid(random: Random) -> str:
    digits = f"{random.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _is_random(text: str) -> bool:
    """Whether a text looks like made for one call: several kinds of letters, often changing."""
    kinds = [next((n for n, each in enumerate(_LETTERS) if letter in each), 3) for letter in text]
    changes = sum(one != other for one, other in pairwise(kinds))
    return changes * 3 >= len(text)


def _alike(text: str, random: Random) -> str:
    """A text of the same length, each letter by another of its kind."""
    if _HEX.fullmatch(text):
        kind = "0123456789ABCDEF" if text.upper() == text else "0123456789abcdef"
        return "".join(random.choices(kind, k=len(text)))
    return "".join(
        random.choice(next((each for each in _LETTERS if letter in each), letter))
        for letter in text
    )
