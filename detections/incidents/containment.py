"""What to do now about an incident: commands that take away what its events prove was used or made.

Advice, never run. Names come from requests of an intruder, who chooses them: a command has only
values in the form that AWS allows, quoted for a shell; where one has another form, there is the
sentence without a command.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from detections.incidents.undoing import GONE, KEY, LOST, NAME, UNDONE_BY, Undo, values_at

Event = Mapping[str, Any]
FIELDS: Final = (
    *("eventName", "eventSource", "eventTime", "awsRegion", "recipientAccountId", "readOnly"),
    *("errorCode", "userIdentity", "requestParameters", "responseElements"),
)
"""What is read of each event."""
_REVOKED: Final = "AWSRevokeOlderSessions"
"""The name that the console gives to the policy that revokes a role's sessions."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `command` is empty where there is none, or where a name has a form that AWS
    does not allow. `event`: the name of the call that proves it; `time` when it was made.
    """

    what: str
    command: str
    account: str
    event: str
    time: str


@dataclass(frozen=True, slots=True)
class Containment:
    """The steps, credentials first. `left`: the number of successful calls of the same principals
    that changed something and have no step, by name."""

    steps: tuple[Step, ...] = ()
    left: Mapping[str, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As `incidents show --json` prints it."""
        return {"steps": [asdict(each) for each in self.steps], "left": dict(self.left or {})}


def containment(
    used: Iterable[Event],
    changes: Iterable[Event],
    others: Mapping[str, int],
    revoked_before: datetime,
) -> Containment:
    """`used`: for each access key of the incident an event that was made with it; `changes`: what
    these keys' holders changed by calls that are `KNOWN`, in the order of time; `others`: the
    number of their other changes, by call. Sessions that began before `revoked_before` would be
    revoked."""
    credentials: dict[tuple[str, str], Step] = {}
    steps = [step for event in used for step in _used(event, revoked_before)]
    made = _Made()
    for event in changes:
        made.take(event)
    for step in (*steps, *made.credentials()):
        # Accounts of one organization have roles, users and trails of the same names.
        credentials.setdefault((step.account, step.command or step.what), step)
    left = made.left + Counter(others)
    return Containment((*credentials.values(), *made.others()), dict(left.most_common()))


def _used(event: Event, before: datetime) -> Iterator[Step]:
    """How the credentials of an event are made useless."""
    who = event.get("userIdentity") or {}
    key, kind = str(who.get("accessKeyId") or ""), who.get("type")
    issuer = (who.get("sessionContext") or {}).get("sessionIssuer") or {}
    account = str(who.get("accountId") or event.get("recipientAccountId") or "")
    if kind == "Root":
        what = "root was used: as root, delete its access keys, change its password and its MFA"
        yield _step(event, what, None, account)
    elif kind == "IAMUser" and key.startswith("AKIA"):
        user = str(who.get("userName") or "")
        what = f"deactivate the access key {key} of the user {user}, which was used"
        yield _step(event, what, _deactivate(user, key), account)
    elif kind == "AssumedRole" or (kind == "FederatedUser" and issuer):
        of = str(issuer.get("userName") or "")
        is_role = kind == "AssumedRole"
        arn = str(issuer.get("arn") or "")
        noun = "role" if is_role else "user"
        if "/aws-reserved/sso.amazonaws.com/" in arn.partition(":role")[2][:40]:
            what = (
                f"end the session of the role {of} in IAM Identity Center: its role takes no policy"
            )
            yield _step(event, what, None, account)
            return
        what = f"revoke all sessions of the {noun} {of} so far, its legitimate ones too"
        yield _step(event, what, _revoke(noun, of, before), str(issuer.get("accountId") or account))
    elif kind == "IAMUser":
        user = str(who.get("userName") or "")
        what = f"revoke the sessions of the user {user} so far"
        yield _step(event, what, _revoke("user", user, before), account)


def _deactivate(user: str, key: str) -> list[str] | None:
    if not (NAME.fullmatch(user) and KEY.fullmatch(key)):
        return None
    words = ["aws", "iam", "update-access-key", "--access-key-id", key]
    return [*words, *_option("--user-name", user), "--status", "Inactive"]


def _revoke(noun: str, name: str, before: datetime) -> list[str] | None:
    if not NAME.fullmatch(name):
        return None
    denied = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": f"{before:%Y-%m-%dT%H:%M:%SZ}"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [denied]}, separators=(",", ":"))
    words = ["aws", "iam", f"put-{noun}-policy", *_option(f"--{noun}-name", name)]
    return [*words, "--policy-name", _REVOKED, "--policy-document", document]


class _Made:
    """What was made or changed, and not taken away again since."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], tuple[Undo, Step]] = {}
        self.left: Counter[str] = Counter()

    def take(self, event: Event) -> None:
        name = str(event.get("eventName") or "")
        if event.get("errorCode") or event.get("readOnly") is True:
            return
        if name in UNDONE_BY:
            kind, paths = UNDONE_BY[name]
            gone = (*_place(event), kind, ", ".join(values_at(event, paths)))
            self._found = {key: made for key, made in self._found.items() if key[:4] != gone}
            if name not in LOST:
                return
        undo = GONE.get((str(event.get("eventSource") or "").partition(".")[0], name))
        if undo is None:
            self.left[name] += 1
            return
        found = [values_at(event, each) for each in undo.values]
        if not all(found):
            self.left[name] += 1  # what it made is not in the event
            return
        values = [", ".join(each) for each in found]
        words = _command(undo, found, event)
        step = _step(event, undo.what.format(*values), words, str(event.get("recipientAccountId")))
        self._found[(*_place(event), undo.thing, values[0], name, *values[1:])] = (undo, step)

    def credentials(self) -> Iterator[Step]:
        yield from (step for undo, step in self._found.values() if undo.first)

    def others(self) -> Iterator[Step]:
        """What takes rights away comes before what removes their holders."""
        rest = [(undo, step) for undo, step in self._found.values() if not undo.first]
        yield from (step for undo, step in rest if not undo.last)
        yield from (step for undo, step in rest if undo.last)


def _place(event: Event) -> tuple[str, str]:
    """The account and region of what an event made: names are unique in these alone."""
    return str(event.get("recipientAccountId") or ""), str(event.get("awsRegion") or "")


def _command(undo: Undo, found: Sequence[Sequence[str]], event: Event) -> list[str] | None:
    """The words of the command; None where a value has a form that AWS does not allow."""
    if not all(
        pattern.fullmatch(value)
        for pattern, values in zip(undo.forms, found, strict=True)
        for value in values
    ):
        return None
    words: list[str] = ["aws"]
    for word in undo.command.split():
        if not word.startswith("{"):
            words.append(word)
            continue
        values = found[int(word[1:-1])]
        if len(values) == 1:
            words += _option(words.pop(), values[0])
        else:
            words += values
    if undo.regional:
        region = str(event.get("awsRegion") or "")
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
            return None
        words += ["--region", region]
    return words


def _option(name: str, value: str) -> list[str]:
    """An option with its value; as one word where that begins with a dash, as names may."""
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _step(event: Event, what: str, words: Sequence[str] | None, account: str) -> Step:
    return Step(
        what,
        shlex.join(words) if words is not None else "",
        account,
        str(event.get("eventName") or ""),
        str(event.get("eventTime") or ""),
    )
