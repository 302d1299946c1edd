"""Whom the policies in a request allow something: `grants.*`.

A search on the text of a policy can't relate a principal to the effect and condition of its
statement: a second statement, or the own account in the same list, would hide whom the first one
lets in. So policies are read here, wherever a request holds one, as an object or as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import unquote

from enrich.resources import MOST_VALUES
from enrich.view import RecordView, dumps, loads, part

_WRITES: Final = re.compile(r"(?:Add|Associate|Create|Modify|Put|Register|Set|Update)")
"""How calls begin whose requests are looked through: no other call is known to take a policy that
lasts."""
_HINT: Final = re.compile(rb'Statement(?:\\*"|%22)|"Destination"|\\u00[2-7]')
"""Also an escaped letter: a policy's text may have its names so."""
_DEPTH: Final = 12
_KINDS: Final = ("AWS", "CanonicalUser")
"""The kinds of principals that are accounts and their members."""
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_ACCOUNT_OF: Final = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]{12}):")
_UNIQUE: Final = re.compile(r"AIDA[A-Z0-9]{12,124}|[0-9a-f]{64}")
"""Ids of users, and canonical ids of accounts: neither names an account."""
_LIMITING: Final = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths",
        "aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:sourceorgid",
        "aws:sourceorgpaths", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:userid",
        "aws:vpcsourceip", "kms:calleraccount", "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)  # fmt: skip
