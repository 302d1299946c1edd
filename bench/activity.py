"""A trail with as many actors and targets as a large estate has, to measure investigation by.

People open sessions of roles and act with them; roles assume further roles; AWS services act too.
Among them is one attack: a stolen key, three roles, a bucket. The same numbers give the same trail.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson
from isal import igzip

BEGIN: Final = datetime(2025, 3, 3, tzinfo=UTC)
DAYS: Final = 30
EVENTS_PER_FILE: Final = 5_000
HOME: Final = "111122223333"
ACCOUNTS: Final = (HOME, "222233334444", "333344445555", "444455556666", "555566667777")
STOLEN_KEY: Final = "AKIASTOLEN0000000000"
THIEF: Final = "81.2.69.142"
JEWEL: Final = "crown-jewel"
BUSY_ROLE: Final = "role-0"
BUSY_PERSON: Final = "person-0"
SHARES: Final = {
    "people": 0.2,  # and as many keys
    "roles": 0.1,
    "s3": 0.3,
    "secret": 0.1,
    "function": 0.05,
    "ec2": 0.05,
}
"""Of the nodes, how many are of each kind."""
_SERVICES: Final = 0.84
"""How often a service acts where else a session is opened: about a third of the events."""
_FAILED: Final = 0.03

Record = dict[str, Any]


@dataclass(slots=True)
class Estate:
    """Who there is, and what each role may reach. `nodes`: of the activity graph, as planned."""

    nodes: int
    chance: Random
    people: int = 0
    roles: int = 0
    targets: list[tuple[str, str]] = field(default_factory=list)
    reach: list[list[int]] = field(default_factory=list)
    """Of each role, its targets."""
    further: list[list[int]] = field(default_factory=list)
    """Of each role, the roles that it assumes."""
    of_person: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.people, self.roles = (
            max(4, round(self.nodes * SHARES[kind])) for kind in ("people", "roles")
        )
        for kind in ("s3", "secret", "function", "ec2"):
            count = max(2, round(self.nodes * SHARES[kind]))
            self.targets += [(kind, f"{kind}-{number}") for number in range(count)]
        roles, chance = range(self.roles), self.chance
        self.reach = [self._some(len(self.targets), chance.randint(2, 30)) for _ in roles]
        self.reach[0] = self._some(len(self.targets), len(self.targets) // 10)
        self.further = [self._some(self.roles, chance.choice([0, 0, 1, 1, 2, 5])) for _ in roles]
        self.further[0] = self._some(self.roles, self.roles // 20)
        self.of_person = [self._some(self.roles, chance.randint(1, 3)) for _ in range(self.people)]
        self.of_person[0] = [0, *self.of_person[0]]

    def _some(self, among: int, count: int) -> list[int]:
        return self.chance.sample(range(among), min(among, count))


def records(events: int, nodes: int, seed: int = 1) -> Iterator[Record]:
    """So many events of an estate with about so many nodes, each session's in the order of time."""
    chance = Random(seed)
    estate = Estate(nodes, chance)
    made = 0
    for each in _everything_once(estate, chance):
        if made == events:
            return
        yield each
        made += 1
    for each in _attack(chance):
        yield each
        made += 1
    while made < events:
        for each in _session(estate, chance, _moment(chance)):
            yield each
            made += 1
            if made == events:
                return


def write_activity(folder: Path, events: int, nodes: int, seed: int = 1) -> Path:
    """The records in trail files, each of one day, in a folder, which is made."""
    folder.mkdir(parents=True)
    waiting: dict[str, list[Record]] = {}
    number = 0
    for record in records(events, nodes, seed):
        day = waiting.setdefault(record["eventTime"][:10], [])
        day.append(record)
        if len(day) == EVENTS_PER_FILE:
            _write(folder / f"{number:06}.json.gz", day)
            number += 1
            day.clear()
    for rest in filter(None, waiting.values()):
        _write(folder / f"{number:06}.json.gz", rest)
        number += 1
    return folder


def _write(path: Path, several: Sequence[Record]) -> None:
    path.write_bytes(igzip.compress(orjson.dumps({"Records": several}), compresslevel=1))


def _everything_once(estate: Estate, chance: Random) -> Iterator[Record]:
    """One call by each person and role, and one on each target."""
    for person in range(estate.people):
        who, account, address = _person(person)
        yield _made(chance, _moment(chance), "iam", "GetUser", who, account, address)
    for number, (kind, name) in enumerate(estate.targets):
        role = number % estate.roles
        who, account = _role(role, chance.randrange(estate.people), chance, BEGIN)
        when = _moment(chance)
        yield _on(kind, name, chance, when, who, account, _address(number))


