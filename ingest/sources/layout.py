"""Where CloudTrail puts its files, and which names can be trail files at all.

    [prefix/]AWSLogs/[o-organisation/]account/kind/region/YYYY/MM/DD/
        account_kind_region_YYYYMMDDTHHmmZ_unique.json.gz

The folder's day and the name's time are of the delivery, not of the events ("Finding your
CloudTrail log files" and "CloudTrail log file name format" in the CloudTrail user guide).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Final, TypeVar

from ingest.objects import Selection, TrailObject

INGESTED: Final = frozenset({"CloudTrail", "CloudTrail-Insight", "CloudTrail-NetworkActivity"})
"""The kinds whose files hold events. `CloudTrail-Digest` is the other one: it holds hashes."""

EXTENSIONS: Final = (".json", ".json.gz", ".jsonl", ".ndjson", ".gz")

_NOT_JSON_GZ: Final = tuple(
    f".{inner}.gz"
    for inner in ("avro", "csv", "log", "orc", "parquet", "sql", "tar", "tsv", "txt", "xml")
)

_DATED = re.compile(
    r"(?:^|/)(?:(\d{12})/)?(CloudTrail(?:-[A-Za-z]+)?)/([^/]+)/(\d{4})/(\d{2})/(\d{2})/"
)
_UNDATED = re.compile(r"(?:^|/)(\d{12})/(CloudTrail(?:-[A-Za-z]+)?)/")
_NAME = re.compile(
    r"(\d{12})_(CloudTrail(?:-[A-Za-z]+)?)_([a-z0-9-]+)_(?:.*_)?(\d{4})(\d{2})(\d{2})T\d{4,6}Z"
)
_FOREIGN = re.compile(r"(?:^|/)AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?(?:aws-account-id=)?\d{12}/")


@dataclass(frozen=True, slots=True)
class Place:
    """What a file's folder and name say of it. None where they do not say."""

    kind: str
    account: str | None = None
    region: str | None = None
    day: date | None = None


class Verdict(Enum):
    """What a name is, before anything of it is read."""

    TRAIL = "in CloudTrail's own layout or naming"
    LOOSE = "could be a trail file; its content decides"
    OTHER = "no trail file"


def place_of(path: str) -> Place | None:
    """The place of a key or path; None where it follows neither the layout nor the naming.

    >>> place_of("org/AWSLogs/o-ab/111122223333/CloudTrail/eu-west-1/2024/03/01/x.json.gz")
    Place(kind='CloudTrail', account='111122223333', region='eu-west-1', day=datetime.date(2024, 3, 1))
    """  # noqa: E501
    if found := _DATED.search(path):
        account, kind, region, year, month, day = found.groups()
        return Place(kind, account, region, _day(year, month, day))
    if found := _NAME.match(path, path.rfind("/") + 1):
        account, kind, region, year, month, day = found.groups()
        return Place(kind, account, region, _day(year, month, day))
    if found := _UNDATED.search(path):
        return Place(found[2], found[1])
    return None


def judge(path: str) -> tuple[Verdict, Place | None]:
    """What a key or path is by its name alone.

    >>> judge("AWSLogs/111122223333/Config/eu-west-1/2024/3/1/ConfigHistory/x.json.gz")[0].name
    'OTHER'
    """
    name = path[path.rfind("/") + 1 :]
    lower = name.lower()
    if not lower.endswith(EXTENSIONS) or lower.endswith(_NOT_JSON_GZ) or name.startswith("."):
        return Verdict.OTHER, None
    place = place_of(path)
    if place is not None:
        return (Verdict.TRAIL if place.kind in INGESTED else Verdict.OTHER), place
    return (Verdict.OTHER if _FOREIGN.search(path) else Verdict.LOOSE), None


def wanted(place: Place | None, selection: Selection) -> bool:
    """Whether a file of this place can hold what was selected. What is not known is wanted."""
    if place is None:
        return True
    if selection.accounts and place.account is not None and place.account not in selection.accounts:
        return False
    if selection.regions and place.region is not None and place.region not in selection.regions:
        return False
    if place.day is None:
        return True
    if selection.since is not None and place.day < selection.since:
        return False
    last = selection.last_folder
    return last is None or place.day <= last


@dataclass(slots=True)
class Tally:
    """What a listing has come across: how many names were no trail files, and trails' roots.

    `roots` are the folders (with their final slash) that hold an `AWSLogs` folder. What lies loose
    right beside one, a `labels.json` or an inventory, is no trail file.
    """

    ignored: int = 0
    roots: set[str] = field(default_factory=set)


T = TypeVar("T")


def sift(
    listed: Iterable[T],
    selection: Selection,
    tally: Tally,
    *,
    path: Callable[[T], str],
    made: Callable[[T], TrailObject],
) -> Iterator[TrailObject]:
    """The trail objects selected among what was listed, in the same order; the rest is tallied.

    `path` gives the name to judge, `made` the object. A selected-out trail file is not `ignored`.
    """
    everything = selection.everything
    for item in listed:
        name = path(item)
        verdict, place = judge(name)
        logs = name.find("AWSLogs/")
        if logs == 0 or (logs > 0 and name[logs - 1] == "/"):
            tally.roots.add(name[:logs])
        if verdict is Verdict.TRAIL:
            if everything or wanted(place, selection):
                yield made(item)
        elif verdict is Verdict.LOOSE and name[: name.rfind("/") + 1] not in tally.roots:
            yield made(item)
        else:
            tally.ignored += 1


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:  # 2024/13/45: someone's own folders, so the day is not known
        return None
