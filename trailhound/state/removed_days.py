"""The days that retention removed: which, when, and by which setting.

What is deleted cannot be looked at any more, so this is what remains to answer where it went.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

import msgspec
from opensearchpy import OpenSearch

from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

MOST: Final = 200
"""Runs that are kept, the latest: with one day a night those of half a year."""
_WORDS: Final = {
    "deleted": "deleted",
    "closed": "closed",
    "handed": "given to the cluster's lifecycle management for removal",
}


class RemovalRun(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did with days (`YYYY.MM.DD`, in their order), at a time in UTC, as `kept`, the
    setting `retention.days`, asked for; `host` is the daemon's."""

    at: datetime
    action: Literal["deleted", "closed", "handed"]
    days: tuple[str, ...]
    kept: int
    host: str

    def sentence(self) -> str:
        """
        >>> days = ("2018.03.01", "2018.03.02", "2018.03.03")
        >>> at = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
        >>> RemovalRun(at=at, action="deleted", days=days, kept=3000, host="siem-1").sentence()
        '3 days (2018.03.01 to 2018.03.03) were deleted at 2026-12-01 09:30:00 UTC by the daemon on siem-1, for retention.days: 3,000'
        """  # noqa: E501
        one = len(self.days) == 1
        named = self.days[0] if one else f"{self.days[0]} to {self.days[-1]}"
        return (
            f"{plural(len(self.days), 'day')} ({named}) {'was' if one else 'were'} "
            f"{_WORDS[self.action]} at {self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC by the "
            f"daemon on {self.host}, for retention.days: {self.kept:,}"
        )


class RemovedDays(StateDocument, frozen=True, kw_only=True):
    """All of a namespace, the latest run last."""

    kind: ClassVar[str] = "removed_days"
    id_prefix: ClassVar[str] = "removed-days-"

    name: str = "all"
    runs: tuple[RemovalRun, ...] = ()

    @property
    def key(self) -> str:
        return self.name

    def plus(self, new: Iterable[RemovalRun]) -> RemovedDays:
        """These runs too."""
        return RemovedDays(name=self.name, runs=(*self.runs, *new)[-MOST:])

    def as_list(self) -> list[dict[str, Any]]:
        """As `status --json` prints it, the latest first."""
        made: list[dict[str, Any]] = msgspec.to_builtins(self.runs[::-1])
        return made


class RemovedDaysStore:
    """Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, RemovedDays)

    def get(self) -> RemovedDays:
        """What is known."""
        nothing = RemovedDays()
        return self._store.one(nothing.key) or nothing

    def add(self, runs: Iterable[RemovalRun]) -> None:
        """Keep these runs too; those without a day are left out."""
        if new := tuple(each for each in runs if each.days):
            self._store.revise(RemovedDays(), lambda stored: stored.plus(new))
