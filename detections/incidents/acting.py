"""What acts with rights that a call gave it: an instance that somebody launched, a function whose
code somebody wrote, the account that somebody let a role trust, and whoever has a certificate of a
trust anchor that somebody made. Pure.

The token of such a gift (`acts:…`) is among what the alert of the giver created, and among what the
alerts of sessions used that act with it. It joins these two, and never two givers: a pipeline that
deploys the same function every hour would otherwise join all of its sessions. Of a function the
tokens are those of the latest call before the session acted that set its code, and of the latest
that set its configuration (layers, environment): neither undoes what the other did.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from detections.incidents.actors import Source, account_of, at, texts_at
from detections.incidents.creations import last_part, resource_token, token

ACTS: Final = "acts:"
"""The prefix of these tokens."""
WORKLOADS: Final = 3
"""The most things that a key or role made on the days before for what it makes now to join alerts:
with more, it is one that deploys, and what it deploys belongs to others."""
AT_ONCE: Final = 10
"""The most instances and functions that an alert, or a key or role around a day, gives something to
for these to join: more is a fleet."""
TIMES: Final = 50
"""The most tokens of an alert: one function may be changed many times."""

_CONFIGURES: Final = "UpdateFunctionConfiguration20150331v2"
FUNCTION_CALLS: Final = (
    "CreateFunction20150331",
    "UpdateFunctionCode20150331v2",
    _CONFIGURES,
)
GIVING: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # the leaf of `resource.*` with what is given something -> the calls
        "instance": ("RunInstances",),
        "function": FUNCTION_CALLS,
        "role": ("CreateRole", "UpdateAssumeRolePolicy"),
    }
)
_ANYWHERE_CALLS: Final = frozenset(
    f"{verb}{noun}"
    for verb in ("Create", "Enable", "Update")
    for noun in ("Profile", "TrustAnchor")
)
_LEAF: Final = {call: leaf for leaf, calls in GIVING.items() for call in calls}
_ANYWHERE: Final = re.compile(
    r"arn:[^:]+:rolesanywhere:[^:]*:([^:]*):(?:profile|trust-anchor)/(.+)"
)
_ROLE: Final = re.compile(r"arn:[^:]+:iam::([^:]*):role/.+")
_SESSION: Final = re.compile(r"arn:[^:]+:sts::[^:]*:assumed-role/[^/]+/(.+)")
_SESSION_TOKEN: Final = re.compile(
    r"session:arn:[^:]+:sts::([^:]*):assumed-role/([^/]+)/([^:/]+):.+"
)
_OF_PEOPLE: Final = ":AWSReservedSSO_"
_INSTANCE: Final = re.compile(r"i-[0-9a-f]{8,17}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_FUNCTION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

FIELDS: Final = ("grants.accounts",)
"""The fields of a stored event, besides those of its actor, that are read here."""
ISSUE_FIELDS: Final = (
    *("@timestamp", "eventName"),
    *("resource.arn", "resource.role", "resource.function"),
)
"""Those of calls that issued credentials or changed a function."""


def given(source: Source) -> set[str]:
    """The tokens of what a successful call gave others to act with.

    >>> launched = {"eventName": "RunInstances", "resource": {"instance": ["i-0a1b2c3d4e5f60718"]}}
    >>> given(launched)
    {'acts:instance:i-0a1b2c3d4e5f60718'}
    >>> given({
    ...     "eventName": "UpdateAssumeRolePolicy", "recipientAccountId": "111122223333",
    ...     "resource": {"role": ["Ops"]}, "grants": {"accounts": ["999988887777"]},
    ... })
    {'acts:role:111122223333:Ops:999988887777'}
    """
    call = at(source, "eventName")
    if call in _ANYWHERE_CALLS:
        return set(_anywhere(source))
    leaf = _LEAF.get(call)
    if leaf is None:
        return set()
    account = account_of(source)
    # One more than join: a forged event may name a thousand.
    names = [last_part(each) for each in texts_at(source, "resource", leaf)][: AT_ONCE + 1]
    match leaf:
        case "instance":
            made = {token("acts:instance", each) for each in names}
        case "function":
            when = moment(source)
            made = {_function_token(account, each, when) for each in names} if when else set()
        case _ if len(names) > 1:  # a call is about one role
            made = set()
        case _:
            others = texts_at(source, "grants", "accounts")[:TIMES]
            made = {token("acts:role", account, name, each) for name in names for each in others}
    return made - {""}


def let_in(source: Source) -> set[str]:
    """The tokens of what a call needed that issued credentials: the trust anchor and the profile,
    or that the role trusts the caller's account.

    >>> let_in({
    ...     "eventName": "AssumeRole", "userIdentity": {"accountId": "999988887777"},
    ...     "resource": {"arn": ["arn:aws:iam::111122223333:role/team/Ops"]},
    ... })
    {'acts:role:111122223333:Ops:999988887777'}
    """
    call = at(source, "eventName")
    if call == "CreateSession":
        return set(_anywhere(source))
    if not call.startswith("AssumeRole"):
        return set()
    caller = at(source, "userIdentity", "accountId")
    arns = texts_at(source, "resource", "arn")
    roles = {(found[1], last_part(arn)) for arn in arns if (found := _ROLE.fullmatch(arn))}
    return {
        token("acts:role", owner, name, caller)
        for owner, name in roles
        if caller and owner != caller
    } - {""}


def session_name(source: Source) -> str:
    """The name of a role's session, which its instance or function gave it if none else opened it;
    empty for other identities.

    >>> session_name({"userIdentity": {"arn": "arn:aws:sts::1:assumed-role/Ops/i-0a1b2c3d"}})
    'i-0a1b2c3d'
    """
    found = _SESSION.fullmatch(at(source, "userIdentity", "arn"))
    return found[1] if found else ""


def function_name(source: Source) -> str:
    """The name of the function that a session may be of; empty where it can be of none."""
    name = session_name(source)
    return name if _FUNCTION.fullmatch(name) and not _INSTANCE.fullmatch(name) else ""


def instance_token(source: Source) -> str:
    """The token of the instance that a session is of, by its name; empty if it is of none."""
    name = session_name(source)
    return token("acts:instance", name) if _INSTANCE.fullmatch(name) else ""


class Functions:
    """The calls that made functions what they are, in order of time."""

    def __init__(self, events: Iterable[Source] = ()) -> None:
        """`events`: successful calls of `FUNCTION_CALLS`."""
        self._calls: dict[tuple[str, str], list[tuple[datetime, str, bool]]] = {}
        for source in events:
            if (when := moment(source)) is None:
                continue
            account, roles = account_of(source), texts_at(source, "resource", "role")
            if not _ACCOUNT.fullmatch(account):
                continue
            role = resource_token("role", roles[0], account) if len(roles) == 1 else ""
            code = at(source, "eventName") != _CONFIGURES
            for name in {last_part(each) for each in texts_at(source, "resource", "function")}:
                if _FUNCTION.fullmatch(name):  # a forged one may be a pattern
                    self._calls.setdefault((account, name), []).append((when, role, code))
        for several in self._calls.values():
            several.sort()

    def tokens(self, source: Source, role: str) -> set[str]:
        """The tokens of the latest calls before a session of a role acted that bears the name of a
        function; none if the function has another role."""
        when = moment(source)
        if not self._calls or when is None:
            return set()
        return self._latest(account_of(source), function_name(source), when, role)

    def names(self) -> Mapping[tuple[str, str], datetime]:
        """The functions, each an account and a name, with the time of the first call."""
        return {function: calls[0][0] for function, calls in self._calls.items()}

    def of_sessions(self, own: Iterable[str], until: datetime) -> Iterator[str]:
        """The tokens for the sessions of an actor, who has these tokens and acted until a time."""
        for each in own:
            if found := _SESSION_TOKEN.fullmatch(each):
                account, role, name = found.groups()
                yield from self._latest(account, name, until, token("role", account, role))

    def _latest(self, account: str, name: str, until: datetime, role: str) -> set[str]:
        calls = self._calls.get((account, name), [])
        place = bisect_right(calls, until, key=lambda each: each[0])
        # A reply without its role, as some records have it, says nothing of the role.
        known = [each for _, each, _ in calls[:place] if each]
        if known and known[-1] != role:
            return set()
        latest = {code: when for when, _, code in calls[:place]}
        return {_function_token(account, name, when) for when in latest.values()} - {""}


NO_FUNCTIONS: Final = Functions()


def acted_with(own: Iterable[str], used: Iterable[str] = ()) -> set[str]:
    """The tokens of what an actor acts with, besides its own: the roles of its sessions, and what
    others gave it. `used` also has what it only names.

    >>> session = "session:arn:aws:sts::111122223333:assumed-role/Ops/x:2025-03-01T11:00:00Z"
    >>> acted_with([session, "key:ASIA1"], ["role:111122223333:Other", "bucket:logs"])
    {'role:111122223333:Ops'}
    """
    found = {each for each in used if each.startswith(ACTS)}
    for each in own:
        if session := _SESSION_TOKEN.fullmatch(each):
            found.add(token("role", session[1], session[2]))
    return found - {""}


def makers(own: Iterable[str]) -> set[str]:
    """The tokens of those whose habits say whether an actor with these tokens deploys: its keys
    that do not expire, and the roles of its sessions, of which a pipeline opens a new one for each
    run. Sessions of Identity Center's roles are people, and not of one habit.

    >>> session = "session:arn:aws:sts::111122223333:assumed-role/Ops/x:2025-03-01T11:00:00Z"
    >>> sorted(makers([session, "key:ASIA1", "key:AKIA1", "user:111122223333:ada"]))
    ['key:AKIA1', 'role:111122223333:Ops']
    """
    lasting = {each for each in own if each.startswith("key:") and not each.startswith("key:ASIA")}
    return lasting | {each for each in acted_with(own) if _OF_PEOPLE not in each}


def few(tokens: Iterable[str]) -> list[str]:
    """The tokens of gifts of an alert: none, if it gave something to too many; else the latest.

    >>> few([f"acts:function:1:f@2025-03-01T1{hour}:00:00+00:00" for hour in range(5)])[-1]
    'acts:function:1:f@2025-03-01T14:00:00+00:00'
    >>> few(f"acts:instance:i-{number}" for number in range(11))
    []
    """
    found = sorted(set(tokens))
    things = {_thing(each) for each in found}
    return [] if len(things) > AT_ONCE else found[-TIMES:]


def _thing(gift: str) -> str:
    """What something was given to: a function regardless of when, a role of whomever it lets in.

    >>> _thing("acts:function:111122223333:f@2025-03-01"), _thing("acts:role:111122223333:Ops:2")
    ('acts:function:111122223333:f', 'acts:role:111122223333:Ops')
    """
    if gift.startswith("acts:role:"):
        return gift.rpartition(":")[0]
    return gift.partition("@")[0]


def moment(source: Source) -> datetime | None:
    """The time of a stored event; None if it has none that can be read."""
    try:
        return datetime.fromisoformat(at(source, "@timestamp")).astimezone(UTC)
    except ValueError:
        return None


def _function_token(account: str, name: str, when: datetime) -> str:
    return token("acts:function", account, f"{name}@{when.isoformat()}") if name else ""


def _anywhere(source: Source) -> Iterator[str]:
    """The tokens of the trust anchors and profiles of Roles Anywhere that a call names."""
    for arn in texts_at(source, "resource", "arn"):
        if (found := _ANYWHERE.fullmatch(arn)) and (
            made := token("acts:anywhere", *found.groups())
        ):
            yield made
