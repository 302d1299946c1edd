"""What AWS services do on their own: four of five events of a real trail."""

from __future__ import annotations

from trailhound.sample.activity import Activity, reads
from trailhound.sample.calls import (
    EBS_CONTEXT,
    EC2_LISTS,
    IAM_READS,
    KMS_KEY,
    LAMBDA_CONTEXT,
    LOGS_CONTEXT,
    S3_BUCKET_CONTEXT,
    S3_CONTEXT,
    SECRET_CONTEXT,
    TABLE_CONTEXT,
    assume,
    bucket_read,
    bucket_reads,
    ec2_reads,
    iam_reads,
    kms,
    lists,
    s3_object,
)
from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import CallError, Shape

SERVICE, LINKED = Actor.SERVICE, Actor.SERVICE_ROLE
BEHALF, INTERNAL = Actor.ON_BEHALF, Actor.INTERNAL

_TARGETS = "arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/app-<hex8>/<hex12>0000"
ASSUMERS = {"lambda": 5200, "ec2": 3900, "ecs-tasks": 3300, "states": 800, "glue": 500,
            "firehose": 600, "events": 700, "backup": 250, "monitoring.rds": 500, "eks": 900,
            "codebuild": 500, "apigateway": 300, "ssm": 900, "sagemaker": 150}  # fmt: skip
"""`AssumeRole` by service, in events of 100,000."""

_RUN = {
    "instancesSet": {"items": [{"minCount": 1, "maxCount": 1}]},
    "userData": "<sensitiveDataRemoved>",
    "monitoring": {"enabled": False},
    "disableApiTermination": False,
    "clientToken": "fleet-<uuid>-0",
    "launchTemplate": {"launchTemplateId": "lt-<hex17>", "version": "7"},
    "tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": [
        {"key": "aws:autoscaling:groupName", "value": "web-<table>"}]}]},
}  # fmt: skip
_RAN = {
    "requestId": "<uuid>",
    "reservationId": "r-<hex17>",
    "ownerId": "<account>",
    "groupSet": {},
    "instancesSet": {"items": [{
        "instanceId": "<instance>", "imageId": "<image>", "instanceState": {
            "code": 0, "name": "pending"}, "instanceType": "m6i.large", "amiLaunchIndex": 0,
        "placement": {"availabilityZone": "<region>a", "tenancy": "default"},
        "subnetId": "<subnet>", "vpcId": "<vpc>", "privateIpAddress": "10.1.<octet>.<octet>",
        "groupSet": {"items": [{"groupId": "<group>", "groupName": "web"}]}}]},
    "requesterId": "<account>",
}  # fmt: skip

