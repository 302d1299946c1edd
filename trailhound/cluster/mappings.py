"""The mapping of events: every field of a daily index and its type.

`dynamic: false` keeps records from changing the mapping; a field that is not named here is stored
but not searched. The raw fields are every scalar of CloudTrail's record reference ("CloudTrail
record contents", AWS CloudTrail User Guide) as a keyword, and the free-form objects as
`flat_object`. The added fields are those of the enrichment.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from enrich.resources import LEAVES
from trailhound.settings.cluster import IndexedField

Mapping = dict[str, Any]

KEYWORD: Mapping = {"type": "keyword"}
FLAT: Mapping = {"type": "flat_object"}
STORED: Mapping = {"type": "object", "enabled": False}
DATE: Mapping = {"type": "date"}
STAMP: Mapping = {
    "type": "date",
    "format": "strict_date_time||"
    "strict_date_time_no_millis||strict_date_optional_time||epoch_millis",
    "print_format": "strict_date_optional_time",
}
"""A date that is written with milliseconds. OpenSearch tries the formats in turn. Of its default
ones, which are all but the first here, the last but one reads such a text, three to four times as
slowly. What is accepted, and how it is rounded and printed, is the same."""
LONG: Mapping = {"type": "long"}
BOOLEAN: Mapping = {"type": "boolean"}
IP: Mapping = {"type": "ip"}
LONG_TEXT: Mapping = {"type": "wildcard", "doc_values": False}

IMMENSE_TERM = 32_766
"""Lucene's limit on one term, in UTF-8 bytes (IndexWriter.MAX_TERM_LENGTH)."""


def fields(*names: str, kind: Mapping = KEYWORD) -> Mapping:
    """`properties` for several names of one type.

    >>> fields("a", "b")["b"]
    {'type': 'keyword'}
    """
    return {name: dict(kind) for name in names}


def tree(properties: Mapping) -> Mapping:
    """An object with these properties."""
    return {"properties": properties}


_SESSION_ISSUER = fields("type", "userName", "principalId", "arn", "accountId")

_USER_IDENTITY = {
    **fields(
        "type",
        "userName",
        "principalId",
        "arn",
        "accountId",
        "accessKeyId",
        "invokedBy",
        "identityProvider",
        "credentialId",
    ),
    "sessionContext": tree(
        {
            "sessionIssuer": tree(_SESSION_ISSUER),
            "webIdFederationData": tree(
                {**fields("federatedProvider"), "attributes": dict(FLAT)},
            ),
            "attributes": tree(fields("creationDate", "mfaAuthenticated")),
            **fields("sourceIdentity", "ec2RoleDelivery", "assumedRoot", "credentialType"),
        }
    ),
    "inScopeOf": tree(fields("sourceArn", "sourceAccount", "issuerType", "credentialsIssuedTo")),
    "onBehalfOf": tree(fields("userId", "identityStoreArn")),
}

RAW: Mapping = {
    **fields(
        "eventVersion",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "errorCode",
        "errorMessage",
        "requestID",
        "eventID",
        "eventType",
        "apiVersion",
        "managementEvent",
        "readOnly",
        "recipientAccountId",
        "sharedEventID",
        "vpcEndpointId",
        "vpcEndpointAccountId",
        "eventCategory",
        "sessionCredentialFromConsole",
    ),
    "userIdentity": tree(_USER_IDENTITY),
    **fields(
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "serviceEventDetails",
        "edgeDeviceDetails",
        "eventContext",
        kind=FLAT,
    ),
    "resources": tree(fields("ARN", "ARNPrefix", "accountId", "type")),
    "tlsDetails": tree(
        fields("tlsVersion", "cipherSuite", "clientProvidedHostHeader", "keyExchange")
    ),
    "addendum": tree(fields("reason", "updatedFields", "originalRequestID", "originalEventID")),
    "insightDetails": tree(
        {
            **fields("state", "eventSource", "eventName", "insightType", "errorCode"),
            "insightContext": dict(FLAT),
        }
    ),
}
"""CloudTrail's own fields, under CloudTrail's own names."""


def free_form_fields(fields: Mapping | None = None, before: str = "") -> list[str]:
    """The paths of all free-form objects.

    >>> "requestParameters" in free_form_fields()
    True
    """
    found = []
    for name, kind in (RAW if fields is None else fields).items():
        path = f"{before}{name}"
        if "properties" in kind:
            found += free_form_fields(kind["properties"], f"{path}.")
        elif kind.get("type") == "flat_object":
            found.append(path)
    return found


