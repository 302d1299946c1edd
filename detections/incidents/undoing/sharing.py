"""What calls leave behind that share images, snapshots, documents and queues, or send events on."""

from __future__ import annotations

import re
from typing import Final

from detections.incidents.undoing.rows import (
    ACCOUNT,
    ARN,
    EC2,
    ID,
    NAME,
    PATH,
    SNAPSHOT,
    Rows,
    Undo,
    Value,
    on_bus,
)

_TARGET: Final = re.compile(r"[\w.][\w.-]{0,63}", re.ASCII)
_QUEUE: Final = re.compile(r"https://[a-z0-9.-]{4,80}/\d{12}/[\w-]{1,80}(\.fifo)?", re.ASCII)
_SHARED: Final = re.compile(r"\d{12}|all", re.ASCII)


def _shared(call: str, kind: str, attribute: str, option: str, named: str) -> Rows:
    """An image or snapshot shared with accounts or with everybody."""
    added = f"request.{attribute}.add.items"
    change = f"ec2 modify-{kind}-attribute --{kind}-id {{0}} --attribute {attribute}"
    thing = Value(f"request.{kind}Id", EC2)
    return {
        ("ec2", call): (
            Undo(
                kind,
                f"no longer share the {kind} {{0}} with the accounts {{1}}",
                (thing, Value(f"{added}.userId", ACCOUNT)),
                f"{change} --operation-type remove --user-ids {{1}}",
                outsider=f"{added}.userId",
            ),
            Undo(
                kind,
                f"no longer share the {kind} {{0}} with everybody ({{1}})",
                (thing, Value(f"{added}.group", re.compile("all"))),
                f"{change} --operation-type remove --{option} {{1}}",
                outsider=f"{added}.group",
            ),
            Undo(
                kind,
                f"no longer share the {kind} {{0}} with the organization or unit {{1}}",
                (thing, Value(named, ARN)),
                outsider=named,
            ),
        )
    }


def _database(call: str, what: str) -> Rows:
    option = "db-cluster-snapshot" if "Cluster" in call else "db-snapshot"
    path = "request.dBClusterSnapshotIdentifier request.dBSnapshotIdentifier"
    return {
        ("rds", call): (
            Undo(
                "database snapshot",
                f"no longer share the {what} {{0}} with {{1}}",
                (Value(path, SNAPSHOT), Value("request.valuesToAdd", _SHARED)),
                f"rds modify-{option}-attribute --{option}-identifier {{0}} "
                "--attribute-name restore --values-to-remove {1}",
                outsider="request.valuesToAdd",
            ),
        )
    }


def _block(kind: str, command: str) -> Rows:
    return {
        ("ec2", f"Disable{kind}BlockPublicAccess"): (
            Undo(
                "region",
                f"block the public sharing of {kind.lower()}s of the region again",
                (),
                f"ec2 enable-{kind.lower()}-block-public-access {command}",
            ),
        )
    }


