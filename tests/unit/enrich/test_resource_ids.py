"""Machines and other resources that a call names at any place, in any service."""

from __future__ import annotations

from typing import Any

import pytest

from enrich.resources import LONGEST_VALUE
from tests.unit.enrich.enriched import touched

ONE, TWO = "i-0aaaaaaaaaaaaaaa1", "i-0bbbbbbbbbbbbbbb2"
OWN = "mi-0ccccccccccccccc3"
TARGETS = [{"key": "InstanceIds", "values": [ONE, TWO]}]


@pytest.mark.parametrize(
    ("source", "name", "request_parameters", "expected"),
    [
        ("ssm", "SendCommand", {"targets": TARGETS}, [ONE, TWO]),
        ("ssm", "SendCommand", {"targets": [{"key": "InstanceIds", "values": ["i-1"]}]}, ["i-1"]),
        ("ssm", "SendCommand", {"targets": [{"key": "tag:Name", "values": ["web"]}]}, None),
        ("ssm", "SendCommand", {"instanceIds": [ONE], "targets": []}, [ONE]),
        ("ssm", "StartSession", {"target": ONE}, [ONE]),
        ("ssm", "StartSession", {"target": OWN}, [OWN]),
        ("ssm", "StartSession", {"target": "ecs:cluster_task_runtime"}, None),
        ("ssm", "GetConnectionStatus", {"target": ONE}, [ONE]),
        ("ssm", "CreateAssociation", {"name": "d", "targets": TARGETS}, [ONE, TWO]),
        ("ssm", "CreateAssociation", {"name": "d", "instanceId": ONE}, [ONE]),
        ("ssm", "UpdateAssociation", {"targets": TARGETS}, [ONE, TWO]),
        ("ssm", "CreateAssociationBatch",
         {"entries": [{"instanceId": ONE}, {"targets": [{"key": "InstanceIds", "values": [TWO]}]}]},
         [ONE, TWO]),
        ("ssm", "StartAutomationExecution", {"parameters": {"InstanceId": [ONE]}}, [ONE]),
        ("ssm", "StartAutomationExecution", {"parameters": {"Machines": [ONE]}}, [ONE]),
        ("ssm", "StartAutomationExecution", {"targets": TARGETS}, [ONE, TWO]),
        ("ssm", "StartAutomationExecution", {"targetMaps": [{"Any": [ONE]}]}, [ONE]),
        ("ssm", "StartChangeRequestExecution",
         {"runbooks": [{"targets": TARGETS, "parameters": {"x": [OWN]}}]}, [ONE, TWO, OWN]),
        ("ssm", "RegisterTargetWithMaintenanceWindow", {"targets": TARGETS}, [ONE, TWO]),
        ("ssm", "AddTagsToResource", {"resourceType": "ManagedInstance", "resourceId": OWN}, [OWN]),
        ("ssm-guiconnect", "StartConnection", {"deep": [{"er": {"target": ONE}}]}, [ONE]),
        ("autoscaling", "DetachInstances", {"instanceIds": [ONE]}, [ONE]),
        ("elasticloadbalancing", "RegisterTargets", {"targets": [{"id": ONE}]}, [ONE]),
        ("elasticloadbalancing", "RegisterInstancesWithLoadBalancer",
         {"instances": [{"instanceId": ONE}]}, [ONE]),
        ("budgets", "CreateBudgetAction",
         {"definition": {"ssmActionDefinition": {"instanceIds": [ONE]}}}, [ONE]),
        ("mgn", "CreateConnector", {"ssmInstanceID": OWN}, [OWN]),
        ("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": ONE}]}}, [ONE]),
        ("ec2", "CreateRoute", {"instanceId": ONE, "routeTableId": "rtb-0a1b2c3d"}, [ONE]),
        ("ec2", "AssociateIamInstanceProfile",
         {"AssociateIamInstanceProfileRequest": {"InstanceId": ONE}}, [ONE]),
        ("ec2", "ModifyInstanceMetadataOptions",
         {"ModifyInstanceMetadataOptionsRequest": {"InstanceId": ONE, "HttpTokens": "x"}}, [ONE]),
        ("a-service-to-come", "UseMachine", {"machine": {"id": ONE}}, [ONE]),
        # What only resembles an id, or stands within a policy or a key.
        ("ec2", "CreateTags", {"tagSet": {"items": [{"key": "i-team", "value": "i-0xyz"}]}}, None),
        ("sns", "Publish", {"message": ONE}, None),
        ("glue", "PutResourcePolicy", {"policyInJson": f'{{"Resource": "{ONE}"}}'}, None),
    ],
)  # fmt: skip
def test_machines(source: str, name: str, request_parameters: Any, expected: Any) -> None:
    found = touched(source, name, requestParameters=request_parameters).get("resource", {})
    assert found.get("instance") == expected


@pytest.mark.parametrize("part", ["requestParameters", "responseElements"])
def test_each_kind_of_id_has_its_leaf(part: str) -> None:
    ids = {
        "image": "ami-0a1b2c3d4e5f60718",
        "volume": "vol-0a1b2c3d",
        "snapshot": "snap-0a1b2c3d4e5f60718",
        "vpc": "vpc-0a1b2c3d",
        "security_group": "sg-0a1b2c3d4e5f60718",
    }
    body = {"x": [{"deep": [list(ids.values())]}]}
    found = touched("fsx", "CreateFileSystem", **{part: body})["resource"]
    assert found == {leaf: [value] for leaf, value in ids.items()}


def test_a_traffic_mirror_session_names_all_of_its_ends() -> None:
    asked = {
        "NetworkInterfaceId": "eni-0a1b2c3d4e5f60718",
        "TrafficMirrorTargetId": "tmt-0a1b2c3d4e5f60718",
        "TrafficMirrorFilterId": "tmf-1",
    }
    made = {"trafficMirrorSession": {"trafficMirrorSessionId": "tms-1"}, "requestId": "x"}
    found = touched(
        "ec2",
        "CreateTrafficMirrorSession",
        requestParameters={"CreateTrafficMirrorSessionRequest": asked},
        responseElements={"CreateTrafficMirrorSessionResponse": made},
    )["resource"]
    assert found == {"id": [*asked.values(), "tms-1"]}


def test_an_arn_at_any_place_of_a_request_is_a_resource() -> None:
    arn = "arn:aws-cn:wafv2:cn-north-1:123456789012:regional/webacl/edge/0a1b"
    found = touched("wafv2", "AssociateWebACL", requestParameters={"a": [{"b": arn}]})["resource"]
    assert found == {"arn": [arn], "id": ["0a1b"]}
    for odd in ("arn:aws:x", "arn:aws:sns:::" + "x" * 5_000, "arn:aws:a b:::c"):
        fields = touched("wafv2", "AssociateWebACL", requestParameters={"a": odd})
        assert all(len(text) <= LONGEST_VALUE for text in fields.get("resource", {}).get("arn", ()))


def test_ids_without_end_are_bounded() -> None:
    many = [f"i-{number:017x}" for number in range(3_000)] * 2
    fields = touched("ssm", "SendCommand", requestParameters={"x": [many]})
    assert fields["resource"]["instance"] == many[:1_000]
    assert fields["resource_incomplete"] == ["instance"]
