"""Rules and findings by hand, about events that are in the index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch, helpers

from detections.finding import Finding, Group
from detections.rule import Attack, FilePosition, Rule
from tests.helpers.engines import remove_documents
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
ADA: Group = (("userIdentity.arn", "arn:aws:iam::111122223333:user/ada"),)


def rule(name: str = "policy-changed", **changes: Any) -> Rule:
    """A rule that says everything that a rule can say."""
    given: dict[str, Any] = {
        "id": name,
        "title": f"Title of {name}",
        "kind": "sigma",
        "level": "high",
        "definition": None,
        "place": FilePosition(Path("rule.yml")),
        "severity": 8,
        "description": "what it means",
        "attack": Attack(("persistence",), ("T1098.001",)),
        "references": ("https://attack.mitre.org/techniques/T1098/001/",),
        "falsepositives": ("an administrator at work",),
        "response": ("ask ada", "revoke the key"),
    }
    return Rule(**given | changes)


def at(second: float, start: datetime = START) -> datetime:
    return start + timedelta(seconds=second)


def event_id(second: int) -> str:
    return f"{second:08d}-" + hashlib.blake2b(str(second).encode(), digest_size=8).hexdigest()


def emptied(client: OpenSearch, settings: Settings) -> OpenSearch:
    """The cluster of a module's tests as `init` left it, which costs less than `init`."""
    names = Names(settings.prefix)
    remove_documents(client, f"{names.days},{names.alerts},{names.ledger}")
    return client


def put_events(
    client: OpenSearch,
    settings: Settings,
    seconds: Iterable[int],
    start: datetime = START,
    **changes: Any,
) -> None:
    """Enriched events in their days' indices, one for each second that is named."""
    names = Names(settings.prefix)
    actions = [
        {
            "_index": names.day(f"{at(second, start):%Y.%m.%d}"),
            "_id": event_id(second),
            "_source": {
                "@timestamp": at(second, start).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "userIdentity": {"arn": "arn:aws:iam::111122223333:user/ada"},
                "user": {"name": "ada"},
                "source": {"ip": "198.51.100.7"},
                "sourceIPAddress": "198.51.100.7",
                "recipientAccountId": "111122223333",
                "awsRegion": "eu-west-1",
                "resource": {"role": [f"role-{second}"], "bucket": ["b"]},
                **changes,
            },
        }
        for second in seconds
    ]
    helpers.bulk(client, actions, refresh=True)


def single(rule_id: str, second: int, group: Group = (), start: datetime = START) -> Finding:
    """One event of a plain rule."""
    when = at(second, start)
    return Finding(rule_id, (event_id(second),), 1, when, when, group)


def burst(rule_id: str, seconds: Iterable[int], group: Group = (), detail: str = "") -> Finding:
    """Several events of a correlation."""
    times = sorted(seconds)
    return Finding(
        rule_id,
        tuple(event_id(second) for second in times[:100]),
        len(times),
        at(times[0]),
        at(times[-1]),
        group,
        detail,
    )
