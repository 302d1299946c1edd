"""Log groups as CloudWatch describes them, and the cost of a query over a time of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trailhound.aws.insights_query import PRICE
from trailhound.aws.refusals import refusals

GB: Final = 2**30


@dataclass(frozen=True)
class LogGroup:
    """`stored` is in bytes; `days` is the retention, None if unlimited."""

    region: str
    name: str
    stored: int
    created: datetime
    days: int | None

    def bytes_of(self, since: datetime, until: datetime, now: datetime) -> int:
        """An estimate of the bytes that a query of this time scans: its share of the stored bytes,
        as if these were spread evenly over the retention."""
        begins = self.created
        if self.days is not None:
            begins = max(begins, now - timedelta(days=self.days))
        kept = (now - begins).total_seconds()
        covered = (min(until, now) - max(since, begins)).total_seconds()
        if kept <= 0 or covered <= 0:
            return 0
        return int(self.stored * min(1.0, covered / kept))


def described(
    clients: Mapping[str, Any], names: Sequence[str]
) -> tuple[list[LogGroup], list[tuple[str, str]]]:
    """The log groups of these names in each region, and the pairs of region and name of those that
    are not there. Raises `AwsError`."""
    found: list[LogGroup] = []
    absent: list[tuple[str, str]] = []
    for region, client in clients.items():
        for name in dict.fromkeys(names):
            group = _described(client, region, name)
            if group is None:
                absent.append((region, name))
            else:
                found.append(group)
    return found, absent


def _described(client: Any, region: str, name: str) -> LogGroup | None:
    with refusals(f"the log group {name} in {region}"):
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        for page in pages:
            for each in page["logGroups"]:
                if each["logGroupName"] == name:
                    return LogGroup(
                        region,
                        name,
                        int(each.get("storedBytes", 0)),
                        datetime.fromtimestamp(each["creationTime"] / 1000, UTC),
                        each.get("retentionInDays"),
                    )
    return None


def dollars(scanned: float, price: float = PRICE) -> float:
    """The cost of scanning `scanned` bytes, at `price` dollars for a GB.

    >>> dollars(2 * GB)
    0.01
    """
    return scanned / GB * price
