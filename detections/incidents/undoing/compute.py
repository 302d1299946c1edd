"""What calls about instances, functions, containers and stacks leave behind."""

from __future__ import annotations

import re
from typing import Final

from detections.incidents.undoing.rows import (
    ARN,
    EC2,
    FUNCTION,
    ID,
    LAYER,
    NAME,
    TASK,
    Rows,
    Undo,
    Value,
)

_VERSIONS: Final = ("", "20141111", "20150331", "20150331v2", "20181031", "20211031", "v2")
"""What the names of Lambda's calls end with."""
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_MAPPING: Final = re.compile(r"[0-9a-f-]{36}")
_FUNCTION: Final = Value("request.functionName response.functionName", FUNCTION)
_ALLOWED: Final = "response.securityGroupRuleSet.items.securityGroupRuleId"
_NETWORKS: Final = (
    "request.ipPermissions.items.ipRanges.items.cidrIp "
    "request.ipPermissions.items.ipv6Ranges.items.cidrIpv6 request.cidrIp"
)
_THROTTLE: Final = (
    "lambda put-function-concurrency --function-name {0} --reserved-concurrent-executions 0"
)
_PEERING: Final = Value(
    "response.vpcPeeringConnection.vpcPeeringConnectionId request.vpcPeeringConnectionId", EC2
)
_INSTANCE: Final = Value("request.instanceId", EC2)
_USER_DATA: Final = (
    "before {0} starts again, put back its user data, which was changed: it can run as root at "
    "every start"
)
_ASSOCIATED: Final = "Response.iamInstanceProfileAssociation.associationId"


def _of_lambda(name: str, *rows: Undo) -> Rows:
    return {("lambda", f"{name}{version}"): rows for version in _VERSIONS}


_FUNCTIONS: Final[Rows] = {
    **_of_lambda(
        "CreateFunction",
        Undo(
            "function",
            "delete the function {0}, after a copy of its code is kept",
            (Value("response.functionArn request.functionName", FUNCTION),),
            "lambda delete-function --function-name {0}",
        ),
    ),
    **_of_lambda(
        "UpdateFunctionCode",
        Undo(
            "function",
            "stop the function {0}, keep a copy of its code, and deploy it anew from its source: "
            "its code was replaced",
            (_FUNCTION,),
            _THROTTLE,
        ),
    ),
    **_of_lambda(
        "UpdateFunctionConfiguration",
        Undo(
            "function",
            "stop the function {0} and deploy its configuration anew: its layers {1} run in it",
            (_FUNCTION, Value("request.layers", ARN)),
            _THROTTLE,
            outsider="request.layers",
        ),
        Undo(
            "function",
            "deploy the configuration of the function {0} anew from its source: environment, "
            "handler, role or layers were changed",
            (_FUNCTION,),
            fallback=True,
        ),
    ),
    **_of_lambda(
        "PublishLayerVersion",
        Undo(
            "layer",
            "delete the version {1} of the layer {0}; functions that have it keep it",
            (
                Value("request.layerName response.layerArn", LAYER),
                Value("response.version", _NUMBER),
            ),
            "lambda delete-layer-version --layer-name {0} --version-number {1}",
        ),
    ),
    **_of_lambda(
        "AddLayerVersionPermission",
        Undo(
            "layer",
            "take the permission {2} from the version {1} of the layer {0}",
            (
                Value("request.layerName", LAYER),
                Value("request.versionNumber", _NUMBER),
                Value("request.statementId"),
            ),
            "lambda remove-layer-version-permission --layer-name {0} --version-number {1} "
            "--statement-id {2}",
            outsider="request.principal",
        ),
    ),
    **_of_lambda(
        "AddPermission",
        Undo(
            "function",
            "remove the permission {1} from the function {0}",
            (Value("request.functionName", FUNCTION), Value("request.statementId", NAME)),
            "lambda remove-permission --function-name {0} --statement-id {1}",
            outsider="request.principal",
        ),
    ),
    **{
        key: row
        for name in ("CreateFunctionUrlConfig", "UpdateFunctionUrlConfig")
        for key, row in _of_lambda(
            name,
            Undo(
                "function",
                "delete the public address of the function {0}",
                (_FUNCTION,),
                "lambda delete-function-url-config --function-name {0}",
                outsider="request.authType",
            ),
        ).items()
    },
    **_of_lambda(
        "CreateEventSourceMapping",
        Undo(
            "event source mapping",
            "delete the event source mapping {0}, by which the function {1} gets what is sent",
            (Value("response.uUID response.uuid", _MAPPING), _FUNCTION),
            "lambda delete-event-source-mapping --uuid {0}",
            outsider="request.eventSourceArn",
            way="it reads",
        ),
    ),
}

