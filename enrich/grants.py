"""Whom the policies in a request allow something: `grants.*`.

A search on the text of a policy can't relate a principal to the effect and condition of its
statement: a second statement, or the own account in the same list, would hide whom the first one
lets in. So policies are read here, wherever a request holds one, as an object or as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from enrich.conditions import Own, decisive, is_about_callers, limits, names_accounts
from enrich.federation import lets_everybody_in
from enrich.policies import items, policies, text, texts, texts_under
from enrich.powers import powers
from enrich.resources import MOST_VALUES
from enrich.view import RecordView, dumps, part

_WRITES: Final = re.compile(
    r"(?:Add|Associate|AuthorizeSnapshot|Create|Grant|Modify|Put|Register|Set|StartCopyJob"
    r"|Subscribe|Update)"
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
    "AuthorizeSnapshotAccess": ("accountWithRestoreAccess",),
    "CreateGrant": ("granteePrincipal",),
    "CreateLifecyclePolicy": ("targetAccounts",),
    "CreateLink": ("sinkIdentifier",),
    "GrantPermissions": ("dataLakePrincipalIdentifier",),
    "ModifyDBClusterSnapshotAttribute": ("valuesToAdd",),
    "ModifyDBSnapshotAttribute": ("valuesToAdd",),
    "ModifyEbsDefaultKmsKeyId": ("KmsKeyId",),
    "ModifyImageAttribute": ("userId", "organizationArn", "organizationalUnitArn"),
    "ModifySnapshotAttribute": ("userId",),
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
request: of keys, data lakes, registries, snapshots, images, logs, events, messages, backups and
what is in a bucket, or whose key encrypts what is yours."""
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
_KINDS: Final = ("AWS", "CanonicalUser")
"""The kinds of principals that are accounts and their members."""
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_ACCOUNT_OF: Final = re.compile(r"arn:aws[a-z-]*:[^:]*:[^:]*:([0-9]{12}):")
_OF_CALLER: Final = re.compile(r"arn:aws[a-z-]*:(?:iam|sts):")
_UNIQUE: Final = re.compile(r"A(?:ID|RO)A[A-Z0-9]{12,124}|[0-9a-f]{64}")
"""Ids of users and roles, and canonical ids of accounts and CloudFront's origin access identities:
none names an account."""
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
    for policy in policies(content):
        found.add_policy(policy)
    for member in naming:
        found.add_named(texts_under(_added(content), member))
    if isinstance(content, Mapping):
        found.add_headers(content)
        if states:
            found.add_statement(_as_statement(content))
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

    def add_policy(self, policy: Mapping[str, Any]) -> None:
        """Add what a policy, the rules of a bucket's replication, or an access list give."""
        for rule in items(policy.get("Rule")):
            destination = rule.get("Destination") if isinstance(rule, Mapping) else None
            if isinstance(destination, Mapping):
                self._account(text(destination.get("Account")))
        for each in items(policy.get("Statement")):
            if isinstance(each, Mapping) and each.get("Effect") == "Allow":
                self.add_statement(each)
        access = policy.get("AccessControlList")
        if isinstance(access, Mapping):
            owner = policy.get("Owner")
            self._access(access, text(owner.get("ID")) if isinstance(owner, Mapping) else "")

    def add_headers(self, request: Mapping[str, Any]) -> None:
        """Add whom an access list of S3 names that is given by headers."""
        for name, value in request.items():
            if name.lower().startswith(_ACL_HEADER):
                for grantee in _GRANTEE.findall(text(value)):
                    self._unidentified(grantee)

    def add_named(self, named: Iterable[str]) -> None:
        """Add accounts and principals, and the accounts of resources."""
        for each in named:
            if _ACCOUNT.fullmatch(each) or _OF_CALLER.match(each):
                self._principal(each)
            else:
                self._account(each)

    def _access(self, access: Mapping[str, Any], owner: str) -> None:
        for grant in items(access.get("Grant")):
            grantee = grant.get("Grantee") if isinstance(grant, Mapping) else None
            if not isinstance(grantee, Mapping):
                continue
            named = text(grantee.get("ID")) or text(grantee.get("EmailAddress"))
            if not named or named in (owner, LOG_DELIVERY) or self._of_ours.has(named):
                continue
            (self._principals if owner else self._unknown)[named] = None

    def add_statement(self, statement: Mapping[str, Any]) -> None:
        """Add what a statement allows."""
        given, by_wildcard = powers(statement)
        self._powers |= dict.fromkeys(given)
        self._broad = self._broad or by_wildcard
        principal = statement.get("Principal")
        conditions = list(limits(statement.get("Condition")))
        named: list[str] = [principal] if isinstance(principal, str) else []
        if isinstance(principal, Mapping):
            self._public |= lets_everybody_in(principal, statement.get("Condition"))
            named = [each for kind in _KINDS for each in texts(principal.get(kind))]
            if items(principal.get("Service")) and not _only_delivers(statement):
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
        for each in named:
            self._principal(each)

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

    def _principal(self, named: str) -> None:
        """Note a principal, if it is another account or a member of one."""
        account = self._account(named)
        if account and self._own and account != self._own:
            self._principals[named] = None
        elif _UNIQUE.fullmatch(named):
            self._unidentified(named)

    def _unidentified(self, named: str) -> None:
        if len(self._unknown) >= MOST_VALUES:
            return
        if named and named != LOG_DELIVERY and not self._of_ours.has(named):
            self._unknown[named] = None

    def _account(self, named: str) -> str:
        """The account that a text names, empty if none; noted if it is another than the own."""
        account = _account_in(named)
        if account and self._own and account != self._own:
            self._accounts[account] = None
        return account


def _added(request: Any) -> Any:
    """A request without what it takes away: calls on snapshots and images add and remove members of
    a permission.

    >>> _added({"launchPermission": {"add": {"userId": "1"}, "remove": {"userId": "2"}}})
    {'launchPermission': {'add': {'userId': '1'}}}
    """
    if not isinstance(request, Mapping):
        return request
    return {
        name: {key: each for key, each in value.items() if key != "remove"}
        if isinstance(value, Mapping)
        else value
        for name, value in request.items()
    }


def _account_in(named: str) -> str:
    match = _ACCOUNT_OF.match(named)
    return match[1] if match else named if _ACCOUNT.fullmatch(named) else ""


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
        condition[text(tested.get("type"))] = {text(tested.get("key")): tested.get("value")}
    principal = [each for name in names for each in items(given.get(name))]
    services = [each for each in principal if text(each).endswith(_SERVICE)]
    return {"Principal": {"AWS": principal, "Service": services}, "Condition": condition}


def _only_delivers(statement: Mapping[str, Any]) -> bool:
    actions = [each.lower() for each in texts(statement.get("Action"))]
    return bool(actions) and _DELIVERY.issuperset(actions)
