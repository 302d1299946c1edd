"""Random trails of people and the sessions that they open, through roles of two accounts, and who
is behind each event by brute force: a graph of all keys, built from the raw records.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import networkx as nx
import orjson
from opensearchpy import OpenSearch

from enrich.enricher import Enricher

Record = dict[str, Any]
BEGIN = datetime(2025, 3, 1, 12, tzinfo=UTC)
ACCOUNTS = ("111122223333", "444455556666")
_ENRICHER = Enricher()


@dataclass(slots=True)
class SessionTrail:
    """`records` in the order in which they arrive, which is not that of their times."""

    mark: str
    people: list[str]
    records: list[Record] = field(default_factory=list)

    def origins(self) -> dict[str, set[str]]:
        """By eventID, who is behind it: people, and keys that nobody issued."""
        graph = self.graph()
        found = {}
        for each in self.records:
            identity = each["userIdentity"]
            if identity["type"] == "IAMUser":
                found[each["eventID"]] = {identity["userName"]}
            elif identity["type"] == "AssumedRole":
                found[each["eventID"]] = _roots(graph, self.key_of(identity))
        return found

    def opened(self, person: str) -> set[str]:
        """The keys of all sessions that somebody opened."""
        graph = self.graph()
        issued = set(nx.descendants(graph, person)) if person in graph else set()
        derived = {
            each["userIdentity"]["accessKeyId"]
            for each in self.records
            if each["userIdentity"]["type"] == "AssumedRole"
            and self.key_of(each["userIdentity"]) in issued
        }
        return issued | derived

    def graph(self) -> nx.DiGraph[str]:
        """Who issued which key: from people and keys to keys."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        callers = {
            each["sharedEventID"]: each["userIdentity"]
            for each in self.records
            if each.get("sharedEventID") and each["userIdentity"]["type"] != "AWSAccount"
        }
        for each in self.records:
            issued = _issued(each)
            identity = each["userIdentity"]
            if identity["type"] == "AWSAccount":
                identity = callers.get(each.get("sharedEventID"), {})
            if issued and identity:
                by = identity.get("userName") or identity["accessKeyId"]
                graph.add_edge(by, issued)
        opening = {
            identity["accessKeyId"]: self.key_of(identity)
            for identity in (each["userIdentity"] for each in self.records)
            if identity["type"] == "AssumedRole"
        }
        for key, known in opening.items():
            if key in graph and key != known:  # it opened others, and nobody is known to issue it
                graph.add_edge(known, key)
        return graph

    def issued(self) -> dict[str, tuple[str, str]]:
        """The ARN and the start of each session by its key, whoever opened it."""
        return {
            key: (each["_issued_arn"], each["eventTime"])
            for each in self.records
            if (key := _issued(each))
        }

    def key_of(self, identity: Record) -> str:
        """The key of the session that an identity stands for: its own if somebody issued it, else
        that of the only session of its name that began at its second."""
        key = str(identity["accessKeyId"])
        issued = self.issued()
        if key in issued:
            return key
        began = identity["sessionContext"]["attributes"]["creationDate"]
        alike = {each for each, about in issued.items() if about == (identity["arn"], began)}
        return alike.pop() if len(alike) == 1 else key

    def index_into(self, client: OpenSearch, index: str) -> None:
        """Put it into one daily index, enriched."""
        lines: list[bytes] = []
        for each in self.records:
            record = {name: value for name, value in each.items() if name != "_issued_arn"}
            document = record | _ENRICHER.document_fields(record)
            lines.append(orjson.dumps({"create": {"_index": index, "_id": record["eventID"]}}))
            lines.append(orjson.dumps(document))
        reply = client.bulk(body=b"\n".join(lines) + b"\n", params={"refresh": "true"})
        assert not reply["errors"], reply


