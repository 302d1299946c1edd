"""Whom the policies in a request allow something: `grants.*`.

A search on the text of a policy can't relate a principal to the effect and condition of its
statement: a second statement, or the own account in the same list, would hide whom the first one
lets in. So policies are read here, wherever a request holds one, as an object or as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from enrich.conditions import Own, decisive, is_about_callers, limits, names_accounts
from enrich.conditions import items as _items
from enrich.conditions import text as _text
from enrich.federation import lets_everybody_in
from enrich.resources import MOST_VALUES
from enrich.view import RecordView, dumps, loads, part

_WRITES: Final = re.compile(
    r"(?:Add|Associate|Create|Grant|Modify|Put|Register|Set|StartCopyJob|Subscribe|Update)"
)
"""How calls begin whose requests are looked through: no other call is known to take a policy that
lasts."""
_HINT: Final = re.compile(
    rb'Statement(?:\\*"|%22)|"Destination"|"AccessControlList"|"x-amz-grant-|\\u00[2-7]'
)
"""Also an escaped letter: a policy's text may have its names so."""
_PERMISSION: Final = re.compile(r"AddPermission|AddLayerVersionPermission|PutPermission")
"""How calls begin whose requests are statements themselves: of queues, topics, functions, layers
and event buses."""
_MEMBERS: Final = {
    "organizationid": "aws:PrincipalOrgID",
    "principalorgid": "aws:PrincipalOrgID",
    "sourceaccount": "aws:SourceAccount",
    "sourcearn": "aws:SourceArn",
}
"""The conditions of such a statement, by the names of their members in lower case."""
_NAMING: Final[Mapping[str, tuple[str, ...]]] = {
    "CreateGrant": ("granteePrincipal",),
    "CreateLifecyclePolicy": ("targetAccounts",),
    "CreateLink": ("sinkIdentifier",),
    "GrantPermissions": ("dataLakePrincipalIdentifier",),
    "ModifyEbsDefaultKmsKeyId": ("KmsKeyId",),
    "PutBucketAnalyticsConfiguration": ("BucketAccountId",),
    "PutBucketEncryption": ("KMSMasterKeyID",),
    "PutBucketInventoryConfiguration": ("AccountId",),
    "PutBucketNotification": ("CloudFunction", "Queue", "Topic"),
    "PutFunctionEventInvokeConfig": ("destination",),
    "PutReplicationConfiguration": ("registryId",),
    "PutSubscriptionFilter": ("destinationArn",),
    "PutTargets": ("arn",),
    "StartCopyJob": ("destinationBackupVaultArn",),
    "Subscribe": ("endpoint",),
    "UpdateFunctionEventInvokeConfig": ("destination",),
    "UpdateLifecyclePolicy": ("targetAccounts",),
}
"""Calls that give something to somebody whom members of these names say, wherever they are in the
request: of keys, data lakes, registries, logs, events, messages, backups and what is in a bucket,
or whose key encrypts what is yours."""
_SERVICE: Final = ".amazonaws.com"
_DELIVERY: Final = frozenset(
    {
        "kms:describekey", "kms:encrypt", "kms:encrypt*", "kms:generatedatakey",
        "kms:generatedatakey*", "s3:getbucketacl", "s3:getbucketlocation", "s3:listbucket",
        "s3:putobject", "sns:publish", "sqs:sendmessage",
    }
)  # fmt: skip
"""Actions by which services deliver logs and notifications, also from an account to another one's
archive: they read nothing of what is there."""
_ACL_HEADER: Final = "x-amz-grant-"
_GRANTEE: Final = re.compile(r'(?:id|emailaddress)\s*=\s*"?([^",\s]+)', re.IGNORECASE)
LOG_DELIVERY: Final = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"
"""The canonical id of AWS that writes CloudFront's logs ("Standard logging", CloudFront Guide)."""
_POLICY: Final = frozenset({"AccessControlList", "Rule", "Statement"})
"""Members of what `_Grants` reads."""
_DEPTH: Final = 12
_KINDS: Final = ("AWS", "CanonicalUser")
"""The kinds of principals that are accounts and their members."""
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_ACCOUNT_OF: Final = re.compile(r"arn:aws[a-z-]*:[^:]*:[^:]*:([0-9]{12}):")
_OF_CALLER: Final = re.compile(r"arn:aws[a-z-]*:(?:iam|sts):")
_UNIQUE: Final = re.compile(r"A(?:ID|RO)A[A-Z0-9]{12,124}|[0-9a-f]{64}")
"""Ids of users and roles, and canonical ids of accounts and CloudFront's origin access identities:
none names an account."""
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
_NOTHING: Final = Own()
_MOST_READ: Final = 131_072
"""Bytes of a request that is read: CloudTrail cuts requests off at 100 KB."""


def may_grant(name: str) -> bool:
    """Whether calls of this name can hold a policy.

    >>> may_grant("PutBucketPolicy"), may_grant("GetBucketPolicy")
    (True, False)
    """
    return _WRITES.match(name) is not None


