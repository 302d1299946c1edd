"""The day as several readings of the clock find it: a test that reads it once, and lets a command
read it again, is about one day."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

LASTS = timedelta(minutes=3)


def lasting_now(lasts: timedelta = LASTS) -> datetime:
    """Now (UTC), on a day that lasts for so long yet: shortly before midnight it is waited for."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if midnight - now > lasts:
        return now
    while (now := datetime.now(UTC)) < midnight:
        time.sleep((midnight - now).total_seconds())
    return now


def lasting_today() -> date:
    """Today's date (UTC), on a day that lasts for a while yet."""
    return lasting_now().date()