def alias(path: str) -> Mapping:
    """An ECS name for a raw field; takes no disk space."""
    return {"type": "alias", "path": path}


ADDED: Mapping = {
    "@timestamp": dict(DATE),
    "risk_score": {"type": "byte"},
    **fields("risk_reasons", "event_category", "user_type"),
    "geolocation": tree(
        {
            **fields("country", "country_code", "city", "as_org"),
            **fields("latitude", "longitude", kind={"type": "float"}),
            "location": {"type": "geo_point"},
            "asn": dict(LONG),
        }
    ),
    "source": tree({"ip": dict(IP), "address": alias("sourceIPAddress")}),
    "user": tree({"name": dict(KEYWORD), "id": alias("userIdentity.principalId")}),
    "user_agent": tree({**fields("name", "version", "kind"), "original": alias("userAgent")}),
    "event": tree(
        {
            "outcome": dict(KEYWORD),
            "ingested": dict(STAMP),
            "id": alias("eventID"),
            "action": alias("eventName"),
            "provider": alias("eventSource"),
        }
    ),
    "cloud": tree(
        {
            "region": alias("awsRegion"),
            "account": tree({"id": alias("recipientAccountId")}),
        }
    ),
    "error": tree({"code": alias("errorCode"), "message": alias("errorMessage")}),
    "resource": tree(fields(*sorted(LEAVES))),
    "resource_incomplete": dict(KEYWORD),
    "grants": tree(fields("accounts", "broad", "powers", "principals", "public", "unknown")),
    "threat": tree(
        {
            "indicator": tree(
                {
                    **fields("type", "provider", "name"),
                    "ip": dict(IP),
                    "modified_at": dict(DATE),
                }
            )
        }
    ),
    "trail": tree(
        {
            **fields("object", "account", "integrity", "repaired", "conflict"),
            "position": {"type": "integer"},
            # No free-form object of the event holds an object. On Elasticsearch alone, and only
            # `true`: see `Dialect.marks_flat`.
            "flat": {"type": "boolean", "doc_values": False},
            # Values that a repair moved here: stored, not searchable.
            "original": dict(STORED),
            # Texts too long for a term, as `path=value`: where a rule on that path looks as well.
            "text": dict(LONG_TEXT),
        }
    ),
}
"""The fields that Trailhound adds. If a record has such a name, its value moves to
`trail.original`."""

DOC_VALUES_ONLY: tuple[str, ...] = get_args(IndexedField)
"""Fields without a search index of their own, unless `index.indexed` names them.

Nearly every event has a different value of them, or another field serves the searches
(`@timestamp`, `geolocation.location`). Their doc values also find an exact value, more slowly.
"""


def event(indexed: Collection[str] = ()) -> Mapping:
    """The mapping of a daily index; `indexed` are those of `DOC_VALUES_ONLY` to index for search.

    >>> event(["eventID"])["properties"]["eventID"], event()["properties"]["eventID"]
    ({'type': 'keyword'}, {'type': 'keyword', 'index': False})
    """
    made: Mapping = {"dynamic": False, "properties": {**RAW, **ADDED}}
    for path in DOC_VALUES_ONLY:
        if path not in indexed:
            made = _with(made, path.split("."), {"index": False})
    return made


def _with(fields: Mapping, path: list[str], parameters: Mapping) -> Mapping:
    """The mapping, with further parameters for one field."""
    if not path:
        return fields | parameters
    properties = fields["properties"]
    inner = _with(properties[path[0]], path[1:], parameters)
    return {**fields, "properties": {**properties, path[0]: inner}}


EVENT: Mapping = event()
"""The default mapping of a daily index."""

SHOWN: Mapping = {"type": "keyword", "index": False, "doc_values": False}
"""A text that is shown and never searched. It is in the mapping only for the data view's list of
fields."""

SUMMED: Mapping = {"type": "long", "index": False}
"""A number that is summed and compared by its doc values."""

