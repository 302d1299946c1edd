"""Random activity of two accounts, and its graph and paths by brute force from the raw records."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import networkx as nx

Record = dict[str, Any]
ACCOUNTS = ("111122223333", "444455556666")
USERS, ROLES, BUCKETS = ("ada", "bob"), ("Ops", "Audit"), ("data", "logs")


def activity(seed: int, begin: datetime) -> list[Record]:
    """20 to 60 records, not in the order of their times, of which many are equal."""
    chance = Random(seed)
    step = chance.choice([0, 1, 1, 5])
    times = [begin + timedelta(seconds=step * n) for n in range(chance.randint(20, 60))]
    made = [_record(chance, when) for when in times]
    chance.shuffle(made)
    return made


def _record(chance: Random, when: datetime) -> Record:
    account = chance.choice(ACCOUNTS)
    made: Record = {
        "eventVersion": "1.08",
        "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "awsRegion": "us-east-1",
        "sourceIPAddress": chance.choice(["198.51.100.7", "203.0.113.9"]),
        "userAgent": "aws-cli/2.15.0",
        "eventID": str(uuid.UUID(int=chance.getrandbits(128))),
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
        **_caller(chance, account),
        **_call(chance, account),
    }
    if chance.random() < 0.2:
        made |= {"errorCode": "AccessDenied", "responseElements": None}
    return made


def _caller(chance: Random, account: str) -> Record:
    other = chance.choice(ACCOUNTS)
    rare = ["root", "service", "account", "anonymous", "saml"]
    kind = chance.choice(["user"] * 4 + ["role"] * 6 + rare)
    name = chance.choice(USERS)
    who: Record
    if kind == "user":
        who = {
            "type": "IAMUser",
            "userName": name,
            "arn": f"arn:aws:iam::{account}:user/team/{name}",
            "accountId": account,
            "accessKeyId": f"AKIA{name.upper()}{account}",
        }
    elif kind == "role":
        role = chance.choice(ROLES)
        session = f"{chance.choice(USERS)}-{chance.randint(0, 3)}"
        who = {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{other}:assumed-role/{role}/{session}",
            "accountId": other,
            "accessKeyId": f"ASIA{chance.randint(0, 9)}",
        }
        if chance.random() < 0.8:
            issuer = f"arn:aws:iam::{other}:role/path/{role}"
            who["sessionContext"] = {"sessionIssuer": {"type": "Role", "arn": issuer}}
    elif kind == "root":
        who = {"type": "Root", "arn": f"arn:aws:iam::{account}:root", "accountId": account}
    elif kind == "service":
        who = {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}
    elif kind == "account":
        who = {"type": "AWSAccount", "accountId": "999988887777", "principalId": "AIDA:x"}
    elif kind == "anonymous":
        who = {"type": "AWSAccount", "accountId": "anonymous", "principalId": ""}
    else:
        who = {"type": "SAMLUser", "userName": f"{name}@example.com", "principalId": "x"}
    return {"userIdentity": who}


def _call(chance: Random, account: str) -> Record:
    user, role = chance.choice(USERS), chance.choice(ROLES)
    other = chance.choice(ACCOUNTS)
    arn = f"arn:aws:iam::{other}:role/path/{role}"
    key = f"AKIA{user.upper()}{account}"
    assumed = {
        "credentials": {"accessKeyId": f"ASIA{chance.randint(0, 9)}"},
        "assumedRoleUser": {"arn": f"arn:aws:sts::{other}:assumed-role/{role}/{user}-1"},
    }
    machines = [{"instanceId": f"i-0aaaaaaaaaaaaaaa{number}"} for number in (1, 2)]
    calls: list[tuple[str, str, Record, Record | None]] = [
        ("s3", "GetObject", {"bucketName": chance.choice(BUCKETS)}, None),
        ("s3", "ListBuckets", {}, None),
        ("iam", "CreateUser", {"userName": user}, None),
        ("iam", "CreateAccessKey", {"userName": user}, {"accessKey": {"accessKeyId": key}}),
        ("iam", "DeleteUser", {"userName": user}, None),
        ("iam", "AttachRolePolicy", {"roleName": role}, None),
        ("iam", "DeleteRole", {"roleName": role}, None),
        ("iam", "ListUsers", {}, None),
        ("ec2", "StopInstances", {"instancesSet": {"items": machines}}, None),
        ("secretsmanager", "GetSecretValue", {"secretId": "prod/db"}, None),
        ("kms", "Decrypt", {}, None),
    ]
    calls += [("sts", "AssumeRole", {"roleArn": arn, "roleSessionName": "x"}, assumed)] * 6
    service, name, request, reply = chance.choice(calls)
    return {
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "requestParameters": request or None,
        "responseElements": reply,
    }


def brute_graph(
    records: Sequence[Record], keys: Sequence[str] = (), addresses: Sequence[str] = ()
) -> nx.DiGraph[str]:
    """Every edge with all of its events under `events`; nodes are written with their account."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for record in records:
        when = int(datetime.fromisoformat(record["eventTime"]).timestamp() * 1000)
        event = (when, record["eventID"], record["eventName"], "errorCode" not in record)
        for source, target in _edges(record, keys, addresses):
            if not graph.has_edge(source, target):
                graph.add_edge(source, target, events=[])
            graph.edges[source, target]["events"].append(event)
    return graph