def granted(view: RecordView, own: Own = _NOTHING) -> bytes:
    """The member `"grants":{…},` of a record; empty where its request grants nothing of the kind.

    `principals`: accounts, users and roles outside of the record's own account that a statement
    allows something, as they are written; also those that a condition names where a statement
    allows everybody, or a service that acts for them, and other accounts in a bucket's access list.
    `accounts`: the ids of their accounts, and of those that a bucket, images, logs or backups are
    sent to. `public`: a statement
    allows everybody, without a condition on who it is or from where, or whoever uses an identity
    provider that all may use. `unknown`: organisations, networks, VPCs and
    ids of users, roles and accounts that something is allowed to and that nothing says the owner
    of; `own` is what is known to be one's own. `broad`: a statement allows a wildcard of actions
    that includes changing the permissions of principals, or assuming any role; `powers` are these
    actions, in lower case, also where they are named one by one. Of each list at most
    `MOST_VALUES` are named. Without an own account none is known to be another one.
    """
    request = view.requestParameters
    name = view.eventName or ""
    states, naming = _PERMISSION.match(name) is not None, _NAMING.get(name, ())
    if len(request) > _MOST_READ or not (states or naming or _HINT.search(request)):
        return b""
    caller = view.userIdentity
    account = view.recipientAccountId or (caller.accountId if caller is not None else None) or ""
    found = _Grants(account, own)
    content = part(request)
    for policy in _policies(content, 0):
        found.read(policy)
    for member in naming:
        found.give(_values(content, member, 0))
    if isinstance(content, Mapping):
        found.read_headers(content)
        if states:
            found.state(_as_statement(content))
    fields = found.fields()
    return b'"grants":%b,' % dumps(fields) if fields else b""


class _Grants:
    def __init__(self, account: str, own: Own) -> None:
        self._own, self._of_ours = account, own
        self._accounts: dict[str, None] = {}
        self._principals: dict[str, None] = {}
        self._unknown: dict[str, None] = {}
        self._powers: dict[str, None] = {}
        self._public = self._broad = False

    def fields(self) -> dict[str, Any]:
        found = {
            "accounts": list(self._accounts)[:MOST_VALUES],
            "broad": self._broad,
            "powers": sorted(self._powers),
            "principals": list(self._principals)[:MOST_VALUES],
            "public": self._public,
            "unknown": list(self._unknown)[:MOST_VALUES],
        }
        return {name: value for name, value in found.items() if value}

    def read(self, policy: Mapping[str, Any]) -> None:
        """Add what a policy, the rules of a bucket's replication, or an access list give."""
        for rule in _items(policy.get("Rule")):
            destination = rule.get("Destination") if isinstance(rule, Mapping) else None
            if isinstance(destination, Mapping):
                self._account(_text(destination.get("Account")))
        for each in _items(policy.get("Statement")):
            if isinstance(each, Mapping) and each.get("Effect") == "Allow":
                self.state(each)
        access = policy.get("AccessControlList")
        if isinstance(access, Mapping):
            owner = policy.get("Owner")
            self._access(access, _text(owner.get("ID")) if isinstance(owner, Mapping) else "")

    def read_headers(self, request: Mapping[str, Any]) -> None:
        """Add whom an access list of S3 names that is given by headers."""
        for name, value in request.items():
            if name.lower().startswith(_ACL_HEADER):
                for grantee in _GRANTEE.findall(_text(value)):
                    self._unidentified(grantee)

    def give(self, named: Iterable[str]) -> None:
        """Add accounts and principals, and the accounts of resources."""
        for each in named:
            if _ACCOUNT.fullmatch(each) or _OF_CALLER.match(each):
                self._principal(each)
            else:
                self._account(each)

    def _access(self, access: Mapping[str, Any], owner: str) -> None:
        for grant in _items(access.get("Grant")):
            grantee = grant.get("Grantee") if isinstance(grant, Mapping) else None
            if not isinstance(grantee, Mapping):
                continue
            named = _text(grantee.get("ID")) or _text(grantee.get("EmailAddress"))
            if not named or named in (owner, LOG_DELIVERY) or self._of_ours.has(named):
                continue
            (self._principals if owner else self._unknown)[named] = None

    def state(self, statement: Mapping[str, Any]) -> None:
        """Add what a statement allows."""
        powers, by_wildcard = _powers(statement)
        self._powers |= dict.fromkeys(powers)
        self._broad = self._broad or by_wildcard
        principal = statement.get("Principal")
        conditions = list(limits(statement.get("Condition")))
        named: list[str] = [principal] if isinstance(principal, str) else []
        if isinstance(principal, Mapping):
            self._public |= lets_everybody_in(principal, statement.get("Condition"))
            named = [text for kind in _KINDS for text in map(_text, _items(principal.get(kind)))]
            if _items(principal.get("Service")) and not _only_delivers(statement):
                # A service acts for whoever made the source: another's distribution reads a bucket.
                for key, values in conditions:
                    if names_accounts(key):
                        named += values
        if any(is_about_callers(key) and self._is_ours(key, given) for key, given in conditions):
            return
        if "*" in named or "NotPrincipal" in statement:
            self._public = self._public or not conditions
            if not any(self._is_ours(key, values) for key, values in conditions):
                who = [each for each in conditions if is_about_callers(each[0])]
                for key, values in who or conditions:
                    self._limited_to(key, values)
        for text in named:
            self._principal(text)

    def _is_ours(self, key: str, values: list[str]) -> bool:
        """Whether all values of a condition's key are one's own."""
        return all(
            (bool(self._own) and names_accounts(key) and _account_in(each) == self._own)
            or self._of_ours.has(decisive(key, each))
            for each in values
        )

    def _limited_to(self, key: str, values: list[str]) -> None:
        """Note whom alone a statement for everybody lets in."""
        for value in values:
            part = decisive(key, value)
            if names_accounts(key):
                self._principal(value)
            elif _ACCOUNT.fullmatch(part):
                self._principal(part)
            else:
                self._unidentified(part)

    def _principal(self, text: str) -> None:
        """Note a principal, if it is another account or a member of one."""
        account = self._account(text)
        if account and self._own and account != self._own:
            self._principals[text] = None
        elif _UNIQUE.fullmatch(text):
            self._unidentified(text)

    def _unidentified(self, text: str) -> None:
        if len(self._unknown) >= MOST_VALUES:
            return
        if text and text != LOG_DELIVERY and not self._of_ours.has(text):
            self._unknown[text] = None

    def _account(self, text: str) -> str:
        """The account that a text names, empty if none; noted if it is another than the own."""
        account = _account_in(text)
        if account and self._own and account != self._own:
            self._accounts[account] = None
        return account


