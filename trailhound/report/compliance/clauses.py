"""The clauses that queries for evidence are made of."""

from __future__ import annotations

from trailhound.cluster.queries import Query, both
from trailhound.report.event import HIGH


def either(*clauses: Query) -> Query:
    """Events that match one of several clauses."""
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def term(field: str, value: str) -> Query:
    """Events whose field has this value."""
    return {"term": {field: value}}


def call(*names: str) -> Query:
    """Calls of these names."""
    return {"terms": {"eventName": list(names)}}


def source(*services: str) -> Query:
    """Events of these services, as in `s3` for `s3.amazonaws.com`."""
    return {"terms": {"eventSource": [f"{service}.amazonaws.com" for service in services]}}


ADMINISTRATOR_ACCESS = [
    f"arn:{partition}:iam::aws:policy/AdministratorAccess"
    for partition in (
        "aws",
        "aws-cn",
        "aws-us-gov",
        "aws-eusc",
        "aws-iso",
        "aws-iso-b",
        "aws-iso-e",
        "aws-iso-f",
    )
]
"""The managed policy in each of AWS's partitions (botocore's `partitions.json`)."""
LOGIN = call("ConsoleLogin")
ROOT = term("userIdentity.type", "Root")
FAILED = term("event.outcome", "failure")
SUCCEEDED = term("event.outcome", "success")
DATA = either(
    term("eventCategory", "Data"),
    term("managementEvent", "false"),
    # Records before event version 1.06 have no category: by their calls.
    both(
        source("s3"),
        call(
            "GetObject",
            "HeadObject",
            "ListObjects",
            "ListObjectsV2",
            "PutObject",
            "CopyObject",
            "DeleteObject",
            "DeleteObjects",
        ),
    ),
    both(source("lambda"), call("Invoke", "InvokeFunction")),
    both(
        source("dynamodb"), call("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan")
    ),
)
"""Data events: calls on objects and items, which a trail records only if configured."""
READS = term("readOnly", "true")
WRITES = term("readOnly", "false")
HIGH_RISK: Query = {"range": {"risk_score": {"gte": HIGH}}}

IMDS = "requestParameters.ModifyInstanceMetadataOptionsRequest.HttpTokens"
_RANGES = "requestParameters.ipPermissions.items"
FROM_ANYWHERE = either(
    term(f"{_RANGES}.ipRanges.items.cidrIp", "0.0.0.0/0"),
    term(f"{_RANGES}.ipv6Ranges.items.cidrIpv6", "::/0"),
    term("requestParameters.cidrIp", "0.0.0.0/0"),
    term("requestParameters.cidrIpv6", "::/0"),
)
