from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detections.compiled import Compiled
from detections.events.fields import FieldReader
from detections.events.found import finding
from detections.events.identity import ARN, NAME
from detections.events.principal import HAS_ARN, HAS_NAME_ALONE, views
from detections.rule import FilePosition, Rule

ADA = "arn:aws:iam::111122223333:user/ada"


def test_other_groupings_have_one_view_of_all_events() -> None:
    (view,) = views(["recipientAccountId", "awsRegion", "resource.bucket", "source.ip"])
    compiled = Compiled({"match_all": {}})
    assert view.of(compiled) is compiled


def test_an_empty_key_is_in_no_group() -> None:
    (view,) = views(["userIdentity.accessKeyId"])
    compiled = view.of(Compiled({"match_all": {}}, plain={"match_none": {}}))
    empty = {"bool": {"must_not": [{"term": {"userIdentity.accessKeyId": ""}}]}}
    assert compiled.query == {"bool": {"filter": [{"match_all": {}}, empty]}}
    assert compiled.plain == {"bool": {"filter": [{"match_none": {}}, empty]}}


def test_a_principal_has_an_arn_or_a_name() -> None:
    by_arn, by_name = views(["recipientAccountId", ARN])
    assert by_arn.fields == ("recipientAccountId", ARN)
    assert by_name.fields == ("recipientAccountId", NAME)
    assert by_arn.where == (HAS_ARN,)
    assert by_name.where == (HAS_NAME_ALONE,)


@pytest.mark.parametrize(
    ("fields", "group"),
    [
        ({ARN: [ADA], NAME: ["ada"]}, (ARN, ADA)),
        ({ARN: [""], NAME: ["grace@example.com"]}, (NAME, "grace@example.com")),
        ({NAME: ["ec2.amazonaws.com"]}, (NAME, "ec2.amazonaws.com")),
        ({ARN: [""]}, (ARN, "")),
        ({}, (ARN, "")),
    ],
)
def test_alerts_of_a_plain_rule_keep_people_apart(
    fields: dict[str, Any], group: tuple[str, str]
) -> None:
    rule = Rule("r", "title", "sigma", "low", None, FilePosition(Path()), group_by=(ARN,))
    hit = {"_id": "e", "sort": [1_700_000_000_000], "fields": fields}
    reader = FieldReader([ARN, NAME])
    assert finding(rule, reader, hit).group == (group,)