LEDGER: Mapping = {
    "dynamic": False,
    "properties": {
        # Names the class of `trailhound.state` that a document belongs to.
        **fields("kind"),
        **fields("uri", "state", "reason", "events_under"),
        # Looked up, and in no aggregation.
        "object": {"type": "keyword", "doc_values": False},
        **fields("etag", "worker", kind=SHOWN),
        # Searches sort by the first two: with an index they need not look at all entries.
        **fields("claimed_at", "finished_at", "heartbeat", "last", kind=DATE),
        **fields("gone_at", kind=DATE),
        **fields(
            *("size", "bytes", "read", "indexed", "duplicates", "dead_lettered", "filtered"),
            *("by_folder",),
            kind=SUMMED,
        ),
        "integrity": tree({**fields("verdict"), "at": dict(DATE)}),
        # The objects that first delivered an object's duplicates.
        "shared": tree({**fields("object"), "events": dict(SUMMED)}),
        # Who reads an object again.
        "claim": tree(fields("worker")),
    },
}
"""One document for each thing that Trailhound keeps about itself: see `trailhound.state`.

An object's entry is written twice, when it is claimed and when it is done, and where files are tiny
there is one for every few events: so a field has no more than what searches, panels and sums of it
need. Ledgers of the last release have an index and doc values of each, and keep them.
"""

DEADLETTER: Mapping = {
    "dynamic": False,
    "properties": {
        **fields("object", "etag", "code", "reason", "encoding", "day"),
        "position": dict(LONG),
        "at": dict(DATE),
        # The record as it was read; the engine does not parse it.
        "raw": dict(SHOWN),
        # Beside it, `by` and `note`, which nothing searches: who dismissed it, and why.
        "dismissed": tree({"at": dict(DATE)}),
    },
}
"""One document for each record that could not be indexed."""

ALERT_AS_EVENT: Mapping = {
    "user": tree({"name": alias("entity.principal")}),
    "source": tree({"ip": alias("entity.address")}),
    "recipientAccountId": alias("entity.account"),
    "awsRegion": alias("entity.region"),
}
"""Event field names for the subjects of an alert, so that a dashboard filter applies to both."""

ALERT: Mapping = {
    "dynamic": False,
    "properties": {
        "@timestamp": dict(DATE),
        "rule": tree({**fields("id", "name", "kind", "level"), **fields("severity", kind=LONG)}),
        # What was called; `attempt`: nothing of it succeeded, `lowered`: hence a lower level.
        # `call_summary` says the calls in words, for a column of a dashboard.
        "calls": tree({**fields("name"), **fields("count", "failed", kind=LONG)}),
        **fields("call_summary"),
        **fields("outcome", "raised_from"),
        **fields("attempt", "lowered", kind=BOOLEAN),
        "before": tree({**fields("relation"), "count": dict(LONG), "last": dict(DATE)}),
        **fields("level", "state", "state_by", "group", "group_key", "count_relation"),
        # `catch_up` names the catch-up whose digest has the alert; it gets no message of its own.
        **fields("merged_into", "catch_up"),
        # Those that follow it have to be recounted.
        **fields("recount", kind=BOOLEAN),
        # Found while its rule had too little history: one digest a day has these.
        **fields("learning", kind=BOOLEAN),
        # What a closed alert was, and who owns it.
        **fields("disposition", "assignee"),
        # The same of alerts that variants of a rule raised of the same events.
        **fields("twin_key"),
        # The incident that it belongs to, by the id of that one's earliest alert; what it is linked
        # to others by; and whether it was written since it was joined.
        **fields("incident"),
        **fields("incident_due", kind=BOOLEAN),
        "links": tree(
            {
                **fields("own", "created", "used", "address", "joined_address"),
                **fields("principal", "account"),
                "address_day": dict(SHOWN),
                **fields("first", "last", kind=DATE),
            }
        ),
        "state_at": dict(DATE),
        "attack": tree(fields("technique", "tactic")),
        "entity": tree(
            {
                **fields("principal", "arn", "account", "region", "resource", "outsider"),
                "address": dict(IP),
            }
        ),
        "evidence": tree(
            {
                **fields("event_id", "url"),
                "time": {"type": "date", "index": False},
                "query": dict(STORED),
            },
        ),
        **fields("first_seen", "last_seen", kind=DATE),
        **fields("count", "severity", kind=LONG),
        **fields(
            "summary", "reason", "description", "response", "falsepositives", kind={"type": "text"}
        ),
        **fields("references", kind=SHOWN),
        # Who, when and why, of each change of state.
        "history": dict(STORED),
        # Digests of the counted events, so that counting one again changes nothing.
        "counted": dict(STORED),
        "delivery": tree(
            # Channels that are done with it; channels that were tried, or held it back.
            {**fields("done", "pending"), "log": dict(STORED)}
        ),
        **ALERT_AS_EVENT,
    },
}
"""One document for each alert."""
