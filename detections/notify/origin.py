"""Where the calls of an alert came from: what a message says beyond the alert's document."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.alerts.document import Document
from detections.alerts.text import one_line
from detections.events.index import EventIndex
from trailhound.cluster.queries import both
from trailhound.errors import ClusterError

LOG = logging.getLogger("trailhound.notify")

EVENTS: Final = 100
"""The earliest events of an alert that are read."""
MOST: Final = 20
"""Values of each kind, the most frequent first."""
_LONGEST: Final = 120
_FIELDS: Final = ["userIdentity.accessKeyId", "source.ip", "geolocation", "userAgent"]


def origin_of(client: OpenSearch, days: str, alert: Mapping[str, Any]) -> Document:
    """The `access_keys`, `addresses` (each with `country` and `network`, where known) and `tools`
    (user agents) of an alert's first events; empty if these cannot be read. `days`: the daily
    indices."""
    ids = alert["evidence"].get("event_id", [])[:EVENTS]
    keys: Counter[str] = Counter()
    tools: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    places: dict[str, Document] = {}
    try:
        for source in _events(client, days, alert, ids) if ids else ():
            keys[_text(source, "userIdentity", "accessKeyId")] += 1
            tools[_text(source, "userAgent")] += 1
            address = _text(source, "source", "ip")
            addresses[address] += 1
            places.setdefault(address, _place(source.get("geolocation")))
    except (ClusterError, OpenSearchException) as error:
        # The alert matters more than this.
        LOG.warning("the events of an alert cannot be read for its message: %s", error)
        return {}
    made = {
        "access_keys": _most(keys),
        "addresses": [{"address": each} | places[each] for each in _most(addresses)],
        "tools": _most(tools),
    }
    return {name: values for name, values in made.items() if values}


def _events(
    client: OpenSearch, days: str, alert: Mapping[str, Any], ids: list[str]
) -> list[Mapping[str, Any]]:
    # An eventID may be in use on another day as well: one of the two events is forged.
    when = {"range": {"@timestamp": {"gte": alert["first_seen"], "lte": alert["last_seen"]}}}
    query = both({"ids": {"values": ids}}, when)
    found = EventIndex(client, days).documents(query, {"_source": _FIELDS})
    return [hit["_source"] for hit in found]


def _place(found: Any) -> Document:
    """The country and the network of an address."""
    geolocation = found if isinstance(found, Mapping) else {}
    asn = geolocation.get("asn")
    network = [f"AS{asn}" if asn else "", _text(geolocation, "as_org")]
    made = {
        "country": _text(geolocation, "country"),
        "network": " ".join(filter(None, network)),
    }
    return {name: value for name, value in made.items() if value}


def _text(source: Mapping[str, Any], *path: str) -> str:
    """A text of an event as one line of bounded length; empty if there is none."""
    found: Any = source
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return one_line(found, _LONGEST) if isinstance(found, str) else ""


def _most(counted: Counter[str]) -> list[str]:
    return [value for value, _ in counted.most_common() if value][:MOST]
