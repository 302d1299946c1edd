"""`incidents show`: what is beside the alerts of an incident, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from trailhound.cli.columns import second
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural

with late_imports():
    from detections.incidents.context import Context, FurtherCalls

_OBJECTS = 3
_ADDRESSES = 5


def placed(addresses: Iterable[str], countries: Mapping[str, str]) -> str:
    """Addresses, each with its country where that is known.

    >>> placed(["203.0.113.7", "10.0.0.1"], {"203.0.113.7": "Russia"})
    '203.0.113.7 (Russia), 10.0.0.1'
    """
    return ", ".join(
        f"{each} ({countries[each]})" if each in countries else each for each in addresses
    )


def entry_details(entry: Mapping[str, Any]) -> str:
    """What an alert is about, and from which countries.

    >>> entry_details({"objects": ["a", "b", "c"], "objects_total": 9, "countries": ["Russia"]})
    'on a, b, c and 6 more; from Russia'
    >>> entry_details({"objects": [], "objects_total": 0, "countries": []})
    ''
    """
    shown = entry["objects"][:_OBJECTS]
    left = entry["objects_total"] - len(shown)
    more = f" and {left:,} more" if left else ""
    parts = [f"on {', '.join(shown)}{more}"] if shown else []
    parts += [f"from {', '.join(entry['countries'])}"] if entry["countries"] else []
    return "; ".join(parts)


def further_calls(further: FurtherCalls | None, countries: Mapping[str, str]) -> str:
    """What was done after the last alert, and of which time that is not known; empty if that is
    nothing.

    >>> further_calls(FurtherCalls(unknown=True), {})
    'not known: the search for further calls failed'
    >>> from detections.events.daily_indices import SkippedDay
    >>> closed = SkippedDay("cloudtrail-2025.03.02", "2025.03.02", "the index is closed")
    >>> further_calls(FurtherCalls(skipped=(closed,)), {})
    'not known of cloudtrail-2025.03.02: the index is closed'
    >>> denied = FurtherCalls(2, 2, "2025-03-01T12:00:00Z", (), {"GetObject": 2})
    >>> further_calls(denied, {}).partition(" UTC, ")[2]
    'all failed: GetObject ×2'
    """
    if further is None:
        return ""
    missing = "; ".join(f"not known of {each}" for each in further.skipped)
    if further.unknown:
        return "not known: the search for further calls failed"
    if not further.calls:
        return missing
    failed = ", all failed" if further.failed == further.calls else ""
    if further.failed and not failed:
        failed = f", {further.failed:,} of them failed"
    new = placed(further.addresses[:_ADDRESSES], countries)
    if left := len(further.addresses[_ADDRESSES:]):
        new += f" and {left:,} more"
    origin = f", also from {new}, which no alert has" if new else ""
    names = ", ".join(
        f"{name} ×{count:,}" if count > 1 else name for name, count in further.names.items()
    )
    calls = plural(further.calls, "further call")
    until = f"{calls} with its keys since the last alert, until {second(further.until)} UTC"
    return "; ".join(filter(None, (f"{until}{failed}{origin}: {names}", missing)))


def earlier_incidents(context: Context, first_seen: str) -> Iterator[str]:
    """A line for each earlier incident of the same people, keys or resources."""
    for each in context.earlier:
        before = _before(each["last_seen"], first_seen)
        by = ", ".join(each["by"])
        state = f"{each['level']}, {each['state']}"
        yield f"{each['id'][:6]}, {before} before: {each['title']} ({state}; {by})"
    if context.more:
        yield f"and {plural(context.more, 'other incident')} before"


def _before(then: str, now: str) -> str:
    """The time between two moments, in words.

    >>> _before("2026-11-29T20:00:00Z", "2026-12-01T21:00:00Z"), _before("2026-12-01", "2026-12-02")
    ('2 days', '24 hours')
    """
    between = datetime.fromisoformat(now) - datetime.fromisoformat(then)
    hours = int(between.total_seconds()) // 3600
    return plural(hours // 24, "day") if hours >= 48 else plural(hours, "hour")
