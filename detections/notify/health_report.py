"""What a message about Trailhound's own health says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from trailhound.plural import plural


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`since` is when the first of `reasons` began; each has a `code`, a `subject`, a `message` and
    `advice`. Of one that is `ready` again they are empty. `host` and `pid` are of the daemon that
    sends it."""

    ready: bool
    since: datetime
    now: datetime
    namespace: str
    host: str
    pid: int
    reasons: Sequence[Mapping[str, str]] = ()

    @property
    def lasted(self) -> str:
        """For how long, in words.

        >>> then = datetime(2025, 3, 1, 4)
        >>> HealthReport(True, then, then + timedelta(minutes=89, seconds=50), "", "", 1).lasted
        '1 hour 29 minutes'
        """
        minutes = max(0, int((self.now - self.since) / timedelta(minutes=1)))
        hours, rest = divmod(minutes, 60)
        if not hours:
            return plural(rest, "minute")
        return plural(hours, "hour") + (f" {plural(rest, 'minute')}" if rest else "")

    def as_dict(self) -> dict[str, Any]:
        """As the document of a message has it; times in ISO 8601."""
        return asdict(self)
