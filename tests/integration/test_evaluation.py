"""A pack of every kind of rule, from its YAML to findings in events that were backfilled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from detections.packs.loading import load
from detections.running.evaluation import Evaluator
from detections.span import Span
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.templates import Names

START = datetime(2025, 3, 3, 12, tzinfo=UTC)
PACK = """\
title: Failed login
name: failed_login
status: test
logsource: {product: aws, service: cloudtrail}
detection:
  login: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Failure}
  condition: login
---
title: Login
name: login
logsource: {product: aws, service: cloudtrail}
detection:
  login: {eventName: consolelogin, responseElements.ConsoleLogin: Success}
  condition: login
---
title: Failed logins by address
name: many_failed
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [sourceIPAddress]
  timespan: 5m
  condition: {gte: 5}
level: medium
---
title: Guessed
correlation:
  type: temporal_ordered
  rules: [many_failed, login]
  group-by: [sourceIPAddress]
  timespan: 15m
level: high
---
title: Buckets
name: reads
logsource: {product: aws, service: cloudtrail}
detection:
  read: {eventName: GetObject, requestParameters.maxKeys|gte: 10}
  condition: read
---
title: Many buckets
correlation:
  type: value_count
  rules: [reads]
  group-by: [userIdentity.arn]
  timespan: 10m
  condition: {gte: 3, field: requestParameters.bucketName}
---
title: New region
logsource: {product: aws, service: cloudtrail}
detection: {any: {eventName|exists: true}, condition: any}
trailhound:
  new_terms: {field: awsRegion, group_by: [userIdentity.arn], days: 3, training_days: 1}
---
title: Loud
logsource: {product: aws, service: cloudtrail}
detection: {read: {eventName: ListUsers}, condition: read}
trailhound:
  anomaly: {group_by: [userIdentity.arn]}
---
title: Travel
logsource: {product: aws, service: cloudtrail}
detection: {login: {eventName: ConsoleLogin, event.outcome: success}, condition: login}
trailhound:
  impossible_travel: {group_by: [userIdentity.arn]}
"""


def call(seconds: float, user: str, name: str, **changes: Any) -> dict[str, Any]:
    identity = {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::111122223333:user/{user}",
        "accountId": "111122223333",
        "userName": user,
    }
    moment = START + timedelta(seconds=seconds)
    return record(
        eventName=name, userIdentity=identity, eventTime=f"{moment:%Y-%m-%dT%H:%M:%SZ}", **changes
    )


def login(seconds: float, user: str, outcome: str, address: str) -> dict[str, Any]:
    return call(
        seconds,
        user,
        "ConsoleLogin",
        eventSource="signin.amazonaws.com",
        sourceIPAddress=address,
        requestParameters=None,
        responseElements={"ConsoleLogin": outcome},
    )


def trail() -> list[dict[str, Any]]:
    day = 86_400
    events = [login(60 * n, "ada", "Failure", "81.2.69.142") for n in range(6)]
    events += [login(400, "ada", "Success", "81.2.69.142")]
    events += [login(1000, "ada", "Success", "216.160.83.56")]
    events += [
        call(
            60 * n,
            "bob",
            "GetObject",
            requestParameters={"bucketName": f"b{n}", "maxKeys": str(size)},
        )
        for n, size in enumerate([9, 10, 100, 11, 2])
    ]
    events += [
        call(-2 * day, "eve", "ListRoles"),
        call(10, "eve", "ListRoles", awsRegion="eu-north-1"),
    ]
    events += [call(n, "loud", "ListUsers") for n in range(40)]
    events += [call(n, f"quiet{n}", "ListUsers") for n in range(6)]
    return events


def test_every_kind_from_yaml_to_findings(
    engine: str, namespace: str, tmp_path: Path, shared_data: Path
) -> None:
    city = shared_data / "mmdb" / "GeoIP2-City-Test.mmdb"
    settings = own_settings(
        engine, namespace, tmp_path / "home", enrich={"city_database": str(city)}
    )
    client = prepared(settings)
    write_trail(tmp_path / "trail", trail())
    assert backfill(settings, tmp_path / "trail").as_dict()["indexed"] == len(trail())
    client.indices.refresh(index=Names(settings.prefix).days)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "pack.yml").write_text(PACK)
    pack = load(settings.detections.model_copy(update={"shipped": False}), [tmp_path / "rules"])
    assert [fault for fault in pack.faults if fault.stops] == []
    evaluator = Evaluator(client, settings, pack.compiled)
    now = datetime.now(UTC)
    spans = (
        Span(START - timedelta(hours=1), START + timedelta(hours=1)),
        Span(now - timedelta(hours=1), now + timedelta(hours=1), "event.ingested"),
    )
    for span in spans:
        found = {
            rule.title: [
                (each.count, *(value.rpartition("/")[2] for _, value in each.group))
                for each in evaluator.evaluate(rule, span)
            ]
            for rule in pack.rules
        }
        assert found == {
            "Failed login": [(1,)] * 6,
            "Login": [(1,)] * 2,
            "Failed logins by address": [(6, "81.2.69.142")],
            "Guessed": [(7, "81.2.69.142")],
            "Buckets": [(1,)] * 3,
            "Many buckets": [(3, "bob")],
            "New region": [(1, "eve", "eu-north-1")],
            "Loud": [(40, "loud")],
            "Travel": [(2, "ada")],
        }
        others = [rule for rule in pack.rules if rule.kind != "sigma"]
        assert evaluator.idle(others, span) == frozenset()
    # Two minutes in which somebody listed roles, and nothing else happened.
    quiet = Span(START - timedelta(days=2, minutes=1), START - timedelta(days=2, minutes=-1))
    assert {rule.title for rule in others if rule.id not in evaluator.idle(others, quiet)} == {
        "New region"
    }