def _edges(
    record: Record, keys: Sequence[str], addresses: Sequence[str]
) -> Iterator[tuple[str, str]]:
    who, account = record["userIdentity"], record["recipientAccountId"]
    source = _source(record)
    request, reply = record["requestParameters"] or {}, record["responseElements"] or {}
    call = record["eventName"]
    service = record["eventSource"].split(".")[0]
    if call == "AssumeRole":
        parts = request["roleArn"].split(":")
        targets = [f"role:{parts[5].rpartition('/')[2]}@{parts[4]}"]
    elif "bucketName" in request:
        targets = [f"s3:{request['bucketName']}"]
    elif service == "iam" and "userName" in request:
        targets = [f"user:{request['userName']}@{account}"]
    elif service == "iam" and "roleName" in request:
        targets = [f"role:{request['roleName']}@{account}"]
    elif call == "StopInstances":
        targets = [f"ec2:{each['instanceId']}" for each in request["instancesSet"]["items"]]
    elif call == "GetSecretValue":
        targets = [f"secret:{request['secretId']}@{account}"]
    else:
        targets = [f"resource:{record['eventSource']}:{call}"]
    yield from ((source, target) for target in targets)
    if made := reply.get("accessKey", {}).get("accessKeyId"):
        yield source, f"key:{made}"
    issued = reply.get("credentials", {}).get("accessKeyId")
    if issued in keys:
        yield source, f"key:{issued}"
    used = who.get("accessKeyId", "")
    if used.startswith("AKIA") or used in keys:
        yield f"key:{used}", source
    if record["sourceIPAddress"] in addresses and who["type"] != "AWSService":
        address = f"ip:{record['sourceIPAddress']}"
        yield address, source


def _source(record: Record) -> str:
    who = record["userIdentity"]
    match who["type"]:
        case "IAMUser":
            return f"user:{who['userName']}@{who['accountId']}"
        case "AssumedRole":
            return f"role:{who['arn'].split('/')[1]}@{who['accountId']}"
        case "Root":
            return f"user:root@{who['accountId']}"
        case "AWSService":
            return f"service:{record['eventSource']}"
        case "SAMLUser":
            return f"federated:{who['userName']}"
    if who["accountId"] == "anonymous":
        return f"ip:{record['sourceIPAddress']}"
    return f"account:{who['accountId']}"


def brute_paths(
    graph: nx.DiGraph[str], start: str, targets: set[str]
) -> dict[tuple[str, ...], tuple[list[str], int]]:
    """Every simple path of at most 5 steps that respects time: the earliest events, and its
    score."""
    made = {}
    simple = (
        nx.all_simple_paths(graph, start, targets - {start}, cutoff=5) if start in graph else ()
    )
    for route in simple:
        when, chosen, points = -1, [], 10 - len(route)
        for one, other in pairwise(route):
            succeeded = [each for each in graph.edges[one, other]["events"] if each[3]]
            later = [each for each in succeeded if each[0] >= when]
            if not later:
                break
            first = min(later, key=lambda each: (each[0], each[1]))
            when = first[0]
            chosen.append(first[1])
            calls = {each[2] for each in succeeded}
            if calls & {"CreateRole", "AssumeRole", "AttachRolePolicy", "AttachUserPolicy"}:
                points += 2
            elif calls & {"DeleteUser", "DeleteRole"}:
                points += 3
        else:
            made[tuple(route)] = (chosen, min(points, 10))
    return made
