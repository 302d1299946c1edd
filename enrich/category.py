"""The category of an event: `event_category`."""

from __future__ import annotations

FIRST = {"iam": "identity_management", "s3": "data_access", "ec2": "compute"}
AUTHENTICATION_CALLS = frozenset({"ConsoleLogin", "AssumeRole"})
FINER = {
    "cloudtrail": "logging",
    "sts": "authentication",
    "signin": "authentication",
    "sso": "authentication",
    "kms": "encryption",
    "acm": "encryption",
    "secretsmanager": "secrets",
    "ssm": "secrets",
    "lambda": "serverless",
    "states": "serverless",
    "rds": "database",
    "dynamodb": "database",
    "redshift": "database",
    "ecs": "containers",
    "eks": "containers",
    "ecr": "containers",
    "monitoring": "monitoring",
    "logs": "monitoring",
    "config": "monitoring",
    "guardduty": "monitoring",
    "securityhub": "monitoring",
    "organizations": "organization",
    "account": "organization",
    "controltower": "organization",
    "route53": "network",
    "route53domains": "network",
    "route53resolver": "network",
    "elasticloadbalancing": "network",
    "cloudfront": "network",
    "bedrock": "ai",
    "sagemaker": "ai",
}


def service(source: str) -> str:
    """The service's short name.

    >>> service("iam.amazonaws.com")
    'iam'
    """
    return source.partition(".")[0].lower()


def category(source: str, name: str) -> str:
    """The category of the call `name` at the event source `source`; the first rule that matches.

    A service that is part of a family (`acm-pca`, `rds-data`) has the category of the family if it
    has none of its own.

    >>> category("sts.amazonaws.com", "AssumeRole"), category("ec2.amazonaws.com", "AssumeRole")
    ('authentication', 'compute')
    """
    label = service(source)
    if label in FIRST:
        return FIRST[label]
    if name in AUTHENTICATION_CALLS:
        return "authentication"
    family = label.partition("-")[0]
    return FINER.get(label) or FIRST.get(family) or FINER.get(family) or "other"
