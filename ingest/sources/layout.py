"""Where CloudTrail puts its files, and which names can be trail files at all.

    [prefix/]AWSLogs/[o-organisation/]account/kind/region/YYYY/MM/DD/
        account_kind_region_YYYYMMDDTHHmmZ_unique.json.gz

The folder's day and the name's time are of the delivery, not of the events ("Finding your
CloudTrail log files" and "CloudTrail log file name format" in the CloudTrail user guide).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from typing import Final, TypeVar

from ingest.objects import Selection, TrailObject

INGESTED: Final = frozenset({"CloudTrail", "CloudTrail-Insight", "CloudTrail-NetworkActivity"})
"""The kinds whose files hold events."""
DIGESTS: Final = "CloudTrail-Digest"
"""The kind that holds hashes of the others' files."""

EXTENSIONS: Final = (".json", ".json.gz", ".jsonl", ".ndjson", ".gz")

_OTHER_GZ: Final = tuple(
    f".{inner}.gz"
    for inner in ("avro", "csv", "log", "orc", "parquet", "sql", "tar", "tsv", "txt", "xml")
)
"""Rarely CloudTrail's, and often large: inspected before they are fetched whole."""

_DATED = re.compile(
    r"(?:^|/)(?:(\d{12})/)?(CloudTrail(?:-[A-Za-z]+)?)/([^/]+)/(\d{4})/(?:(\d{1,2})/(?:(\d{1,2})/)?)?"
)
_UNDATED = re.compile(r"(?:^|/)(\d{12})/(CloudTrail(?:-[A-Za-z]+)?)/(?:([^/]+)/)?")
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
_NAME = re.compile(
    r"(\d{12})_(CloudTrail(?:-[A-Za-z]+)?)_([a-z0-9-]+)_(?:.*_)?(\d{4})(\d{2})(\d{2})T\d{4,6}Z"
)
_DELIVERED = re.compile(r"\d{12}_CloudTrail(?:-[A-Za-z]+)?_.*_(\d{8}T\d{4})\d{0,2}Z")
_FOREIGN = re.compile(
    r"(?:^|/)AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?(?:aws-account-id=)?\d{12}/(?:aws-service=)?([^/]+)/"
)
_SERVICES: Final = {
    "CloudTrail-Digest": "digest",
    "Config": "AWS Config history",
    "vpcflowlogs": "VPC flow log",
    "vpcdnsquerylogs": "DNS query log",
    "elasticloadbalancing": "load balancer log",
    "WAFLogs": "WAF log",
}
"""Folders of other services beside CloudTrail's, and what they contain."""
_OTHER_SERVICES: Final = frozenset(name.lower() for name in _SERVICES) | {
    *("bedrockmodelinvocationlogs", "cloudfront", "globalaccelerator", "guardduty", "macie"),
    *("network-firewall", "redshift", "verifiedaccess", "verified-access", "vpclattice"),
    *("vpc-lattice",),
}
"""Folders of other services, in lower case. Any other one beside CloudTrail's may be somebody's own
prefix, of Firehose say."""
_KIND = re.compile(r"CloudTrail(?:-[A-Za-z]+)?")
_DELIVERED_BY_AWS = re.compile(r"\d{12}_")
"""How files begin that services deliver under `AWSLogs/`, those not known here among them."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a file's folder and name show. None where they do not show it.

    `days` are the first and the last day of a month's or a year's folder, in which someone put
    files together; `day` is then None.
    """

    kind: str
    account: str | None = None
    region: str | None = None
    day: date | None = None
    days: tuple[date, date] | None = None

    @property
    def span(self) -> tuple[date, date] | None:
        """The first and the last day of the folder."""
        return self.days if self.day is None else (self.day, self.day)


class NameClass(Enum):
    """What a name is, before anything of it is read."""

    TRAIL = "in CloudTrail's own layout or naming"
    UNKNOWN = "named like a trail file; its content decides"
    UNNAMED = "an unknown name; the first bytes decide whether it is read"
    OTHER = "no trail file"


@lru_cache(maxsize=4_096)  # asked of each object when listed, read and selected from
def place_of(path: str) -> Place | None:
    """The place of a key or path; None where it follows neither the layout nor the naming.

    >>> place_of("org/AWSLogs/o-ab/111122223333/CloudTrail/eu-west-1/2024/03/01/x.json.gz")
    Place(kind='CloudTrail', account='111122223333', region='eu-west-1', day=datetime.date(2024, 3, 1), days=None)
    """  # noqa: E501
    folder = None
    if found := _DATED.search(path):
        account, kind, region, year, month, day = found.groups()
        if day is not None:
            return Place(kind, account, _region(region), _day(year, month, day))
        folder = Place(kind, account, _region(region), days=_days(year, month))
    if found := _NAME.match(path, path.rfind("/") + 1):
        account, kind, region, year, month, day = found.groups()
        named = Place(kind, account, region, _day(year, month, day))
        if folder is None or _within(named.day, folder.days):
            return named
    if folder is not None:
        return folder
    if found := _UNDATED.search(path):
        return Place(found[2], found[1], _region(found[3]))
    return None


