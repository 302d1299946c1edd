"""What a caller chooses about itself, and which rules leave events out for that alone.

The user agent, the name of a session, of a role or user that somebody made: an attacker chooses
them as well, and is then not reported. A whole ARN names one role, and is no such choice.
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
"""Fields that a caller writes as it likes."""
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
"""Fields that a part of a name is chosen in, by whoever makes a session, role or user."""
RESERVED: Final = ("aws-reserved/", "aws-service-role/", "awsservicerolefor")
"""Parts of names that AWS alone gives."""

_OF_ONE_ROLE: Final = re.compile(r"arn:aws[a-z-]*:sts::[0-9]{12}:assumed-role/[^*?/]+/\*")
"""All sessions of a role."""


def silencing(node: Node) -> frozenset[str]:
    """The fields of which one alone, as a caller chooses it, keeps a rule from matching.

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
    """The fields by which a caller makes all of it true; none where it needs more than these."""
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
    """Whether it matches names that only have something in common."""
    if not isinstance(value, SigmaString) or not value.contains_special():
        return False
    text = str(value).lower()
    return not (_OF_ONE_ROLE.fullmatch(text) or any(part in text for part in RESERVED))
