"""ARNs: what an ARN names, as leaves of `resource.*`."""

from __future__ import annotations

import re

from enrich.memo import Memo

Pairs = tuple[tuple[str, str], ...]

LEAVES: dict[str, dict[str, str]] = {
    # service -> type of the resource -> leaf
    "iam": {"user": "user", "role": "role", "group": "group", "policy": "policy"},
    "sts": {"assumed-role": "role", "federated-user": "user"},
    "ec2": {
        "instance": "instance",
        "image": "image",
        "volume": "volume",
        "snapshot": "snapshot",
        "vpc": "vpc",
        "security-group": "security_group",
    },
    "lambda": {"function": "function"},
    "kms": {"key": "kms_key", "alias": "kms_key"},
    "secretsmanager": {"secret": "secret"},
    "ssm": {"parameter": "parameter", "managed-instance": "instance"},
    "cloudtrail": {"trail": "trail"},
    "organizations": {"account": "account", "policy": "policy"},
    "rds": {
        "db": "database",
        "cluster": "cluster",
        "snapshot": "snapshot",
        "cluster-snapshot": "snapshot",
    },
    "dynamodb": {"table": "database"},
    "redshift": {"cluster": "cluster", "snapshot": "snapshot"},
    "ecs": {"cluster": "cluster", "service": "cluster", "task": "cluster"},
    "eks": {"cluster": "cluster", "nodegroup": "cluster", "cluster-access-policy": "policy"},
    "ecr": {"repository": "repository"},
    "logs": {"log-group": "log_group"},
    "route53": {"hostedzone": "hosted_zone"},
}
LAST_PART = frozenset({"user", "role", "group", "policy", "snapshot", "account"})
"""Leaves whose name is the last part of a path (`role/team/Ops`); others are the first."""
WHOLE_PATH = frozenset({"kms_key", "parameter", "trail", "repository", "secret", "log_group"})
"""Leaves whose name may contain slashes."""

NAME_BEFORE_LAST: dict[str, re.Pattern[str]] = {
    service: re.compile(pattern)
    for service, pattern in {
        "apprunner": r"[a-z]+/([^/]+)/.+",
        "batch": r"job-definition/([^/:]+):[0-9]+",
        "bedrock": r"(?:foundation-model|inference-profile)/(.+)|prompt/([^/:]+):[^/:]+",
        "cloudformation": (
            r"(?:stack|changeSet|stackset|type/(?:resource|module|hook))/([^/:]+)[/:][^/:]+"
        ),
        "ecs": r"task-definition/([^/:]+):[0-9*]+",
        "eks": r"(?:addon|fargateprofile)/[^/]+/([^/]+)/[^/]+",
        "elasticloadbalancing": (r"(?:targetgroup|loadbalancer/(?:app|net|gwy))/([^/]+)/[^/]+"),
        "greengrass": r"components:([^:]+):versions:[^:]+",
        "imagebuilder": r"[a-z-]+/([^/]+)/[^/]+(?:/[^/]+)?",
        "kafka": r"cluster/([^/]+)/[^/]+",
        "kinesis": r"stream/[^/]+/consumer/([^/:]+):[0-9]+",
        "lambda": r"layer:([^:]+):[^:]+",
        "sagemaker": r"(?:model-package|image-version)/([^/]+)/[^/]+",
        "ssm": r"automation-definition/([^/:]+):.+",
        "states": r"stateMachine:([^:]+):[^:]+",
    }.items()
}
"""Of resources that are an `id`: those whose name is followed by a version, a revision or an id
that AWS made (https://docs.aws.amazon.com/service-authorization/latest/reference/). Others are
named by the last part, as are those whose calls take that id without the ARN: web ACLs, brokers."""

_SECRET_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")  # Secrets Manager appends it to the name
_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE_AT = len("arn:aws:sts::123456789012:assumed-role/")


def arn_parts(arn: str) -> Pairs:
    """The leaves and values that an ARN names.

    >>> arn_parts("arn:aws:iam::123456789012:role/team/Ops")
    (('role', 'Ops'),)
    >>> arn_parts("arn:aws:s3:::trail/2024/a.json")
    (('bucket', 'trail'), ('object_key', '2024/a.json'))
    >>> arn_parts("arn:aws:sts::123456789012:assumed-role/Ops/alice")
    (('role', 'Ops'),)
    """
    if arn.startswith("arn:aws:s3:::"):  # a fast path, since there is one for each object
        bucket, _, key = arn[13:].partition("/")
        if key and key != "*" and bucket:
            return (("bucket", bucket), ("object_key", key))
    if arn[25:39] == ":assumed-role/" and arn.startswith("arn:aws:sts::") and arn[13:25].isdigit():
        # Sessions are new ones all the time, and name the role alone.
        end = arn.find("/", _ROLE_AT)
        if end > _ROLE_AT:
            return known_arns[arn[:end]]
    return known_arns[arn]


def _named_by(arn: str) -> Pairs:
    pieces = arn.split(":", 5)
    if len(pieces) < 6:
        return ()
    service, account, rest = pieces[2], pieces[4], pieces[5]
    if not rest:
        return ()
    if service == "s3":
        return _s3(rest)
    if rest == "root":
        return (("account", account),) if _ACCOUNT.fullmatch(account) else ()
    kind, name = _kind_and_name(rest)
    leaf = LEAVES.get(service, {}).get(kind) if name else None
    if leaf is None:
        name = _id(service, rest)
        return (("id", name),) if name else ()
    value = _named(service, kind, leaf, name)
    return ((leaf, value),) if value else ()


known_arns: Memo[str, Pairs] = Memo(_named_by, limit=16_384)


def _kind_and_name(rest: str) -> tuple[str, str]:
    """`function`, `name` of `function:name`: split at whichever of `:` and `/` comes first."""
    kind, mark, name = rest.partition("/")
    if ":" in kind or not mark:
        kind, _, name = rest.partition(":")
    return kind, name


def _id(service: str, rest: str) -> str:
    """The name of what has no leaf of its own.

    >>> _id("lambda", "layer:tools:7"), _id("events", "rule/bus/nightly")
    ('tools', 'nightly')
    """
    pattern = NAME_BEFORE_LAST.get(service)
    found = pattern.fullmatch(rest) if pattern else None
    if found and (name := found[found.lastindex or 0]) != "*":
        return name
    return re.split("[/:]", rest.rstrip(":*/"))[-1]


def _s3(rest: str) -> Pairs:
    if rest.startswith(("accesspoint/", "accesspoint:", "job/")):
        return (("id", re.split("[/:]", rest)[1]),)
    bucket, _, key = rest.partition("/")
    pairs = [(leaf, value) for leaf, value in (("bucket", bucket), ("object_key", key)) if value]
    return tuple(pair for pair in pairs if pair[1] != "*")


def _named(service: str, kind: str, leaf: str, name: str) -> str:
    if leaf == "role" and service == "sts":
        return name.partition("/")[0]
    if leaf == "secret":
        return _SECRET_SUFFIX.sub("", name)
    if leaf == "parameter":
        return f"/{name}" if "/" in name else name
    if leaf == "kms_key" and kind == "alias":
        return f"alias/{name}"
    if leaf == "log_group" or leaf == "function":
        return name.partition(":")[0]
    if leaf in LAST_PART:
        return name.rpartition("/")[2]
    return name if leaf in WHOLE_PATH else name.partition("/")[0]