COMPUTE: Final[Rows] = {
    **_FUNCTIONS,
    ("ec2", "RunInstances"): (
        Undo(
            "instance",
            "stop {0}, which keeps the disks as evidence",
            (Value("response.instancesSet.items.instanceId", EC2),),
            "ec2 stop-instances --instance-ids {0}",
        ),
    ),
    **{
        ("ec2", f"AuthorizeSecurityGroup{way}"): (
            Undo(
                "security group",
                f"take the {way.lower()} rules {{1}} from the security group {{0}}",
                (Value("request.groupId", EC2), Value(_ALLOWED, EC2)),
                f"ec2 revoke-security-group-{way.lower()} --group-id {{0}} "
                "--security-group-rule-ids {1}",
                outsider=_NETWORKS,
            ),
        )
        for way in ("Ingress", "Egress")
    },
    ("ec2", "CreateSecurityGroup"): (
        Undo(
            "security group",
            "delete the security group {0}, once nothing uses it",
            (Value("response.groupId", EC2),),
            "ec2 delete-security-group --group-id {0}",
            last=True,
        ),
    ),
    **{
        ("ec2", f"{verb}VpcPeeringConnection"): (
            Undo(
                "peering",
                "delete the peering connection {0}",
                (_PEERING,),
                "ec2 delete-vpc-peering-connection --vpc-peering-connection-id {0}",
                outsider=(
                    "request.peerOwnerId response.vpcPeeringConnection.accepterVpcInfo.ownerId"
                    if verb == "Create"
                    else "response.vpcPeeringConnection.requesterVpcInfo.ownerId"
                ),
            ),
        )
        for verb in ("Create", "Accept")
    },
    ("ec2", "ModifyInstanceAttribute"): (
        Undo("instance", _USER_DATA, (_INSTANCE, Value("request.userData request.userData.value"))),
        Undo("instance", _USER_DATA, (_INSTANCE,), only=("request.attribute", "userData")),
        Undo(
            "instance",
            "give {0} the security groups again that it had before",
            (_INSTANCE, Value("request.groupSet.items.groupId", EC2)),
        ),
    ),
    **{
        ("ec2", f"{verb}KeyPair"): (
            Undo(
                "key pair",
                "delete the key pair {0}; instances that have its public key keep it",
                (Value("response.keyPairId", EC2),),
                "ec2 delete-key-pair --key-pair-id {0}",
            ),
        )
        for verb in ("Create", "Import")
    },
    **{
        ("ec2", name): (
            Undo(
                "instance profile association",
                "take the instance profile away by its association {0}; the instance keeps the "
                "credentials that it has for up to six hours",
                (
                    Value(
                        f"response.iamInstanceProfileAssociation.associationId "
                        f"response.{name}{_ASSOCIATED}",
                        EC2,
                    ),
                ),
                "ec2 disassociate-iam-instance-profile --association-id {0}",
            ),
        )
        for name in ("AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation")
    },
    ("ec2", "CreateTrafficMirrorSession"): (
        Undo(
            "traffic mirror session",
            "delete the traffic mirror session {0}",
            (
                Value(
                    "response.trafficMirrorSession.trafficMirrorSessionId "
                    "response.CreateTrafficMirrorSessionResponse.trafficMirrorSession"
                    ".trafficMirrorSessionId",
                    EC2,
                ),
            ),
            "ec2 delete-traffic-mirror-session --traffic-mirror-session-id {0}",
        ),
    ),
    **{
        ("ec2-instance-connect", name): (
            Undo(
                "instance",
                "end the sessions on {0}, or isolate it: a key was pushed, which opens one "
                "only for a minute, but what was opened stays",
                (_INSTANCE,),
            ),
        )
        for name in ("SendSSHPublicKey", "SendSerialConsoleSSHPublicKey")
    },
    ("ssm", "SendCommand"): (
        Undo(
            "command",
            "cancel the command {0} where it still runs, and isolate the instances {1} on which it "
            "ran",
            (
                Value("response.command.commandId", _MAPPING),
                Value("request.instanceIds response.command.instanceIds request.targets.values"),
            ),
            "ssm cancel-command --command-id {0}",
        ),
        Undo(
            "command",
            "cancel the command {0} where it still runs, and isolate the instances on which it ran",
            (Value("response.command.commandId", _MAPPING),),
            "ssm cancel-command --command-id {0}",
            fallback=True,
        ),
    ),
    ("ssm", "StartSession"): (
        Undo(
            "session",
            "end the session {0} on {1}",
            (Value("response.sessionId", ID), Value("request.target", ID)),
            "ssm terminate-session --session-id {0}",
            first=True,
        ),
    ),
    ("ssm", "CreateAssociation"): (
        Undo(
            "association",
            "delete the association {0}, which runs a document again and again",
            (Value("response.associationDescription.associationId", _MAPPING),),
            "ssm delete-association --association-id {0}",
        ),
    ),
    ("ssm", "CreateActivation"): (
        Undo(
            "activation",
            "delete the activation {0}, with which machines outside register themselves",
            (Value("response.activationId", _MAPPING),),
            "ssm delete-activation --activation-id {0}",
        ),
    ),
    ("ecs", "RegisterTaskDefinition"): (
        Undo(
            "task definition",
            "deregister the task definition {0}",
            (Value("response.taskDefinition.taskDefinitionArn", TASK),),
            "ecs deregister-task-definition --task-definition {0}",
        ),
    ),
    ("ecs", "RunTask"): (
        Undo(
            "task",
            "stop the task {0}",
            (
                Value("response.tasks.taskArn", TASK),
                Value("response.tasks.clusterArn request.cluster", TASK),
            ),
            "ecs stop-task --task {0} --cluster {1}",
        ),
    ),
    ("eks", "CreateAccessEntry"): (
        Undo(
            "access entry",
            "delete the access of {1} to the cluster {0}",
            (Value("request.name request.clusterName", ID), Value("request.principalArn", ARN)),
            "eks delete-access-entry --cluster-name {0} --principal-arn {1}",
            outsider="request.principalArn",
        ),
    ),
    ("eks", "AssociateAccessPolicy"): (
        Undo(
            "access entry",
            "take the access policy {2} of {1} in the cluster {0} away",
            (
                Value("request.name request.clusterName", ID),
                Value("request.principalArn", ARN),
                Value("request.policyArn", ARN),
            ),
            "eks disassociate-access-policy --cluster-name {0} --principal-arn {1} "
            "--policy-arn {2}",
            outsider="request.principalArn",
        ),
    ),
    ("cloudformation", "CreateStack"): (
        Undo(
            "stack",
            "delete the stack {0}, once you know what it made",
            (Value("request.stackName", ID),),
            "cloudformation delete-stack --stack-name {0}",
        ),
    ),
}
