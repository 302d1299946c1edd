"""Fields that a caller can set freely, and rules that leave out events because of such a field
alone.

A caller chooses its user agent and session name, and the name of a role or user that it creates. An
attacker can choose the same value, and the rule does not report the call. A whole ARN names one
role and cannot be chosen.
"""

from __future__ import annotations

import re
from typing import Final

from sigma.types import SigmaString, SigmaType

from detections.matcher.predicate import Every, FieldTest, Node, Not, Some, Test

AGENTS: Final = frozenset(
    {
        "userAgent",
        "user_agent.original",
        "user_agent.kind",
        "user_agent.name",
        "user_agent.version",
    }
)
"""Fields whose value the caller sets."""
NAMES: Final = frozenset(
    {
        "userIdentity.arn",
        "userIdentity.userName",
        "userIdentity.principalId",
        "userIdentity.sessionContext.sessionIssuer.userName",
        "userIdentity.sessionContext.sessionIssuer.arn",
        "user.name",
    }
)
"""Fields with names that whoever creates a session, role or user chooses in part."""
RESERVED: Final = ("aws-reserved/", "aws-service-role/", "awsservicerolefor")
"""Parts of names that only AWS can assign."""

_OF_ONE_ROLE: Final = re.compile(r"arn:aws[a-z-]*:sts::[0-9]{12}:assumed-role/[^*?/]+/\*")
"""All sessions of a role."""


def silencing(node: Node) -> frozenset[str]:
    """The fields with which a caller can keep a rule from matching: one of them is enough.

    >>> from detections.matcher import SigmaMatcher
    >>> rule = {"call": {"eventName": "StopLogging"}, "code": {"user_agent.kind": "iac"}}
    >>> sorted(silencing(SigmaMatcher.from_detection(
    ...     {**rule, "condition": "call and not code"}).root))
    ['user_agent.kind']
    """
    match node:
        case Not(part):
            return _by_choice(part)
        case Every(parts):
            return frozenset().union(*map(silencing, parts))
        case Some(parts):
            found = [silencing(part) for part in parts]
            return frozenset().union(*found) if parts and all(found) else frozenset()
        case Test():
            return frozenset()


def _by_choice(node: Node) -> frozenset[str]:
    """The fields by which alone a caller can make `node` true; empty if that takes other fields."""
    match node:
        case Test(_, _, field_test):
            return frozenset() if field_test is None else _chosen(field_test)
        case Every(parts):
            found = [_by_choice(part) for part in parts]
            return frozenset().union(*found) if parts and all(found) else frozenset()
        case Some(parts):
            return frozenset().union(*map(_by_choice, parts))
        case Not():
            return frozenset()


def _chosen(test: FieldTest) -> frozenset[str]:
    field = test.field
    if field is None or not test.values:
        return frozenset()
    if field in AGENTS and all(isinstance(value, SigmaString) for value in test.values):
        return frozenset({field})
    if field in NAMES and any(_is_a_part(value) for value in test.values):
        return frozenset({field})
    return frozenset()


def _is_a_part(value: SigmaType) -> bool:
    """Whether it is a pattern that matches a part of a name."""
    if not isinstance(value, SigmaString) or not value.contains_special():
        return False
    text = str(value).lower()
    return not (_OF_ONE_ROLE.fullmatch(text) or any(part in text for part in RESERVED))