def _account_in(text: str) -> str:
    match = _ACCOUNT_OF.match(text)
    return match[1] if match else text if _ACCOUNT.fullmatch(text) else ""


def _as_statement(request: Mapping[str, Any]) -> dict[str, Any]:
    """The statement that a call which adds a permission makes."""
    given = {name.lower(): value for name, value in request.items()}
    names = ("awsaccountids", "awsaccountid", "principal")
    condition: dict[str, dict[str, Any]] = {}
    for member, key in _MEMBERS.items():
        if given.get(member):
            condition.setdefault("StringLike", {})[key] = given[member]
    tested = given.get("condition")
    if isinstance(tested, Mapping):  # of an event bus
        condition[_text(tested.get("type"))] = {_text(tested.get("key")): tested.get("value")}
    principal = [each for name in names for each in _items(given.get(name))]
    services = [each for each in principal if _text(each).endswith(_SERVICE)]
    return {"Principal": {"AWS": principal, "Service": services}, "Condition": condition}


def _only_delivers(statement: Mapping[str, Any]) -> bool:
    actions = [_text(each).lower() for each in _items(statement.get("Action"))]
    return bool(actions) and _DELIVERY.issuperset(actions)


def _values(value: Any, name: str, depth: int) -> Iterator[str]:
    """The texts under a member of this name, wherever it is."""
    if depth > _DEPTH:
        return
    if isinstance(value, Mapping):
        yield from map(_text, _items(value.get(name)))
        for each in value.values():
            yield from _values(each, name, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each, name, depth + 1)


def _policies(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Every object in a request that has statements or rules, also within texts."""
    if depth > _DEPTH:
        return
    if isinstance(value, Mapping):
        if not _POLICY.isdisjoint(value):
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


def _powers(statement: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The actions that a statement allows by which one gives oneself all other rights, of more than
    single principals, and whether by a wildcard.

    >>> _powers({"Action": ["s3:Get*", "iam:PutUserPolicy"]})
    (['iam:putuserpolicy'], False)
    >>> _powers({"Action": "iam:PutU*"}), _powers({"Action": "iam:*", "Resource": "arn:aws:s3:::a"})
    ((['iam:putuserpolicy'], True), ([], False))
    """
    resources = [_text(each) for each in _items(statement.get("Resource", "*"))]
    anything = "NotResource" in statement or "*" in resources
    several = [each for each in resources if _OF_IAM.match(each)]
    oneself = any(each.endswith(_ONESELF) for each in resources)
    if not (anything or several or oneself):
        return [], False
    others = anything or any(_ONESELF not in each for each in several)
    powers = _POWERS if others else _RIGHTS
    if "NotAction" in statement:
        left_out = [_text(each).lower() for each in _items(statement["NotAction"])]
        found = [power for power in powers if not _matched(power, left_out)]
        return found, bool(found)
    actions = dict.fromkeys(_text(each).lower() for each in _items(statement.get("Action")))
    wild = [each for each in actions if _WILD.search(each)]
    by_wildcard = [each for each in powers if _matched(each, wild)]
    if anything and _matched(_ASSUME, wild):
        by_wildcard.append(_ASSUME)
    named = [each for each in powers if each in actions and each not in by_wildcard]
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