def delivered_at(path: str) -> datetime | None:
    """When CloudTrail delivered a file, by its name; None where that does not show it.

    >>> delivered_at("x/111122223333_CloudTrail_eu-west-1_20240301T0005Z_a1.json.gz")
    datetime.datetime(2024, 3, 1, 0, 5, tzinfo=datetime.timezone.utc)
    """
    found = _DELIVERED.match(path, path.rfind("/") + 1)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None


def classify(path: str) -> tuple[NameClass, Place | None]:
    """What a key or path is by its name alone.

    >>> classify("AWSLogs/111122223333/Config/eu-west-1/2024/3/1/ConfigHistory/x.json.gz")[0].name
    'OTHER'
    """
    place = place_of(path)
    name = path[path.rfind("/") + 1 :]
    if not name or name.startswith("."):
        return NameClass.OTHER, place
    if place is not None and place.kind not in INGESTED:
        return NameClass.OTHER, place
    if place is None and (foreign := _FOREIGN.search(path)):
        hive = foreign[0].endswith(f"aws-service={foreign[1]}/")
        if hive or is_other_service(foreign[1]) or _DELIVERED_BY_AWS.match(name):
            return NameClass.OTHER, None
        return NameClass.UNNAMED, None
    lower = name.lower()
    if not lower.endswith(EXTENSIONS) or lower.endswith(_OTHER_GZ):
        return NameClass.UNNAMED, place
    return (NameClass.UNKNOWN if place is None else NameClass.TRAIL), place


def is_other_service(name: str) -> bool:
    """Whether a folder beside CloudTrail's holds none of its events, whatever is in it.

    >>> is_other_service("WAFLogs"), is_other_service("CloudTrail-Digest")
    (True, True)
    >>> is_other_service("CloudTrail"), is_other_service("cloudtrail-firehose")
    (False, False)
    """
    if _KIND.fullmatch(name):
        return name not in INGESTED
    return name.lower() in _OTHER_SERVICES


def other_kind(path: str) -> str:
    """What an object is whose name says that it is no trail file.

    >>> other_kind("AWSLogs/111122223333/Config/eu-west-1/x.json.gz"), other_kind("a/.hidden")
    ('AWS Config history', 'hidden file')
    """
    name = path[path.rfind("/") + 1 :]
    if not name:
        return "folder marker"
    if name.startswith("."):
        return "hidden file"
    place = place_of(path)
    foreign = _FOREIGN.search(path)
    service = place.kind if place is not None else foreign[1] if foreign else ""
    return _SERVICES.get(service, f"{service[:40]} (another service's folder)")


def wanted(place: Place | None, selection: Selection) -> bool:
    """Whether a file of this place can hold what was selected. What is not known is wanted."""
    if place is None:
        return True
    if selection.accounts and place.account is not None and place.account not in selection.accounts:
        return False
    if selection.regions and place.region is not None and place.region not in selection.regions:
        return False
    if place.span is None:
        return True
    if selection.since is not None and place.span[1] < selection.since:
        return False
    last = selection.last_folder
    return last is None or place.span[0] <= last


T = TypeVar("T")


def select(
    listed: Iterable[T],
    selection: Selection,
    ignored: Counter[str],
    *,
    path: Callable[[T], str],
    made: Callable[[T], TrailObject],
) -> Iterator[TrailObject]:
    """The objects selected among what was listed that can hold events, in the same order.

    The others are counted in `ignored` by what they are; a file that is not selected is not.
    `path` gives the name to classify, `made` the object.
    """
    everything = selection.everything
    for item in listed:
        name = path(item)
        verdict, place = classify(name)
        if verdict is NameClass.OTHER:
            ignored[other_kind(name)] += 1
        elif everything or place is None or wanted(place, selection):
            yield made(item)


def is_region(name: str) -> bool:
    """Whether a folder is named as regions are. Of any other one its records may be of any region.

    >>> is_region("us-gov-west-1"), is_region("exports")
    (True, False)
    """
    return _REGION.fullmatch(name) is not None


def _region(name: str | None) -> str | None:
    return name if name is not None and is_region(name) else None


def _days(year: str, month: str | None) -> tuple[date, date] | None:
    """The first and the last day of a year, or of a month."""
    first = _day(year, month or "1", "1")
    if first is None:
        return None
    if month is None:
        return first, first.replace(month=12, day=31)
    return first, first.replace(day=monthrange(first.year, first.month)[1])


def _within(day: date | None, days: tuple[date, date] | None) -> bool:
    return day is not None and (days is None or days[0] <= day <= days[1])


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:  # 2024/13/45: someone's own folders, so the day is not known
        return None
