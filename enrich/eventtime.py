"""Parses the formats of `eventTime` into `@timestamp`."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from trailhound.errors import RecordError

FIRST_YEAR = 2006  # S3 and EC2 started in 2006: no event is older
LAST_YEAR = 2100

_CANONICAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_SPELLED = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r" ?(?:([Zz]|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2})?)?"
)
_NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?")
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)  # seconds, milli-, micro-, nanoseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
_LATEST = int(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp())


class EventTime(NamedTuple):
    """`timestamp` is ISO 8601 in UTC with `Z`; `day` is its `YYYY.MM.DD`, as in index names."""

    timestamp: str
    day: str


def event_time(value: str | int | float | None) -> EventTime:
    """The time in `eventTime`.

    Accepted: `2022-12-11T19:42:55Z` (kept letter for letter), a space for the `T`, one to nine
    digits of a fraction (cut to milliseconds, which is what a `date` field holds), an offset, no
    zone at all (UTC), and epoch numbers in seconds to nanoseconds, as numbers or as digits.
    Raises `RecordError`: `missing_event_time`, `bad_event_time`, or `absurd_event_time` where the
    year is not within 2006 to 2100.

    >>> event_time("2022-12-11 19:42:55")
    EventTime(timestamp='2022-12-11T19:42:55Z', day='2022.12.11')
    >>> event_time("2022-12-11T01:00:00.1234567+11:00").timestamp
    '2022-12-10T14:00:00.123Z'
    """
    if value is None or value == "":
        raise _refused("the record has no eventTime", "missing_event_time")
    if not isinstance(value, str):
        return _from_number(value)
    text = value.strip() if len(value) <= 64 else ""
    if _CANONICAL.fullmatch(text):
        moment = _iso(text[:-1], value)
        return EventTime(text, _day(moment, value))
    spelled = _SPELLED.fullmatch(text)
    if spelled:
        return _from_text(spelled, value)
    if _NUMBER.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    raise _refused(f"eventTime {value[:40]!r} is not a known date format", "bad_event_time")


def _from_text(spelled: re.Match[str], value: str) -> EventTime:
    date, clock, fraction, _, sign, hours, minutes = spelled.groups()
    moment = _iso(f"{date}T{clock}", value)
    if sign:
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if ahead >= timedelta(hours=24):
            raise _refused(f"eventTime {value!r} has an impossible offset", "bad_event_time")
        _day(moment, value)  # before any arithmetic, which year 1 or 9999 would overflow
        zone = timezone(ahead if sign == "+" else -ahead)
        moment = moment.replace(tzinfo=zone).astimezone(UTC)
    return _event_time(moment, (fraction + "00")[:3] if fraction else "", value)


def _from_number(value: int | float) -> EventTime:
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused("eventTime is not a finite number", "bad_event_time")
    for unit in _UNITS:
        if _EARLIEST * unit <= value < _LATEST * unit:
            millis = (
                int(value * 1_000) // unit if isinstance(value, int) else int(value * 1e3 / unit)
            )
            seconds, rest = divmod(millis, 1_000)
            moment = _EPOCH + timedelta(seconds=seconds)
            return _event_time(moment, f"{rest:03d}" if rest else "", str(value))
    raise _refused(f"eventTime {str(value)[:40]} is not a plausible epoch", "absurd_event_time")


def _event_time(moment: datetime, millis: str, value: str) -> EventTime:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if millis else ''}{millis}Z"
    return EventTime(text, _day(moment, value))


def _iso(text: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise _refused(f"eventTime {value!r} is not a calendar date", "bad_event_time") from None


def _day(moment: datetime, value: str) -> str:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise _refused(f"eventTime {value!r} is not plausible", "absurd_event_time")
    return f"{moment:%Y.%m.%d}"


def _refused(message: str, reason: str) -> RecordError:
    return RecordError(
        message, hint="an event without a date has no index: see the dead letters", reason=reason
    )
