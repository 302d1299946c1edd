"""A link that opens an alert's events in OpenSearch Dashboards' Discover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

LINKED = 20
"""At most so many events are named in a link."""

LONGEST = 8_000
"""Characters of a link: it has to stay below what browsers and proxies take."""

_MARGIN = timedelta(minutes=1)


def discover_url(
    base: str, data_view: str, events: Sequence[str], first: datetime, last: datetime
) -> str:
    """The address of Discover (Dashboards 2.9 and later) on these events, or "" without a base.

    State stands in the address as Rison (github.com/Nanonid/rison): `!` and `'` are escaped.
    """
    if not base:
        return ""
    since, until = (
        each.strftime("%Y-%m-%dT%H:%M:%S.000Z") for each in (first - _MARGIN, last + _MARGIN)
    )
    app = (
        "(discover:(columns:!(_source),isDirty:!f,sort:!()),"
        f"metadata:(indexPattern:{_rison(data_view)},view:discover))"
    )
    time = f"(filters:!(),refreshInterval:(pause:!t,value:0),time:(from:'{since}',to:'{until}'))"
    start = f"{base.rstrip('/')}/app/data-explorer/discover#?_a={_quoted(app)}&_g={_quoted(time)}"
    for number in range(min(len(events), LINKED), 0, -1):
        named = " or ".join(f'"{_kuery(event)}"' for event in events[:number])
        asked = f"(filters:!(),query:(language:kuery,query:{_rison(f'_id:({named})')}))"
        if len(link := f"{start}&_q={_quoted(asked)}") <= LONGEST:
            return link
    return start


def _quoted(text: str) -> str:
    return quote(text, safe="(),:!*")


def _kuery(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _rison(text: str) -> str:
    return "'" + text.replace("!", "!!").replace("'", "!'") + "'"
