"""Fields that a caller can set freely, and rules that leave out events because of such a field
alone.

A caller chooses its user agent and session name, and the name and path of a role or user that it
creates. An attacker can choose the same value, and the rule does not report the call. A whole ARN
names one role and cannot be chosen, nor can the paths that AWS reserves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sigma.types import SigmaFieldReference, SigmaRegularExpression, SigmaString, SigmaType

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
"""Fields with names that the creator of a session, role or user chooses in part."""
_ARNS: Final = frozenset({"userIdentity.arn", "userIdentity.sessionContext.sessionIssuer.arn"})
_UNIQUE_ID: Final = "userIdentity.principalId"
_PROOFS: Final = frozenset(
    {*_ARNS, _UNIQUE_ID, "userIdentity.invokedBy", "userIdentity.accessKeyId"}
)
"""Fields that say who acted, where they are tested entirely."""
_OF_ONE_ROLE: Final = re.compile(r"arn:aws[a-z-]*:sts::[0-9]{12}:assumed-role/[^*?/]+/\*")
"""All sessions of a role."""
_RESERVED: Final = re.compile(
    r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|\?{12}):role/aws-(?:reserved|service-role)/.*"
)
"""A role below a path that AWS reserves, which begins right after the account: any other part of a
path may read the same."""
_RESERVED_REGEX: Final = re.compile(
    r"\^arn:(?:[A-Za-z0-9:-]|\[\^:\][*+]|\[[a-z0-9-]+\](?:[*+]|\{[0-9]+\}))*"
    r":role/aws-(?:reserved|service-role)/[^|]*"
)
"""The same as a regular expression, with nothing that could match a `:` before the path."""
_OF_ONE_ID: Final = re.compile(r"a[a-z]{3}[a-z0-9]{12,}(?::\*)?")
"""A user, or all sessions of a role, by the id that AWS gave it."""


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


def chosen_tests(node: Node, *, negated: bool = False) -> Iterator[FieldTest]:
    """The tests of a rule that leave events out by what a caller chooses, also those that take
    something else beside."""
    match node:
        case Not(part):
            yield from chosen_tests(part, negated=not negated)
        case Every(parts) | Some(parts):
            for part in parts:
                yield from chosen_tests(part, negated=negated)
        case Test(_, _, field_test):
            if negated and field_test is not None and _chosen(field_test):
                yield field_test


def admitting(node: Node) -> frozenset[str]:
    """The fields by which a caller can make a filter match an event as another actor's: a part of a
    name that nothing beside it proves.

    >>> from detections.matcher import SigmaMatcher
    >>> sorted(admitting(SigmaMatcher.from_detection({"reads": {
    ...     "eventName": "ListUsers", "userIdentity.arn|contains": "Recorder"},
    ...     "condition": "reads"}).root))
    ['userIdentity.arn']
    """
    match node:
        case Not():
            return frozenset()
        case Some(parts):
            return frozenset().union(*map(admitting, parts))
        case Every(parts):
            if any(_proves(part) for part in parts):
                return frozenset()
            return frozenset().union(*map(admitting, parts))
        case Test(_, _, field_test):
            return frozenset() if field_test is None else _chosen(field_test)


def excusing(node: Node) -> frozenset[str]:
    """The fields by which a caller can make an exception, `not …`, leave out its events as those of
    another actor.

    >>> from detections.matcher import SigmaMatcher
    >>> sorted(excusing(SigmaMatcher.from_detection({"ours": {
    ...     "userIdentity.arn|contains": "terraform"}, "condition": "not ours"}).root))
    ['userIdentity.arn']
    """
    match node:
        case Not(part):
            return admitting(part)
        case Every(parts) | Some(parts):
            return frozenset().union(*map(excusing, parts))
        case Test():
            return frozenset()


def _proves(node: Node) -> bool:
    """Whether it identifies the actor by a value that a caller cannot choose."""
    match node:
        case Test(_, _, FieldTest(str(field)) as test):
            return field.startswith("userIdentity.") and field in _PROOFS and not _chosen(test)
        case Every(parts):
            return any(map(_proves, parts))
        case Some(parts):
            return bool(parts) and all(map(_proves, parts))
        case _:
            return False


def _chosen(test: FieldTest) -> frozenset[str]:
    field = test.field
    if field is None or not test.values:
        return frozenset()
    if field in AGENTS and all(
        isinstance(value, SigmaString | SigmaRegularExpression) for value in test.values
    ):
        return frozenset({field})
    if field in NAMES and any(_is_a_part(field, value) for value in test.values):
        return frozenset({field})
    return frozenset()


def _is_a_part(field: str, value: SigmaType) -> bool:
    """Whether it is less than a whole ARN or unique id: a pattern for a part, or only a name, which
    a role or user of another account can have too."""
    if isinstance(value, SigmaRegularExpression):
        written = str(value.regexp.to_plain_regex()).replace("\\/", "/")
        return not (field in _ARNS and _RESERVED_REGEX.fullmatch(written))
    if isinstance(value, SigmaFieldReference):
        return True
    if not isinstance(value, SigmaString):
        return False
    text = str(value).lower()
    if field == _UNIQUE_ID:
        return value.contains_special() and not _OF_ONE_ID.fullmatch(text)
    if field not in _ARNS:
        return True
    if not value.contains_special():
        return False
    return not (_OF_ONE_ROLE.fullmatch(text) or _RESERVED.fullmatch(text))