def session_trail(seed: int) -> SessionTrail:
    """Up to some 40 records of three people. Many times are equal, names of sessions are those of
    other people, records of a call into another account are in one trail or in both, some calls
    that opened a session are not there, and services make calls on a session's behalf."""
    chance = Random(seed)
    mark = uuid.uuid4().hex[:8]
    people = [f"{name}-{mark}" for name in ("ada", "bob", "eve")]
    made = SessionTrail(mark, people)
    actors: list[Record] = [_person(each, chance.choice(ACCOUNTS)) for each in people]
    clock = BEGIN
    for number in range(chance.randint(3, 14)):
        clock += timedelta(seconds=chance.choice([0, 0, 1, 60]))
        by = chance.choice(actors)
        if chance.random() < 0.35:
            actors.append(_open(made, chance, by, clock, number))
        else:
            made.records.append(_read(by, clock))
    for by in actors[len(people) :]:
        made.records.append(_read(by, clock))
        if chance.random() < 0.4:  # a service calls on the session's behalf, with a key of its own
            derived = by | {"accessKeyId": _key(chance)}
            made.records.append(_read(derived, clock, sourceIPAddress="athena.amazonaws.com"))
    chance.shuffle(made.records)
    return made


def _open(made: SessionTrail, chance: Random, by: Record, clock: datetime, number: int) -> Record:
    """A session opened by somebody; the records of the call, unless they got lost."""
    account = chance.choice(ACCOUNTS)
    role = f"{chance.choice(['Ops', 'Audit'])}-{made.mark}"
    name = chance.choice([*made.people, "session", f"run-{number}"])
    key, began = _key(chance), _stamp(clock)
    arn = f"arn:aws:sts::{account}:assumed-role/{role}/{name}"
    role_arn = f"arn:aws:iam::{account}:role/{role}"
    reply = {
        "credentials": {"accessKeyId": key},
        "assumedRoleUser": {"arn": arn, "assumedRoleId": f"AROA{role}:{name}"},
    }
    shared = str(uuid.uuid4())
    call = {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "requestParameters": {"roleArn": role_arn, "roleSessionName": name},
        "responseElements": reply,
        "sharedEventID": shared,
        "_issued_arn": arn,
    }
    own = _record(by, clock, recipientAccountId=by["accountId"], **call)
    if chance.random() < 0.85:
        if account != by["accountId"]:
            caller = {
                "type": "AWSAccount",
                "principalId": by["principalId"],
                "accountId": by["accountId"],
            }
            there = _record(caller, clock, recipientAccountId=account, **call)
            kept = chance.choice(["both", "there", "own", "own without the reply"])
            if kept != "own":
                made.records.append(there)
            if kept == "own without the reply":
                own["responseElements"] = None
            if kept != "there":
                made.records.append(own)
        else:
            made.records.append(own)
    return {
        "type": "AssumedRole",
        "arn": arn,
        "principalId": f"AROA{role}:{name}",
        "accountId": account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": role_arn, "userName": role},
            "attributes": {"creationDate": began},
        },
    }


def _person(name: str, account: str) -> Record:
    return {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "principalId": f"AIDA{name}",
        "accountId": account,
        "accessKeyId": f"AKIA{name.upper().replace('-', '')}",
        "userName": name,
    }


def _read(by: Record, clock: datetime, **changes: Any) -> Record:
    return _record(
        by,
        clock,
        eventSource="s3.amazonaws.com",
        eventName="GetObject",
        requestParameters={"bucketName": "data"},
        **changes,
    )


def _record(by: Record, clock: datetime, **changes: Any) -> Record:
    made: Record = {
        "eventVersion": "1.08",
        "userIdentity": by,
        "eventTime": _stamp(clock),
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "eventID": str(uuid.uuid4()),
        "eventType": "AwsApiCall",
        "recipientAccountId": by["accountId"],
    }
    return made | changes


def _key(chance: Random) -> str:
    return f"ASIA{chance.getrandbits(64):016X}{uuid.uuid4().hex[:4].upper()}"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _issued(record: Record) -> str | None:
    """The key that a call made, where its reply is there."""
    made = ((record.get("responseElements") or {}).get("credentials") or {}).get("accessKeyId")
    return str(made) if made else None


def _roots(graph: nx.DiGraph[str], key: str) -> set[str]:
    if key not in graph:
        return {key}
    above: Sequence[str] = [key, *nx.ancestors(graph, key)]
    return {each for each in above if graph.in_degree(each) == 0}