SHARING: Final[Rows] = {
    **_shared(
        "ModifySnapshotAttribute",
        "snapshot",
        "createVolumePermission",
        "group-names",
        "request.createVolumePermission.add.items.organizationArn",
    ),
    **_shared(
        "ModifyImageAttribute",
        "image",
        "launchPermission",
        "user-groups",
        "request.launchPermission.add.items.organizationArn "
        "request.launchPermission.add.items.organizationalUnitArn",
    ),
    **_block("Snapshot", "--state block-all-sharing"),
    **_block("Image", "--image-block-public-access-state block-new-sharing"),
    **_database("ModifyDBSnapshotAttribute", "database snapshot"),
    **_database("ModifyDBClusterSnapshotAttribute", "cluster snapshot"),
    ("ssm", "ModifyDocumentPermission"): (
        Undo(
            "document",
            "no longer share the document {0} with {1}",
            (Value("request.name"), Value("request.accountIdsToAdd", _SHARED)),
            "ssm modify-document-permission --name {0} --permission-type Share "
            "--account-ids-to-remove {1}",
            outsider="request.accountIdsToAdd",
        ),
    ),
    ("events", "PutRule"): on_bus(
        "disable the rule {0}, or put the former one back",
        (Value("request.name"),),
        "events disable-rule --name {0}",
        outsider="request.roleArn",
    ),
    ("events", "PutTargets"): on_bus(
        "take the targets {1} from the rule {0}, or put the former ones back",
        (Value("request.rule"), Value("request.targets.id", _TARGET)),
        "events remove-targets --rule {0} --ids {1}",
        outsider="request.targets.arn",
        way="they are sent to",
    ),
    ("events", "PutPermission"): (
        Undo(
            "event bus",
            "take the permission {0} from the event bus",
            (Value("request.statementId"),),
            "events remove-permission --statement-id {0}",
            outsider="request.principal",
        ),
    ),
    ("scheduler", "CreateSchedule"): (
        Undo(
            "schedule",
            "delete the schedule {0}",
            (Value("request.name"),),
            "scheduler delete-schedule --name {0}",
            outsider="request.target.arn",
            way="it calls",
        ),
    ),
    ("logs", "PutSubscriptionFilter"): (
        Undo(
            "subscription filter",
            "delete the subscription filter {0} of the log group {1}",
            (Value("request.filterName"), Value("request.logGroupName", PATH)),
            "logs delete-subscription-filter --filter-name {0} --log-group-name {1}",
            outsider="request.destinationArn",
            way="it sends to",
        ),
    ),
    ("logs", "PutResourcePolicy"): (
        Undo(
            "log policy",
            "delete the resource policy {0} of CloudWatch Logs, or put the former one back",
            (Value("request.policyName response.resourcePolicy.policyName"),),
            "logs delete-resource-policy --policy-name {0}",
        ),
    ),
    ("sns", "Subscribe"): (
        Undo(
            "subscription",
            "delete the subscription {0}",
            (Value("response.subscriptionArn", ARN),),
            "sns unsubscribe --subscription-arn {0}",
            outsider="request.endpoint",
            way="it sends to",
        ),
    ),
    ("sns", "AddPermission"): (
        Undo(
            "topic",
            "take the permission {1} from the topic {0}",
            (Value("request.topicArn", ARN), Value("request.label")),
            "sns remove-permission --topic-arn {0} --label {1}",
            outsider="request.aWSAccountIds request.aWSAccountId",
        ),
    ),
    ("sns", "SetTopicAttributes"): (
        Undo(
            "topic",
            "put the former policy of the topic {0} back",
            (Value("request.topicArn", ARN),),
            only=("request.attributeName", "Policy"),
        ),
    ),
    ("sqs", "AddPermission"): (
        Undo(
            "queue",
            "take the permission {1} from the queue {0}",
            (Value("request.queueUrl", _QUEUE), Value("request.label")),
            "sqs remove-permission --queue-url {0} --label {1}",
            outsider="request.aWSAccountIds",
        ),
    ),
    ("sqs", "SetQueueAttributes"): (
        Undo(
            "queue",
            "put the former policy of the queue {0} back",
            (Value("request.queueUrl", _QUEUE), Value("request.attributes.Policy")),
        ),
    ),
    ("ecr", "SetRepositoryPolicy"): (
        Undo(
            "repository",
            "put the former policy of the repository {0} back, or delete it if there was none",
            (Value("request.repositoryName", PATH),),
        ),
    ),
    **{
        ("ses", name): (
            Undo(
                "sender",
                "delete the sender {0}, in whose name mail can be sent",
                (Value("request.emailIdentity request.domain request.emailAddress"),),
                "sesv2 delete-email-identity --email-identity {0}",
            ),
        )
        for name in ("CreateEmailIdentity", "VerifyDomainIdentity", "VerifyEmailIdentity")
    },
    **{
        ("ses", name): (
            Undo(
                "sender",
                "delete the policy {1} of the sender {0}",
                (
                    Value("request.emailIdentity request.identity", NAME),
                    Value("request.policyName", ID),
                ),
                "sesv2 delete-email-identity-policy --email-identity {0} --policy-name {1}",
            ),
        )
        for name in ("CreateEmailIdentityPolicy", "PutIdentityPolicy")
    },
}