"""Condition keys that keep a statement for everybody from being public: "The meaning of 'public'",
Amazon S3 User Guide, and those that other services have for the same."""
_ADDRESSES: Final = frozenset({"aws:sourceip", "aws:vpcsourceip"})
_PATHS: Final = frozenset({"aws:principalorgpaths", "aws:sourceorgpaths"})
_OPERATORS: Final = frozenset(
    {"arnequals", "arnlike", "ipaddress", "stringequals", "stringequalsignorecase", "stringlike"}
)
"""Operators that require a value. With `IfExists`, or for all values, a request that has none
passes."""
_NAMING_ACCOUNTS: Final = frozenset(
    {"aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "kms:calleraccount"}
)
_WILD: Final = re.compile(r"[*?]")
_OF_IAM: Final = re.compile(r"(?:arn:\*|arn:[^:]*:(?:iam|\*)?:[^:]*:[^:]*:?).*[*?]")
"""A pattern of resources that can be users and roles, and not a single one."""
_POWERS: Final = (
    "iam:attachgrouppolicy", "iam:attachrolepolicy", "iam:attachuserpolicy", "iam:putgrouppolicy",
    "iam:putrolepolicy", "iam:putuserpolicy",
)  # fmt: skip
"""Actions by which whoever has them gives itself all others."""
_ASSUME: Final = "sts:assumerole"
"""The same, if it is allowed of any role."""
_MOST_READ: Final = 131_072
"""Bytes of a request that is read: CloudTrail cuts requests off at 100 KB."""


def may_grant(name: str) -> bool:
    """Whether calls of this name can hold a policy.

    >>> may_grant("PutBucketPolicy"), may_grant("GetBucketPolicy")
    (True, False)
    """
    return _WRITES.match(name) is not None


def granted(view: RecordView) -> bytes:
    """The member `"grants":{…},` of a record; empty where its request grants nothing of the kind.

    `principals`: accounts, users and roles outside of the record's own account that a statement
    allows something, as they are written; also those that a condition names where a statement
    allows everybody. `accounts`: the ids of their accounts, and of those that a bucket is
    replicated to. `public`: a statement allows everybody, without a condition on who it is or from
    where. `broad`: it allows a wildcard of actions that includes changing the permissions of
    principals, or assuming any role. Of accounts and principals at most `MOST_VALUES` are named.
    Without an own account none is known to be another one.
    """
    request = view.requestParameters
    if len(request) > _MOST_READ or not _HINT.search(request):
        return b""
    caller = view.userIdentity
    own = view.recipientAccountId or (caller.accountId if caller is not None else None) or ""
    found = _Grants(own)
    for policy in _policies(part(request), 0):
        found.read(policy)
    fields = found.fields()
    return b'"grants":%b,' % dumps(fields) if fields else b""


class _Grants:
    def __init__(self, own: str) -> None:
        self._own = own
        self._accounts: dict[str, None] = {}
        self._principals: dict[str, None] = {}
        self._public = self._broad = False

    def fields(self) -> dict[str, Any]:
        found = {
            "accounts": list(self._accounts)[:MOST_VALUES],
            "broad": self._broad,
            "principals": list(self._principals)[:MOST_VALUES],
            "public": self._public,
        }
        return {name: value for name, value in found.items() if value}

    def read(self, policy: Mapping[str, Any]) -> None:
        """Add what a policy, or the rules of a bucket's replication, give."""
        for rule in _items(policy.get("Rule")):
            destination = rule.get("Destination") if isinstance(rule, Mapping) else None
            if isinstance(destination, Mapping):
                self._account(_text(destination.get("Account")))
        for each in _items(policy.get("Statement")):
            if isinstance(each, Mapping) and each.get("Effect") == "Allow":
                self._statement(each)

    def _statement(self, statement: Mapping[str, Any]) -> None:
        self._broad = self._broad or _is_broad(statement)
        principal = statement.get("Principal")
        named: list[str] = [principal] if isinstance(principal, str) else []
        if isinstance(principal, Mapping):
            named = [text for kind in _KINDS for text in map(_text, _items(principal.get(kind)))]
        limits = list(_limits(statement.get("Condition")))
        if "*" in named or "NotPrincipal" in statement:
            self._public = self._public or not limits
            for key, values in limits:
                if key in _NAMING_ACCOUNTS:
                    for value in values:
                        self._principal(value)
        for text in named:
            self._principal(text)

    def _principal(self, text: str) -> None:
        """Note a principal, if it is another account or a member of one."""
        account = self._account(text)
        outside = account != self._own if account else _UNIQUE.fullmatch(text) is not None
        if outside and self._own:
            self._principals[text] = None

    def _account(self, text: str) -> str:
        """The account that a text names, empty if none; noted if it is another than the own."""
        match = _ACCOUNT_OF.match(text)
        account = match[1] if match else text if _ACCOUNT.fullmatch(text) else ""
        if account and self._own and account != self._own:
            self._accounts[account] = None
        return account


def _policies(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Every object in a request that has statements or rules, also within texts."""
    if depth > _DEPTH:
        return
    if isinstance(value, Mapping):
        if "Statement" in value or "Rule" in value:
            yield value
        for each in value.values():
            yield from _policies(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _policies(each, depth + 1)
    elif isinstance(value, str) and ("Statement" in value or "\\u00" in value):
        yield from _policies(_decoded(value), depth + 1)


def _decoded(text: str) -> Any:
    """The JSON in a text, which IAM also takes URL-encoded; None where there is none."""
    text = text.strip()
    if text.startswith("%"):
        text = unquote(text).strip()
    if not text.startswith("{"):
        return None
    try:
        return loads(text.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def _limits(condition: Any) -> Iterator[tuple[str, list[str]]]:
    """The keys, in lower case, by which a condition limits who is let in, with their values."""
    if not isinstance(condition, Mapping):
        return
    for operator, tests in condition.items():
        name = operator.lower().removeprefix("foranyvalue:")
        if name not in _OPERATORS or not isinstance(tests, Mapping):
            continue
        for key, given in tests.items():
            values = [_text(each) for each in _items(given)]
            if values and key.lower() in _LIMITING and _narrow(key.lower(), values):
                yield key.lower(), values


def _narrow(key: str, values: list[str]) -> bool:
    """Whether the values of a condition's key leave nearly everybody out, as AWS sees it: "The
    meaning of 'public'" requires fixed values."""
    if key in _ADDRESSES:
        return _are_few_addresses(values)
    return all(_is_fixed(key, value) for value in values)


def _is_fixed(key: str, value: str) -> bool:
    """Whether a value names an account, an organisation or the like, and no wildcard of them.

    >>> [_is_fixed("aws:principalarn", f"arn:aws:iam::{each}:role/*") for each in ("*", "1" * 12)]
    [False, True]
    >>> _is_fixed("aws:sourcearn", "arn:aws:s3:::mine"), _is_fixed("aws:userid", "AROAEXAMPLE:*")
    (True, True)
    """
    decisive = value
    if value.startswith("arn:"):
        account = (value.split(":", 5) + [""] * 5)[4]
        decisive = account or value
    elif key == "aws:userid":
        decisive = value.partition(":")[0]
    elif key in _PATHS:
        decisive = value.partition("/")[0]
    return bool(decisive) and not _WILD.search(decisive)


def _are_few_addresses(values: list[str]) -> bool:
    """Whether the networks are at most as many addresses as a /8 of IPv4, a /32 of IPv6: AWS takes
    wider ones for public.

    >>> _are_few_addresses(["192.0.2.0/24"]), _are_few_addresses(["0.0.0.0/1"])
    (True, False)
    """
    shares = 0.0
    for value in values:
        try:
            network = ip_network(value, strict=False)
        except ValueError:
            return False
        shares += 2.0 ** ((8 if network.version == 4 else 32) - network.prefixlen)
    return shares <= 1.0


def _is_broad(statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows, by a wildcard, to give oneself all other rights: to change
    permissions of more than single principals, or to assume any role.

    >>> _is_broad({"Action": ["s3:Get*", "i?m:*"]}), _is_broad({"Action": "iam:PutUserPolicy"})
    (True, False)
    """
    resources = [_text(each) for each in _items(statement.get("Resource", "*"))]
    anything = "NotResource" in statement or "*" in resources
    if not anything and not any(map(_OF_IAM.match, resources)):
        return False
    if "NotAction" in statement:
        left_out = [_text(each).lower() for each in _items(statement["NotAction"])]
        return any(not _matched(power, left_out) for power in _POWERS)
    actions = [_text(each).lower() for each in _items(statement.get("Action"))]
    wild = [each for each in dict.fromkeys(actions) if _WILD.search(each)]
    powers = (*_POWERS, _ASSUME) if anything else _POWERS
    return any(_matched(power, wild) for power in powers)


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


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
