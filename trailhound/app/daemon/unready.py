"""Since when each reason is there why Trailhound is not ready, and which of them to tell people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from trailhound.app.health.readiness import Reason

_EACH_SUBJECT: Final = frozenset({"channel", "feed", "job"})
"""Codes of which each subject is a matter of its own, such as one of several sources. The subject
of others may be a list that changes with each run, such as the names of rules."""


def matter(reason: Reason) -> str:
    """What a reason is about, for the question whether people know of it: one that changes only in
    its details is no news.

    >>> matter(Reason("feed", "s3://a/", "denied")), matter(Reason("rule", "A, B", "past due"))
    ('feed s3://a/', 'rule')
    """
    return f"{reason.code} {reason.subject}" if reason.code in _EACH_SUBJECT else reason.code


@dataclass(slots=True)
class _Span:
    """Of a matter: its reason as last seen; when it was first and last seen."""

    reason: Reason
    first: float
    last: float


class Unready:
    """What was looked at over time. Times are of a monotonic clock, in seconds."""

    def __init__(self, now: float) -> None:
        self._spans: dict[str, _Span] = {}
        self._last = now

    def look(self, reasons: Iterable[Reason], now: float, calm: float) -> None:
        """Note the reasons there are now. One that is away for less than `calm` was not away: what
        fails every other minute fails."""
        for reason in reasons:
            self._last = now
            name = matter(reason)
            if name in self._spans:
                self._spans[name].reason, self._spans[name].last = reason, now
            else:
                self._spans[name] = _Span(reason, now, now)
        self._spans = {name: each for name, each in self._spans.items() if now - each.last < calm}

    def lasting(self, after: float, now: float) -> list[str]:
        """The matters that last for so many seconds, the oldest first."""
        return [name for name, each in self._oldest() if now - each.first >= after]

    def reasons(self) -> dict[str, Reason]:
        """All of now by matter, the oldest first."""
        return {name: each.reason for name, each in self._oldest()}

    def seconds(self, now: float) -> float:
        """Since the oldest one began; 0 if there is none."""
        return max((now - each.first for each in self._spans.values()), default=0.0)

    def well_for(self, now: float) -> float:
        """Seconds for which there is no reason."""
        return now - self._last

    def _oldest(self) -> list[tuple[str, _Span]]:
        return sorted(self._spans.items(), key=lambda each: each[1].first)
