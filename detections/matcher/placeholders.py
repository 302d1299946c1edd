"""Sigma's `expand`: `%name%` in a rule is replaced by each value of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from sigma.types import (
    Placeholder,
    SigmaExpansion,
    SigmaRegularExpression,
    SigmaString,
    SigmaType,
    SpecialChars,
)

from trailhound.errors import RuleError

_CALLING: Final = (
    "apigateway.amazonaws.com",
    "appsync.amazonaws.com",
    "fis.amazonaws.com",
    "scheduler.amazonaws.com",
    "ssm.amazonaws.com",
    "states.amazonaws.com",
)
_DEPLOYING: Final = (
    "amplify.amazonaws.com",
    "cloudcontrolapi.amazonaws.com",
    "cloudformation.amazonaws.com",
    "*.cloudformation.amazonaws.com",  # stack sets
    "codepipeline.amazonaws.com",
    "elasticbeanstalk.amazonaws.com",
    "launchwizard.amazonaws.com",
    "opsworks.amazonaws.com",
    "proton.amazonaws.com",
    "serverlessrepo.amazonaws.com",
    "servicecatalog.amazonaws.com",
    "ssm-quicksetup.amazonaws.com",
)
SHIPPED: Final[Mapping[str, Sequence[str]]] = {
    "acting_for_callers": (*_CALLING, *_DEPLOYING),
    "calling_any_api": _CALLING,
}
"""Lists that rules can use without a setting; a setting of the name replaces them.

`acting_for_callers`: services that make calls of their user's choice, with the rights of that user
or of a role that it passes. What they do (`userIdentity.invokedBy`) is that user's act.
`calling_any_api`: those that call any API that they are asked for and deploy nothing, for rules on
what a deployment also does."""
MOST_VALUES = 100_000
"""Most values that one value may expand to; more is a mistake, or the product of two long lists."""


def expanded(value: SigmaType, placeholders: Mapping[str, Sequence[str]]) -> SigmaType:
    """`value` with its placeholders replaced, as a `SigmaExpansion` where it had any.

    The values may contain wildcards; in a regular expression they are used unchanged.
    Raises `RuleError` for a name without values.
    """
    if isinstance(value, SigmaExpansion):
        return SigmaExpansion([expanded(each, placeholders) for each in value.values])
    if isinstance(value, SigmaRegularExpression) and value.contains_placeholder():
        return SigmaExpansion(
            [
                SigmaRegularExpression(each.to_plain_regex(), set(value.flags), value.policy)
                for each in _strings(value.regexp, placeholders)
            ]
        )
    if isinstance(value, SigmaString) and value.contains_placeholder():
        return SigmaExpansion(list(_strings(value, placeholders)))
    return value


def _strings(
    value: SigmaString, placeholders: Mapping[str, Sequence[str]]
) -> Iterator[SigmaString]:
    choices: list[list[list[str | SpecialChars | Placeholder]]] = []
    total = 1
    for part in value.s:
        if isinstance(part, Placeholder):
            given = placeholders if part.name in placeholders else SHIPPED
            if part.name not in given:
                raise RuleError(
                    f"placeholder %{part.name}% has no values",
                    hint="give it a list of values, or remove the `expand` modifier",
                )
            choices.append([SigmaString(str(each)).s for each in given[part.name]])
        else:
            choices.append([[part]])
        total *= len(choices[-1])
    if total > MOST_VALUES:
        raise RuleError(
            f"placeholders of one value expand to {total} values, more than {MOST_VALUES}",
            hint="match one list at a time",
        )
    for parts in product(*choices):
        made = type(value)()
        made.s = [part for group in parts for part in group]
        yield made
