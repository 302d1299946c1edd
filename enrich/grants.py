"""Whom the policies in a request allow something: `grants.*`.

A search on the text of a policy can't relate a principal to the effect and condition of its
statement: a second statement, or the own account in the same list, would hide whom the first one
lets in. So policies are read here, wherever a request holds one, as an object or as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import unquote

from enrich.resources import MOST_VALUES
from enrich.view import RecordView, dumps, loads, part

_WRITES: Final = re.compile(r"(?:Add|Associate|Create|Modify|Put|Register|Set|Update)")
"""How calls begin whose requests are looked through: no other call is known to take a policy that
lasts."""
_HINT: Final = re.compile(rb'Statement(?:\\*"|%22)|"Destination"')
_DEPTH: Final = 12
_KINDS: Final = ("AWS", "CanonicalUser")
"""The kinds of principals that are accounts and their members."""
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_ACCOUNT_OF: Final = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]{12}):")
_UNIQUE: Final = re.compile(r"A[A-Z0-9]{15,127}|[0-9a-f]{64}")
"""Ids of users and roles, and canonical ids of accounts: neither names an account."""
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
_OPERATORS: Final = frozenset(
    {"arnequals", "arnlike", "ipaddress", "stringequals", "stringequalsignorecase", "stringlike"}
)
"""Operators that require a value. With `IfExists`, or for all values, a request that has none
passes."""
_NAMING_ACCOUNTS: Final = frozenset(
    {"aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "kms:calleraccount"}
)
_WIDEST_NETWORK: Final = 8
"""Bits of the prefix of a network that limits who is let in; a wider one is half the Internet."""
_POWERS: Final = (
    "iam:attachgrouppolicy", "iam:attachrolepolicy", "iam:attachuserpolicy", "iam:putgrouppolicy",
    "iam:putrolepolicy", "iam:putuserpolicy", "sts:assumerole",
)  # fmt: skip
"""Actions by which whoever has them gets all others."""


def may_grant(name: str) -> bool:
    """Whether calls of this name can hold a policy.

    >>> may_grant("PutBucketPolicy"), may_grant("GetBucketPolicy")
    (True, False)
    """
    return _WRITES.match(name) is not None


def granted(view: RecordView) -> bytes:
    """The member `"grants":{…},` of a record; empty where its request grants nothing of the kind.

    `principals`: accounts, users and roles outside of the record's own account that a statement
    allows something, as they are written. `accounts`: the ids of their accounts, and of those that
    a bucket is replicated to. `public`: a statement allows everybody, without a condition on who
    it is or from where. `broad`: it allows a wildcard of actions that includes changing
    permissions or assuming roles. Of accounts and principals at most `MOST_VALUES` are named.
    Without an own account none is known to be another one.
    """
    if not _HINT.search(view.requestParameters):
        return b""
    caller = view.userIdentity
    own = view.recipientAccountId or (caller.accountId if caller is not None else None) or ""
    found = _Grants(own)
    for policy in _policies(part(view.requestParameters), 0):
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
                        self._account(value)
        for text in named:
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
    elif isinstance(value, str) and "Statement" in value:
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
            if key.lower() in _LIMITING and values and all(map(_is_narrow, values)):
                yield key.lower(), values


def _is_narrow(value: str) -> bool:
    """Whether a condition's value leaves somebody out.

    >>> [_is_narrow(each) for each in ("*", "arn:aws:*", "0.0.0.0/0", "o-a1b2", "192.0.2.0/24")]
    [False, False, False, True, True]
    """
    if not value.strip("*?"):
        return False
    if value.startswith("arn:"):
        return any(part and part.strip("*?") for part in value.split(":")[4:])
    try:
        return ip_network(value, strict=False).prefixlen >= _WIDEST_NETWORK
    except ValueError:
        return True


def _is_broad(statement: Mapping[str, Any]) -> bool:
    """Whether a statement allows, by a wildcard, what gives all other rights.

    >>> _is_broad({"Action": ["s3:Get*", "i?m:*"]}), _is_broad({"Action": "iam:PutUserPolicy"})
    (True, False)
    """
    if "NotAction" in statement:
        left_out = [_text(each).lower() for each in _items(statement["NotAction"])]
        return any(not _matched(power, left_out) for power in _POWERS)
    actions = [_text(each).lower() for each in _items(statement.get("Action"))]
    wild = [each for each in actions if "*" in each or "?" in each]
    return any(_matched(power, wild) for power in _POWERS)


def _matched(power: str, patterns: list[str]) -> bool:
    """Whether one of the patterns of actions matches; brackets mean nothing in them."""
    return any(
        not each.strip("*") or (":" in each and fnmatchcase(power, each.replace("[", "[[]")))
        for each in patterns
    )


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
