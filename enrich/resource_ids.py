"""Finds ids whose form shows what they name (`i-0a1b…`, `vol-…`, ARNs), anywhere in a call.

Some 120 services take ids of EC2 (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html)
under names of their own, at any depth, more of them each year; so these are found by their form in
the raw JSON and not by path. Form is strict: a whole JSON text, with the 8 or 17 hexadecimal digits
that EC2 gives. Policies are texts within texts: what they name does not count as touched.
"""

from __future__ import annotations

import re

import msgspec

LEAVES = {
    b"i": "instance",
    b"mi": "instance",  # managed by Systems Manager, outside EC2
    b"ami": "image",
    b"vol": "volume",
    b"snap": "snapshot",
    b"vpc": "vpc",
    b"sg": "security_group",
}
OTHERS = (
    "acl", "cgw", "cvpn-endpoint", "dopt", "eigw", "eipalloc", "eni", "fl", "igw", "lgw", "lt",
    "nat", "pcx", "pl", "r", "rtb", "subnet", "tgw", "tgw-attach", "tgw-rtb", "tmf", "tmm", "tms",
    "tmt", "vgw", "vpce", "vpce-svc", "vpn",
)  # fmt: skip
"""Of a request alone; they are an `id`."""
NOT_READ = frozenset(
    {
        "athena", "dynamodb", "iam", "kms", "logs", "organizations", "s3", "secretsmanager",
        "securityhub", "signin", "sns", "sqs", "sts",
    }
)  # fmt: skip
"""Services that take no such ids, or only inside findings, keys and policies; most events are of
these."""

_OTHERS = frozenset(prefix.encode() for prefix in OTHERS)
_HINT = re.compile(rb'-[0-9a-f]{8}(?:[0-9a-f]{9})?"')
"""The end of every id: faster to search than the whole pattern."""
# Any prefix is matched and then looked up: ten times as fast as their alternatives.
_ID = re.compile(rb'"([a-z][a-z-]*-[0-9a-f]{8}(?:[0-9a-f]{9})?)"')
_ARN_HINT = re.compile(rb'"arn:aws')
_ARN = re.compile(rb'"(arn:aws[a-z-]{0,20}:[!#-\[\]-~]{6,2048})"')


def read_ids(
    request: msgspec.Raw,
    response: msgspec.Raw,
    found: dict[str, list[str]],
    arns: dict[str, str],
) -> None:
    """Adds what the ids in request and response name, each leaf's values once."""
    if len(request) > _SHORTEST:
        if _HINT.search(request):
            _gather(_ID.findall(request), found, request=True)
        if _ARN_HINT.search(request):
            for match in _ARN.findall(request):
                arns.setdefault(match.decode(), "")
    if len(response) > _SHORTEST and _HINT.search(response):
        _gather(_ID.findall(response), found, request=False)


_SHORTEST = 16
"""The minimum length of a body with an id."""
_LOOKED_THROUGH = 300
"""Duplicates beyond this number of values are dropped when they are written."""


def _gather(matches: list[bytes], found: dict[str, list[str]], *, request: bool) -> None:
    for match in dict.fromkeys(matches):
        prefix = match.rpartition(b"-")[0]
        leaf = LEAVES.get(prefix)
        if leaf is None:
            if not request or prefix not in _OTHERS:
                continue
            leaf = "id"
        text = match.decode()
        values = found.get(leaf)
        if values is None:
            found[leaf] = [text]
        elif len(values) > _LOOKED_THROUGH or text not in values:
            values.append(text)
