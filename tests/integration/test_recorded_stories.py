"""The story of each recorded attack: how it began, its last step, and what it reached, as it was
read in the raw records before the product was asked. Recorded names are kept as digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from detections.events.index import EventIndex
from detections.investigation.graph import build
from detections.investigation.named_nodes import named
from detections.investigation.paths import PathFinder
from detections.investigation.subject import subject_of
from detections.investigation.timeline import Line, TimelineReader
from tests.helpers.recorded import recorded
from tests.helpers.trails import backfill, own_settings, prepared
from trailhound.cluster.templates import Names

OK, NO = "success", "failure"
Calls = tuple[tuple[str, str], ...]


class Story(NamedTuple):
    """The calls of the first second and of the last, with their outcomes; digests of what calls
    that succeeded touched, and of the node to which a path leads from the key of the first call."""

    first: Calls
    last: Calls
    reached: tuple[str, ...]
    node: str


STORIES = {
    "aws.credential-access.ec2-get-password-data": Story(
        (("AssumeRole", NO),), (("GetPasswordData", NO),), ("d0ba99b09472",), "e97af4bb7c33"
    ),
    "aws.credential-access.secretsmanager-batch-retrieve-secrets": Story(
        (("BatchGetSecretValue", OK),), (("BatchGetSecretValue", OK),), (), "d62dda42fd1f"
    ),
    "aws.credential-access.ssm-retrieve-securestring-parameters": Story(
        (("DescribeParameters", OK),), (("GetParameters", OK),), ("ada88f5616fb",), "488dc8f90cfe"
    ),
    "aws.defense-evasion.cloudtrail-event-selectors": Story(
        (("PutEventSelectors", OK),),
        (("PutEventSelectors", OK),),
        ("4031b52432d8",),
        "e408dfdf15f1",
    ),
    "aws.defense-evasion.dns-delete-logs": Story(
        (("DeleteResolverQueryLogConfig", OK),),
        (("DeleteResolverQueryLogConfig", OK),),
        ("c0f7150407b4",),
        "29261f7f0556",
    ),
    "aws.defense-evasion.vpc-remove-flow-logs": Story(
        (("DeleteFlowLogs", OK),), (("DeleteFlowLogs", OK),), ("c2b9c7d94bb6",), "3aa62f29d22c"
    ),
    "aws.execution.ec2-launch-unusual-instances": Story(
        (("AssumeRole", OK),), (("RunInstances", NO),), ("346fa2574c45",), "21b03da8e719"
    ),
    "aws.execution.ssm-send-command": Story(
        (("DescribeInstanceInformation", OK),),
        (("GetCommandInvocation", OK),),
        (
            "5163ff4535e8",
            "f52776cabc71",
            "742e84cadecd",
        ),
        "d1956204132d",
    ),
    "aws.exfiltration.ec2-security-group-open-port-22-ingress": Story(
        (("AuthorizeSecurityGroupIngress", OK),),
        (("AuthorizeSecurityGroupIngress", OK),),
        ("bad7700639ba",),
        "257e36d491b8",
    ),
    "aws.exfiltration.ec2-share-ebs-snapshot": Story(
        (("ModifySnapshotAttribute", OK),),
        (("ModifySnapshotAttribute", OK),),
        (
            "8b28d357c512",
            "2485fb3d6abf",
        ),
        "2bceb399832a",
    ),
    "aws.impact.bedrock-invoke-model": Story(
        (
            ("PutUseCaseForModelAccess", OK),
            ("ListFoundationModelAgreementOffers", OK),
            ("GetFoundationModelAvailability", OK),
        ),
        (("InvokeModel", OK),),
        ("db3e9623d66f",),
        "c8f648cf99c8",
    ),
    "aws.lateral-movement.ec2-instance-connect": Story(
        (("SendSSHPublicKey", OK),),
        (("SendSSHPublicKey", OK),),
        (
            "bf579ca7181d",
            "fa924126f79e",
            "144298166873",
        ),
        "529c51989dd0",
    ),
    "aws.persistence.iam-backdoor-role": Story(
        (("UpdateAssumeRolePolicy", OK),),
        (("UpdateAssumeRolePolicy", OK),),
        ("25034db21b95",),
        "ab7acbf5d574",
    ),
    "aws.persistence.iam-create-admin-user": Story(
        (
            ("CreateUser", OK),
            ("AttachUserPolicy", OK),
            ("CreateAccessKey", OK),
        ),
        (
            ("CreateUser", OK),
            ("AttachUserPolicy", OK),
            ("CreateAccessKey", OK),
        ),
        (
            "1ca8c6bbff8f",
            "bd03fa1f66b3",
        ),
        "ea3ed81e01e2",
    ),
    "aws.persistence.iam-create-user-login-profile": Story(
        (
            ("GetCallerIdentity", OK),
            ("CreateLoginProfile", OK),
        ),
        (("DeleteLoginProfile", NO),),
        ("98af65a539fd",),
        "a2cd234f92f1",
    ),
    "aws.persistence.lambda-layer-extension": Story(
        (("UpdateFunctionConfiguration20150331v2", OK),),
        (("UpdateFunctionConfiguration20150331v2", OK),),
        ("6e975c138907",),
        "6f37b0cbfec3",
    ),
    "aws.persistence.rolesanywhere-create-trust-anchor": Story(
        (
            ("CreateTrustAnchor", OK),
            ("CreateProfile", OK),
        ),
        (
            ("CreateTrustAnchor", OK),
            ("CreateProfile", OK),
        ),
        ("6c357b05faaf",),
        "90ae01a15804",
    ),
    "aws.privilege-escalation.iam-update-user-login-profile": Story(
        (("UpdateLoginProfile", OK),),
        (("UpdateLoginProfile", OK),),
        ("b91b89ecb346",),
        "ca47b47ce26a",
    ),
}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def of_moment(lines: list[Line], *, last: bool) -> set[tuple[str, str]]:
    ends = [each.last if last else each.first for each in lines]
    end = max(ends) if last else min(ends)
    return {
        (each.call, each.outcome) for each, when in zip(lines, ends, strict=True) if when == end
    }


def key_of(events: list[dict[str, Any]]) -> str:
    first = min(events, key=lambda each: each["eventTime"])
    return str(first["userIdentity"]["accessKeyId"])


def test_each_story_begins_ends_and_reaches_what_its_records_say(
    engine: str, namespace: str, tmp_path: Path, shared_data: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    backfill(settings, shared_data / "stratus", shared_data / "umccr" / "AWSLogs")
    index = EventIndex(client, Names(settings.prefix).days)
    index.refresh()
    recordings = {
        path.stem: json.loads(path.read_bytes())
        for path in sorted((shared_data / "stratus").glob("*.json"))
    }
    keys = {name: key_of(events) for name, events in recordings.items()}
    flaws = key_of(recorded(shared_data, "umccr"))
    graph = build(index, keys=[*keys.values(), flaws])
    reader, finder = TimelineReader(client, settings, index), PathFinder(index, graph)

    def lines_of(key: str) -> list[Line]:
        return reader.read(subject_of(client, settings, index, key)).lines

    def nodes_from(key: str) -> set[str]:
        starts = named(graph.graph, f"key:{key}")
        found = finder.find(starts, [each for each in graph.graph if each not in starts]).found
        return {digest(each.nodes[-1].short) for each in found}

    unlike = {}
    for name, events in recordings.items():
        lines = lines_of(keys[name])
        done = [each for each in lines if each.outcome == OK]
        touched = {digest(thing) for each in done for thing in each.resources}
        story = STORIES[name]
        found = (
            of_moment(lines, last=False),
            of_moment(lines, last=True),
            touched.issuperset(story.reached),
            story.node in nodes_from(keys[name]),
            sum(each.count for each in lines),
        )
        expected = (set(story.first), set(story.last), True, True, len(events))
        if found != expected:
            unlike[name] = (found, expected)
    assert unlike == {}
    assert recordings.keys() == STORIES.keys()

    # No instance's password was read: of thirty that were asked for each was refused.
    asked = [each for each in lines_of(keys[REFUSED]) if each.call == "GetPasswordData"]
    assert {each.outcome for each in asked} == {NO}
    assert sum(len(each.resources) for each in asked) == 30

    # A day and a half of an account that everybody may attack: its key, from where, to what.
    lines = lines_of(flaws)
    assert {each.address for each in lines if each.first == min(one.first for one in lines)} == {
        next(each.address for each in lines)
    }
    assert of_moment(lines, last=True) == {("DescribeAgents", NO)}
    assert len({each.address for each in lines}) == 2
    everything = digest("resource:iam.amazonaws.com:GetAccountAuthorizationDetails")
    assert everything in nodes_from(flaws)


REFUSED = "aws.credential-access.ec2-get-password-data"
