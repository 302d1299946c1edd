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
from detections.incidents.actors import texts_at
from trailhound.cluster.queries import both
from trailhound.errors import ClusterError

LOG = logging.getLogger("trailhound.notify")

EVENTS: Final = 100
"""The earliest events of an alert that are read."""
MOST: Final = 20
"""Values of each kind, the most frequent first."""
_LONGEST: Final = 120
_FEDERATED: Final = ("userIdentity", "sessionContext", "webIdFederationData", "federatedProvider")
_FIELDS: Final = [
    *("userIdentity.accessKeyId", "source.ip", "geolocation", "userAgent"),
    ".".join(_FEDERATED[:-1]),
]
_OPENING: Final = "AssumeRoleWithWebIdentity"
_OPENER: Final = ["resource.access_key", "responseElements", "userIdentity"]
_SESSION: Final = "36h"
"""How long before an alert a session of it may have been opened."""


def origin_of(client: OpenSearch, days: str, alert: Mapping[str, Any]) -> Document:
    """The `access_keys`, `addresses` (each with `country` and `network`, where known), `tools`
    (user agents) and `web_identities` (who opened the sessions at an identity provider: its `sub`,
    and the provider) of an alert's first events; empty if these cannot be read. `days`: the daily
    indices."""
    ids = alert["evidence"].get("event_id", [])[:EVENTS]
    keys: Counter[str] = Counter()
    tools: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    places: dict[str, Document] = {}
    federated: dict[str, str] = {}
    identities: list[str] = []
    try:
        for source in _events(client, days, alert, ids) if ids else ():
            keys[_text(source, "userIdentity", "accessKeyId")] += 1
            tools[_text(source, "userAgent")] += 1
            if provider := _text(source, *_FEDERATED):
                federated[_text(source, "userIdentity", "accessKeyId")] = provider
            address = _text(source, "source", "ip")
            addresses[address] += 1
            places.setdefault(address, _place(source.get("geolocation")))
        identities = _web_identities(client, days, alert, federated)
    except (ClusterError, OpenSearchException) as error:
        # The alert matters more than this.
        LOG.warning("the events of an alert cannot be read for its message: %s", error)
        return {}
    made = {
        "access_keys": _most(keys),
        "addresses": [{"address": each} | places[each] for each in _most(addresses)],
        "tools": _most(tools),
        "web_identities": identities,
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


def _web_identities(
    client: OpenSearch, days: str, alert: Mapping[str, Any], federated: Mapping[str, str]
) -> list[str]:
    """Who opened the sessions of these keys, each with its provider; of a session whose opening is
    not in the index the provider alone, which is all that its own events have."""
    if not federated:
        return []
    when = {"gte": f"{alert['first_seen']}||-{_SESSION}", "lte": alert["last_seen"]}
    query = both(
        {"terms": {"resource.access_key": sorted(federated)}},
        {"term": {"eventName": _OPENING}},
        {"range": {"@timestamp": when}},
    )
    named = {key: _provider(provider) for key, provider in federated.items()}
    for hit in EventIndex(client, days).documents(query, {"_source": _OPENER}, limit=EVENTS):
        source = hit["_source"]
        subject = _text(source, "responseElements", "subjectFromWebIdentityToken")
        subject = subject or _text(source, "userIdentity", "userName")
        for key in texts_at(source, "resource", "access_key"):
            if subject and key in federated:
                named[key] = f"{subject} ({_provider(federated[key])})"
    return list(dict.fromkeys(named.values()))[:MOST]


def _provider(arn: str) -> str:
    """The name of an identity provider.

    >>> _provider("arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com")
    'token.actions.githubusercontent.com'
    """
    return arn.partition(":oidc-provider/")[2] or arn


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
