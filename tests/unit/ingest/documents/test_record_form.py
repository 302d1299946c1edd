"""What is a CloudTrail record, and what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from enrich.enricher import Enricher
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import Chunk
from tests.unit.ingest.reading.formats import compact

TIME = {"eventTime": "2024-03-01T10:00:00Z"}
RECORDS: list[dict[str, Any]] = [
    {"eventSource": "iam.amazonaws.com", "eventName": "ListUsers"},
    {"eventName": "ListUsers"},
    {"eventSource": "iam.amazonaws.com"},
    {"eventSource": "iam", "eventName": "ListUsers"},
    {"eventType": "AwsCloudTrailInsight", "insightDetails": {"eventName": "RunInstances"}},
    {"eventSource": "s3.amazonaws.com", "eventName": "Odd:Name"},
]
OTHERS: list[dict[str, Any]] = [
    {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}},
    {"eventVersion": "2.1", "eventSource": "aws:dynamodb", "eventName": "INSERT"},
    {"eventName": "ObjectCreated:Put"},
    {"eventVersion": "1.0"},
    {"eventID": "1"},
    {"eventSource": "", "eventName": ""},
    {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "risk_score": 3},
]


def assembled(record: dict[str, Any]) -> tuple[int, list[str]]:
    """(documents made, reasons of dead letters) of one record."""
    owner = ObjectProgress(TrailObject("/a.json", "1", 1), lambda _: None)
    chunk = Chunk([compact(TIME | record).encode()], range(1))
    made = list(Assembler(Enricher(), lambda day: f"cloudtrail-{day}").assemble(chunk, owner))
    heads = sum(len(each.batch.heads) + len(each.repaired.heads) for each in made)
    return heads, [letter.code for each in made for letter in each.dead]


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_a_record_is_indexed(record: dict[str, Any]) -> None:
    assert assembled(record) == (1, [])


@pytest.mark.parametrize("record", OTHERS, ids=str)
def test_a_message_of_another_service_is_a_dead_letter(record: dict[str, Any]) -> None:
    assert assembled(record) == (0, ["not_cloudtrail"])