def _session(estate: Estate, chance: Random, when: datetime) -> Iterator[Record]:
    """A person opens a session and acts with it, perhaps through further roles; or a service
    acts."""
    if chance.random() < _SERVICES:
        source = chance.choice(["kms", "logs", "sts", "s3", "lambda"])
        who: Record = {"type": "AWSService", "invokedBy": f"{source}.amazonaws.com"}
        call = chance.choice(["Decrypt", "GenerateDataKey", "CreateLogStream", "Encrypt"])
        yield _made(
            chance, when, source, call, who, chance.choice(ACCOUNTS), f"{source}.amazonaws.com"
        )
        return
    # Half of the sessions are of a few: people and pipelines that work all day.
    person = chance.randrange(estate.people if chance.random() < 0.5 else estate.people // 20 or 1)
    who, account, address = _person(person)
    role = chance.choice(estate.of_person[person])
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        opened, opener = _assume(chance, when, who, account, role, person, address)
        yield opened
        who, account = opener
        for _ in range(chance.randint(2, 14)):
            when += timedelta(seconds=chance.randint(1, 120))
            kind, name = estate.targets[chance.choice(estate.reach[role])]
            yield _on(kind, name, chance, when, who, account, address)
        if not estate.further[role]:
            return
        role = chance.choice(estate.further[role])


def _attack(chance: Random) -> Iterator[Record]:
    """A stolen key, three roles one after the other, and the bucket."""
    when = BEGIN + timedelta(days=DAYS - 5, hours=3)
    who: Record = {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{HOME}:user/victim",
        "accountId": HOME,
        "userName": "victim",
        "accessKeyId": STOLEN_KEY,
    }
    account = HOME
    for call in ("GetCallerIdentity", "ListBuckets", "ListRoles", "ListUsers", "ListPolicies"):
        source = {"GetCallerIdentity": "sts", "ListBuckets": "s3"}.get(call, "iam")
        yield _made(chance, when, source, call, who, account, THIEF)
        when += timedelta(seconds=20)
    for role in ("entry", "middle", "vault"):
        opened, (who, account) = _assume(chance, when, who, account, role, 0, THIEF)
        yield opened
        when += timedelta(minutes=1)
    for number in range(50):
        yield _on("s3", JEWEL, chance, when + timedelta(seconds=number), who, account, THIEF)


def _assume(
    chance: Random,
    when: datetime,
    who: Record,
    account: str,
    role: int | str,
    person: int,
    address: str,
) -> tuple[Record, tuple[Record, str]]:
    """The call, and who acts with the session, in which account."""
    acting, home = _role(role, person, chance, when)
    issuer = acting["sessionContext"]["sessionIssuer"]["arn"]
    made = _made(chance, when, "sts", "AssumeRole", who, account, address)
    made["requestParameters"] = {"roleArn": issuer, "roleSessionName": f"s{person}"}
    if "errorCode" not in made:
        made["responseElements"] = {
            "credentials": {"accessKeyId": acting["accessKeyId"]},
            "assumedRoleUser": {"arn": acting["arn"]},
        }
    return made, (acting, home)


def _person(number: int) -> tuple[Record, str, str]:
    account = ACCOUNTS[number % len(ACCOUNTS)]
    name = f"person-{number}"
    who: Record = {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "userName": name,
        "accessKeyId": f"AKIA{number:016}",
    }
    return who, account, _address(number)


def _role(number: int | str, person: int, chance: Random, when: datetime) -> tuple[Record, str]:
    place = number if isinstance(number, int) else len(number)
    account, name = ACCOUNTS[place % len(ACCOUNTS)], f"role-{number}"
    who: Record = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/s{person}",
        "accountId": account,
        "accessKeyId": f"ASIA{chance.getrandbits(64):016X}",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": f"arn:aws:iam::{account}:role/{name}",
                "userName": name,
                "accountId": account,
            },
            "attributes": {"creationDate": _stamp(when)},
        },
    }
    return who, account


def _on(
    kind: str,
    name: str,
    chance: Random,
    when: datetime,
    who: Record,
    account: str,
    address: str,
) -> Record:
    """A call on a target."""
    read = chance.random() < 0.8
    source, call, asked = {
        "s3": (
            "s3",
            "GetObject" if read else "PutObject",
            {"bucketName": name, "key": f"part-{chance.randrange(1000)}"},
        ),
        "secret": ("secretsmanager", "GetSecretValue", {"secretId": name}),
        "function": (
            "lambda",
            "GetFunction20150331" if read else "UpdateFunctionCode20150331v2",
            {"functionName": name},
        ),
        "ec2": (
            "ec2",
            "StartInstances" if read else "StopInstances",
            {"instancesSet": {"items": [{"instanceId": f"i-{name.removeprefix('ec2-'):0>17}"}]}},
        ),
    }[kind]
    made = _made(chance, when, source, call, who, account, address)
    made["requestParameters"] = asked
    return made


def _made(
    chance: Random,
    when: datetime,
    source: str,
    call: str,
    who: Record,
    account: str,
    address: str,
) -> Record:
    made: Record = {
        "eventVersion": "1.08",
        "userIdentity": who,
        "eventTime": _stamp(when),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": call,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": address,
        "userAgent": "aws-cli/2.15.0 Python/3.11" if len(address) % 2 else "Boto3/1.34.2",
        "requestParameters": None,
        "responseElements": None,
        "readOnly": call.startswith(("Get", "List", "Decrypt")),
        "eventID": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
    }
    if who["type"] != "AWSService" and chance.random() < _FAILED and address != THIEF:
        made["errorCode"] = "AccessDenied"
    return made


def _address(number: int) -> str:
    return f"198.{18 + number // 65_536 % 2}.{number // 256 % 256}.{number % 256}"


def _moment(chance: Random) -> datetime:
    """Of a day that has room for a session after it."""
    return BEGIN + timedelta(
        days=chance.randrange(DAYS - 1), seconds=chance.randrange(6 * 3600, 22 * 3600)
    )


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