SERVICES: tuple[Activity, ...] = (
    *(Activity(weight, SERVICE, by, assume(by)) for by, weight in ASSUMERS.items()),
    Activity(2000, SERVICE, "cloudtrail",
             bucket_read("GetBucketAcl", "acl", bucket="<trail_bucket>")),
    Activity(2500, SERVICE, "cloudtrail", s3_object("PutObject", log=True)),
    Activity(1800, SERVICE, "delivery.logs", s3_object("PutObject")),
    Activity(1200, SERVICE, "logging.s3", s3_object("PutObject")),
    Activity(1500, SERVICE, "cloudfront", s3_object("GetObject")),
    Activity(1500, SERVICE, "cloudtrail", kms("GenerateDataKey", {
        "aws:cloudtrail:arn": "arn:aws:cloudtrail:<region>:<account>:trail/<trail>",
        "aws:s3:arn": "arn:aws:s3:::<trail_bucket>/<log_key>"})),
    Activity(900, SERVICE, "logs", kms("Decrypt", LOGS_CONTEXT)),
    Activity(60, SERVICE, "ecr", Shape("ecr", "PolicyExecutionEvent", read_only=True, details={
        "repositoryName": "<table>", "lifecycleEventPolicy": {"lifecycleEventRules": [
            {"rulePriority": 1, "action": {"type": "expire"}}]},
        "lifecycleEventImageActions": [], "lifecycleEventFailureDetails": []},
        event_type="AwsServiceEvent")),
    Activity(25, SERVICE, "kms", Shape("kms", "RotateKey", read_only=False, resources=(KMS_KEY,),
        details={"keyId": "<kms_key>"}, event_type="AwsServiceEvent")),
    *ec2_reads(3700, LINKED, "config", *EC2_LISTS),
    *iam_reads(2000, LINKED, "config", *IAM_READS),
    *bucket_reads(2200, LINKED, "config"),
    *lists(1700, LINKED, "config"),
    *ec2_reads(1700, LINKED, "autoscaling", "DescribeInstanceStatus", "DescribeInstances"),
    *reads(1800, LINKED, "autoscaling", "elasticloadbalancing", "DescribeTargetHealth",
           request={"targetGroupArn": _TARGETS}),
    Activity(60, LINKED, "autoscaling", Shape("ec2", "RunInstances", request=_RUN, response=_RAN,
        read_only=False, faults=(CallError(0.05, "Server.InsufficientInstanceCapacity",
            "We currently do not have sufficient capacity in the zone you requested."),))),
    Activity(55, LINKED, "autoscaling", Shape("ec2", "TerminateInstances", read_only=False,
        request={"instancesSet": {"items": [{"instanceId": "<instance>"}]}}, response={
        "instancesSet": {"items": [{"instanceId": "<instance>", "currentState": {
            "code": 32, "name": "shutting-down"}}]}})),
    *reads(900, LINKED, "ecs", "elasticloadbalancing", "RegisterTargets", "DeregisterTargets",
           request={"targetGroupArn": _TARGETS, "targets": [
               {"id": "10.1.<octet>.<octet>", "port": 8080}]}, read_only=False),
    *ec2_reads(1500, LINKED, "ecs", "DescribeNetworkInterfaces", "DescribeSubnets"),
    *ec2_reads(1400, LINKED, "elasticloadbalancing", "DescribeNetworkInterfaces",
               "DescribeSecurityGroups"),
    *lists(1200, LINKED, "trustedadvisor"),
    *ec2_reads(900, LINKED, "trustedadvisor", "DescribeSecurityGroups", "DescribeVolumes"),
    *iam_reads(1300, LINKED, "access-analyzer", "GetRole", "ListRolePolicies"),
    *bucket_reads(1300, LINKED, "access-analyzer"),
    *lists(2200, LINKED, "resource-explorer-2"),
    *lists(1000, LINKED, "securityhub"),
    *ec2_reads(1300, LINKED, "inspector2", "DescribeInstances", "DescribeTags"),
    *ec2_reads(700, LINKED, "guardduty", "DescribeVpcs", "DescribeInstances"),
    *reads(900, LINKED, "ssm", "ssm", "DescribeInstanceInformation", "ListAssociations",
           request={"maxResults": 50, "nextToken": "<page>"}),
    *lists(500, LINKED, "backup"),
    Activity(2700, BEHALF, "lambda", kms("Decrypt", LAMBDA_CONTEXT)),
    Activity(1700, BEHALF, "secretsmanager", kms("Decrypt", SECRET_CONTEXT)),
    Activity(1700, BEHALF, "dynamodb", kms("Decrypt", TABLE_CONTEXT)),
    Activity(600, BEHALF, "ec2-frontend-api", kms("GenerateDataKey", EBS_CONTEXT)),
    Activity(1900, BEHALF, "athena", s3_object("GetObject")),
    Activity(900, BEHALF, "glue", s3_object("GetObject")),
    Activity(700, BEHALF, "cloudformation", Shape("cloudformation", "DescribeStacks", request={
        "stackName": "arn:aws:cloudformation:<region>:<account>:stack/app-<hex8>/<uuid>"},
        faults=(CallError(0.2, "ValidationException",
                          "Stack with id app-<hex8> does not exist"),))),
    Activity(1800, INTERNAL, "s3", kms("GenerateDataKey", S3_CONTEXT)),
    Activity(1800, INTERNAL, "s3", kms("Decrypt", S3_BUCKET_CONTEXT)),
    Activity(400, INTERNAL, "ebs", kms("Decrypt", EBS_CONTEXT)),
)  # fmt: skip
"""68,500 of 100,000 events from service names (the long tail has 10,500 more), 4,000 from
`AWS Internal`."""
