"""A link that opens an alert's events in Discover: OpenSearch Dashboards' or Kibana's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

LINKED = 20
"""The most events named in a link."""

LONGEST = 8_000
"""The most characters of a link, below the limits of browsers and proxies."""

_MARGIN = timedelta(minutes=1)


def discover_url(
    base: str,
    data_view: str,
    events: Sequence[str],
    first: datetime,
    last: datetime,
    *,
    kibana: bool = False,
) -> str:
    """The URL of Discover on these events, or "" without a base.

    The state in the URL is Rison (github.com/Nanonid/rison): `!` and `'` are escaped.
    The form for Dashboards is that of 2.9 and later. Kibana's `index` is the data view's id in
    version 8; version 9 converts it to its `dataSource`.
    """
    if not base:
        return ""
    form = _kibana if kibana else _dashboards
    since, until = (
        each.strftime("%Y-%m-%dT%H:%M:%S.000Z") for each in (first - _MARGIN, last + _MARGIN)
    )
    time = f"(filters:!(),refreshInterval:(pause:!t,value:0),time:(from:'{since}',to:'{until}'))"
    for number in range(min(len(events), LINKED), -1, -1):
        named = " or ".join(f'"{_kuery(event)}"' for event in events[:number])
        query = f"(language:kuery,query:{_rison(f'_id:({named})')})" if named else ""
        link = base.rstrip("/") + form(data_view, time, query)
        if not query or len(link) <= LONGEST:
            break
    return link


def _dashboards(data_view: str, time: str, query: str) -> str:
    app = (
        "(discover:(columns:!(_source),isDirty:!f,sort:!()),"
        f"metadata:(indexPattern:{_rison(data_view)},view:discover))"
    )
    start = f"/app/data-explorer/discover#?_a={_quoted(app)}&_g={_quoted(time)}"
    return start + (f"&_q={_quoted(f'(filters:!(),query:{query})')}" if query else "")


def _kibana(data_view: str, time: str, query: str) -> str:
    term = f",query:{query}" if query else ""
    app = f"(columns:!(),filters:!(),index:{_rison(data_view)}{term},sort:!())"
    return f"/app/discover#/?_g={_quoted(time)}&_a={_quoted(app)}"


def _quoted(text: str) -> str:
    return quote(text, safe="(),:!*")


def _kuery(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _rison(text: str) -> str:
    return "'" + text.replace("!", "!!").replace("'", "!'") + "'"
