"""Actions of a policy's statement by which whoever has them gives itself all other rights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from enrich.policies import texts

_WILD: Final = re.compile(r"[*?]")
_OF_IAM: Final = re.compile(r"arn:\*|arn:[^:]*:(?:iam|\*)?:[^:]*:(?:[^:]*:.*[*?]|[^:]*[*?]$)")
"""A pattern of resources that can be users and roles, and not a single one."""
_ONESELF: Final = "${aws:username}"
"""In a resource: the user who has the policy."""
_RIGHTS: Final = (
    "iam:attachgrouppolicy", "iam:attachrolepolicy", "iam:attachuserpolicy", "iam:putgrouppolicy",
    "iam:putrolepolicy", "iam:putuserpolicy",
)  # fmt: skip
_POWERS: Final = (
    *_RIGHTS, "iam:addusertogroup", "iam:createaccesskey", "iam:createloginprofile",
    "iam:createpolicyversion", "iam:setdefaultpolicyversion", "iam:updateassumerolepolicy",
    "iam:updateloginprofile",
)  # fmt: skip
"""Actions by which whoever has them gives itself all others: of itself alone, those of
`_RIGHTS`."""
_ASSUME: Final = "sts:assumerole"
"""The same, if it is allowed of any role."""


def powers(statement: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The actions that a statement allows by which one gives oneself all other rights, of more than
    single principals, and whether by a wildcard.

    >>> powers({"Action": ["s3:Get*", "iam:PutUserPolicy"]})
    (['iam:putuserpolicy'], False)
    >>> powers({"Action": "iam:PutU*"}), powers({"Action": "iam:*", "Resource": "arn:aws:s3:::a"})
    ((['iam:putuserpolicy'], True), ([], False))
    """
    resources = texts(statement.get("Resource", "*"))
    anything = "NotResource" in statement or "*" in resources
    several = [each for each in resources if _OF_IAM.match(each)]
    oneself = any(each.endswith(_ONESELF) for each in resources)
    if not (anything or several or oneself):
        return [], False
    others = anything or any(_ONESELF not in each for each in several)
    asked = _POWERS if others else _RIGHTS
    if "NotAction" in statement:
        left_out = [each.lower() for each in texts(statement["NotAction"])]
        found = [power for power in asked if not _matched(power, left_out)]
        return found, bool(found)
    actions = dict.fromkeys(each.lower() for each in texts(statement.get("Action")))
    wild = [each for each in actions if _WILD.search(each)]
    by_wildcard = [each for each in asked if _matched(each, wild)]
    if anything and _matched(_ASSUME, wild):
        by_wildcard.append(_ASSUME)
    named = [each for each in asked if each in actions and each not in by_wildcard]
    return by_wildcard + named, bool(by_wildcard)


def _matched(power: str, patterns: list[str]) -> bool:
    """Whether one of the patterns of actions, `service:action` or `*`, matches."""
    return any(not each.strip("*") or (":" in each and _matches(each, power)) for each in patterns)


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern with `*` and `?` matches a text, in time that grows with both lengths:
    patterns come from callers.

    >>> _matches("iam:put*", "iam:putuserpolicy"), _matches("*?" * 9, "iam"), _matches("[*", "[")
    (True, False, True)
    """
    if len(pattern) - pattern.count("*") > len(text):
        return False
    at = place = mark = 0
    star = -1  # of the last `*`, which takes the text up to `mark`
    while place < len(text):
        sign = pattern[at : at + 1]
        if sign == "*":
            star, mark, at = at, place, at + 1
        elif sign in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            mark += 1
            at, place = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")
