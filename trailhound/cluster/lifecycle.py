"""What moves days from tier to tier: the cluster's own lifecycle management, or the daemon.

ISM and ILM count an index's age from its creation, so a day that was backfilled yesterday would be
kept for years too long. The daemon therefore selects the days by their names, and assigns the
policies itself: a policy with an index pattern would apply to foreign indices too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, Literal

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import TransportError

from trailhound.cluster.colder_storage import ColderStorage
from trailhound.cluster.refusals import from_response
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.settings.cluster import RetentionSettings

Tier = Literal["hot", "warm", "cold", "past"]
"""`past`: past retention, to be deleted or closed."""

INDICES_IN_A_PATH: Final = 50
"""Names of indices in one request's path: engines limit it to 4 KB
(`http.max_initial_line_length`)."""


@dataclass(slots=True)
class Plan:
    """The steps to take now, as index → tier. `managed`: indices with a foreign policy,
    which are left to it; `failed`: indices that did not reach their tier, with the reason."""

    steps: dict[str, Tier] = field(default_factory=dict)
    managed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Lifecycle(ABC):
    """One way to move days. Methods raise opensearch-py's exceptions."""

    by_policy = True
    """Whether the cluster acts itself, some minutes later."""

    def __init__(self, client: OpenSearch, settings: Settings, storage: ColderStorage) -> None:
        self._client = client
        self._retention = settings.retention
        self._storage = storage
        self._names = Names(settings.prefix)
        self.policy_id = f"{settings.prefix}trailhound-retention"

    @abstractmethod
    def available(self) -> bool:
        """Whether the cluster has this feature and allows its use."""

    @abstractmethod
    def can(self, tier: Tier) -> bool:
        """Whether it can move days to this tier."""

    @abstractmethod
    def plan(self, due: Mapping[str, Tier]) -> Plan:
        """The steps that these indices need now to reach the tier they are due for. Changes
        nothing."""

    @abstractmethod
    def apply(self, steps: Mapping[str, Tier]) -> dict[str, str]:
        """Take the steps. Returns the indices for which that failed, with the reason."""

    @contextmanager
    def one_refused(self, index: str, refused: dict[str, str]) -> Iterator[None]:
        """Note why the cluster refuses a step of one index, such as one that somebody has made
        read-only: the others' are to be taken."""
        try:
            yield
        except NoConnection:
            raise  # of this kind too: the cluster does not answer
        except TransportError as error:
            refused[index] = from_response(error).message

    def _mounted(self, index: str) -> bool:
        return index != self._names.day(self._names.day_of(index) or "")

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        reply: dict[str, Any] = self._client.transport.perform_request(
            method, path, params=params or {}, body=body
        )
        return reply


def due_tier(retention: RetentionSettings, day: str, today: date) -> Tier:
    """The tier that a day (`YYYY.MM.DD`) is due for. Its age counts from the day itself.

    >>> settings = RetentionSettings(warm_after=7, days=30)
    >>> [due_tier(settings, f"2025.03.{day:02}", date(2025, 3, 31)) for day in (24, 23, 1)]
    ['hot', 'warm', 'warm']
    >>> due_tier(settings, "2025.02.28", date(2025, 3, 31))
    'past'
    """
    year, month, number = map(int, day.split("."))
    begin = date(year, month, number)
    thresholds: tuple[tuple[Tier, int | None], ...] = (
        ("past", retention.days),
        ("cold", retention.cold_after),
        ("warm", retention.warm_after),
    )
    for tier, days in thresholds:
        if days is not None and begin < today - timedelta(days=days):
            return tier
    return "hot"


def age(days: int) -> str:
    """The age from the start of a day at which it is more than `days` days old.

    >>> age(30)
    '31d'
    """
    return f"{days + 1}d"


def covers(found: Any, wanted: Any) -> bool:
    """Whether a policy is the wanted one, apart from defaults that the cluster added.

    >>> covers({"delete": {"retry": 3}}, {"delete": {}}), covers({"close": {}}, {"delete": {}})
    (True, False)
    """
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and covers(found[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(covers(one, other) for one, other in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)
