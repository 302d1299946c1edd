"""Whether a role's trust in an identity provider that everybody can use lets everybody in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from enrich.conditions import WILD
from enrich.policies import texts

_ONE_APPLICATION: Final = re.compile(
    r"(?:accounts\.google\.com|graph\.facebook\.com|www\.amazon\.com|"
    r"cognito-identity\.amazonaws\.com)"
)
"""Providers with which the audience names one application."""
_ONE_AUDIENCE: Final = re.compile(
    r".*:oidc-provider/(?:token\.actions\.githubusercontent\.com|gitlab\.com|app\.terraform\.io|"
    r"api\.bitbucket\.org/.*|agent\.buildkite\.com|oidc\.circleci\.com/.*)"
)
"""Providers of build systems: the audience is the same for all of their customers, or can be."""
_OPERATORS: Final = frozenset({"stringequals", "stringequalsignorecase", "stringlike"})
_AUDIENCES: Final = ("aud", "app_id", "oaud")


def lets_everybody_in(principal: Mapping[str, Any], condition: Any) -> bool:
    """Whether a statement trusts a provider that many organisations share, without saying which of
    them.

    >>> github = {"Federated": "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"}
    >>> key = "token.actions.githubusercontent.com:sub"
    >>> [lets_everybody_in(github, {"StringLike": {key: f"repo:{each}/*"}}) for each in ("*", "me")]
    [True, False]
    """
    providers = texts(principal.get("Federated"))
    limits = list(_limits(condition))
    for provider in providers:
        if _ONE_AUDIENCE.fullmatch(provider):
            limits_it = any(claim not in _AUDIENCES for claim in limits)
        elif _ONE_APPLICATION.fullmatch(provider):
            limits_it = bool(limits)
        else:
            continue
        if not limits_it:
            return True
    return False


def _limits(condition: Any) -> Iterator[str]:
    """The claims of which a condition requires fixed values."""
    if not isinstance(condition, Mapping):
        return
    for operator, tests in condition.items():
        name = operator.lower().rpartition(":")[2]
        if name not in _OPERATORS or not isinstance(tests, Mapping):
            continue
        for key, given in tests.items():
            values = texts(given)
            if values and ":" in key and all(map(_is_fixed, values)):
                yield key.rpartition(":")[2].lower()


def _is_fixed(value: str) -> bool:
    """Whether a claim names an owner: what is after the kind, up to the owner's own parts.

    >>> [_is_fixed(each) for each in ("repo:me/*", "repo:*", "*", "organization:me:project:*")]
    [True, False, False, True]
    >>> _is_fixed("repo:${token.actions.githubusercontent.com:repository_owner}/*")
    False
    """
    kind, colon, rest = value.partition(":")
    owner = re.split("[/:]", rest)[0] if colon else kind
    return bool(owner) and not WILD.search(kind + owner)
