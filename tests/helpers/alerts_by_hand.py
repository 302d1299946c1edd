"""Alerts as the detections write them, made by hand from a sample's labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.summary import what
from trailhound.cluster.templates import Names
from trailhound.sample import AttackLabel, Step

_LEVELS = (("low", 3), ("medium", 5), ("high", 8), ("critical", 10), ("informational", 1))
_STATES = ("open", "open", "acknowledged", "closed")


def alerts(attacks: Iterable[AttackLabel]) -> Iterator[dict[str, Any]]:
    """One alert for each run of steps of one technique; levels and states in turn."""
    number = 0
    for attack in attacks:
        for technique, group in groupby(attack.steps, key=lambda step: step.technique):
            yield _alert(attack, technique, list(group), number)
            number += 1


def _alert(attack: AttackLabel, technique: str, steps: list[Step], number: int) -> dict[str, Any]:
    level, severity = _LEVELS[number % len(_LEVELS)]
    first, last = steps[0].event_time, steps[-1].event_time
    raised = datetime.fromisoformat(last) + timedelta(minutes=6)
    arn = attack.principals[-1]
    return {
        "@timestamp": raised.isoformat(),
        "rule": {"id": f"rule-{technique}", "name": f"{steps[0].event_name} and its like"},
        "level": level,
        "severity": severity,
        "state": _STATES[number % len(_STATES)],
        "state_by": "trailhound",
        "state_at": raised.isoformat(),
        "attack": {"technique": [technique], "tactic": sorted({step.tactic for step in steps})},
        "entity": {
            "principal": [arn.split("/", 1)[1]],
            "account": [attack.account],
            "address": [attack.addresses[number % len(attack.addresses)]],
            "region": ["us-east-1"],
        },
        "evidence": {
            "event_id": [step.event_id for step in steps],
            "url": "https://dashboards.example/app/data-explorer/discover#?_a=()",
        },
        "call_summary": what({"calls": [{"name": steps[0].event_name, "count": len(steps)}]}),
        "first_seen": first,
        "last_seen": last,
        "count": len(steps),
    }


def write_alerts(client: OpenSearch, names: Names, attacks: Iterable[AttackLabel]) -> int:
    """Index them; how many."""
    lines = []
    for alert in alerts(attacks):
        name = hashlib.sha256(json.dumps(alert, sort_keys=True).encode()).hexdigest()[:20]
        lines += [json.dumps({"index": {"_id": name}}), json.dumps(alert)]
    reply = client.bulk(body="\n".join(lines) + "\n", index=names.alerts, refresh=True)
    assert not reply["errors"], reply
    return len(lines) // 2
