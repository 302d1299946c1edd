"""The documents of a set-up in AWS's form: policies, lifecycle, selectors. Pure functions, used by
both the API calls and the CloudFormation template.

Sources: "Amazon S3 bucket policy for CloudTrail", "Configure AWS KMS key policies for CloudTrail",
"Sending events to CloudWatch Logs", "Logging data events" (CloudTrail user guide); "Granting
permissions to publish event notification messages" (Amazon S3 user guide).
"""

from __future__ import annotations

from typing import Any, Final

from trailhound.aws.names import DEEP_ARCHIVE, GLACIER, PREFIX, SMALL, STANDARD_IA, TrailSetup

Document = dict[str, Any]

LIFECYCLE_RULE: Final = "CloudTrailLogRetention"
NOTIFICATION: Final = "TrailhoundTrailFiles"
INSIGHTS: Final = ("ApiCallRateInsight", "ApiErrorRateInsight")
_VERSION: Final = "2012-10-17"


def policy(*statements: Document) -> Document:
    """A policy document of statements."""
    return {"Version": _VERSION, "Statement": list(statements)}


def bucket_policy(setup: TrailSetup) -> Document:
    """CloudTrail may write this trail's files; requests without TLS are denied."""
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    return policy(
        {
            "Sid": "AWSCloudTrailAclCheck",
            "Effect": "Allow",
            "Principal": cloudtrail,
            "Action": "s3:GetBucketAcl",
            "Resource": setup.bucket_arn,
            "Condition": {"StringEquals": {"aws:SourceArn": setup.trail_arn}},
        },
        {
            "Sid": "AWSCloudTrailWrite",
            "Effect": "Allow",
            "Principal": cloudtrail,
            "Action": "s3:PutObject",
            "Resource": _one([f"{setup.bucket_arn}/{folder}*" for folder in setup.folders]),
            "Condition": {
                "StringEquals": {
                    "s3:x-amz-acl": "bucket-owner-full-control",
                    "aws:SourceArn": setup.trail_arn,
                }
            },
        },
        {
            "Sid": "TrailhoundOnlyTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [setup.bucket_arn, f"{setup.bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def encryption(setup: TrailSetup) -> Document:
    """The bucket's default encryption."""
    if not setup.kms:
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": setup.key_arn}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": by_key, "BucketKeyEnabled": True}]}


def lifecycle_rule(setup: TrailSetup) -> Document:
    """Files move to colder classes; digests stay in Standard.

    A lifecycle filter cannot exclude a folder. By default the size excludes digests, which are
    smaller than 128 KB. With `move_small` the rule covers only the account's folder `CloudTrail/`.
    """
    prefix = PREFIX if not setup.move_small else f"{setup.folders[0]}CloudTrail/"
    return {
        "ID": LIFECYCLE_RULE,
        "Status": "Enabled",
        "Filter": {
            "And": {
                "Prefix": prefix,
                "ObjectSizeGreaterThan": 0 if setup.move_small else SMALL,
            }
        },
        "Transitions": [
            {"Days": STANDARD_IA, "StorageClass": "STANDARD_IA"},
            {"Days": GLACIER, "StorageClass": "GLACIER"},
            {"Days": DEEP_ARCHIVE, "StorageClass": "DEEP_ARCHIVE"},
        ],
    }


def object_lock(setup: TrailSetup) -> Document:
    """Files can't be deleted or replaced during their retention."""
    retention = {"Mode": setup.object_lock_mode, "Days": setup.object_lock_days}
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}


def notification(setup: TrailSetup) -> Document:
    """S3 notifies the topic of each new file under `AWSLogs/`."""
    rules = [
        {"Name": "prefix", "Value": f"{PREFIX}AWSLogs/"},
        {"Name": "suffix", "Value": ".json.gz"},
    ]
    return {
        "Id": NOTIFICATION,
        "TopicArn": setup.topic_arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }


def topic_policy(setup: TrailSetup) -> Document:
    """The bucket, and nothing else of S3, may publish."""
    return policy(
        {
            "Sid": "TrailhoundBucketMayPublish",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": setup.topic_arn,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": setup.account},
                "ArnEquals": {"aws:SourceArn": setup.bucket_arn},
            },
        }
    )


def alarm_topic_policy(setup: TrailSetup) -> Document:
    """CloudWatch's alarms of this account may publish."""
    alarms = f"arn:{setup.partition}:cloudwatch:{setup.region}:{setup.account}:alarm:*"
    return policy(
        {
            "Sid": "TrailhoundAlarmsMayPublish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": setup.alarm_topic_arn,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": setup.account},
                "ArnLike": {"aws:SourceArn": alarms},
            },
        }
    )


def queue_policy(setup: TrailSetup) -> Document:
    """The topic may send."""
    return policy(
        {
            "Sid": "TrailhoundTopicMaySend",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": setup.queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": setup.topic_arn}},
        }
    )


def key_policy(setup: TrailSetup) -> Document:
    """The account administers the key, CloudTrail writes with it, and S3 and SNS send through an
    encrypted topic and queue."""
    trails = f"arn:{setup.partition}:cloudtrail:*:{setup.account}:trail/*"
    own = {"StringEquals": {"aws:SourceAccount": setup.account}}
    return policy(
        {
            "Sid": "TrailhoundAccountAdministers",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{setup.partition}:iam::{setup.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "TrailhoundCloudTrailEncrypts",
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "kms:GenerateDataKey*",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:SourceArn": setup.trail_arn},
                "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails},
            },
        },
        {
            "Sid": "TrailhoundCloudTrailDescribes",
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "kms:DescribeKey",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceArn": setup.trail_arn}},
        },
        {
            "Sid": "TrailhoundNotificationsPass",
            "Effect": "Allow",
            "Principal": {
                "Service": [
                    "s3.amazonaws.com",
                    "sns.amazonaws.com",
                    "cloudwatch.amazonaws.com",
                ]
            },
            "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
            "Resource": "*",
            "Condition": own,
        },
    )


def logs_trust() -> Document:
    """CloudTrail may assume its role."""
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )


def logs_permissions(setup: TrailSetup) -> Document:
    """CloudTrail may write its streams of the log group."""
    owners = [setup.account, *([setup.organisation] if setup.organisation else [])]
    streams = [f"{setup.log_group_arn}:log-stream:{owner}_*" for owner in owners]
    return policy(
        {
            "Sid": "TrailhoundWriteTheTrail",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": _one(streams),
        }
    )


def daemon_trust(setup: TrailSetup) -> Document:
    """Who may assume the daemon's role."""
    given = setup.daemon_principal or f"arn:{setup.partition}:iam::{setup.account}:root"
    kind = "Service" if given.endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS"
    return policy({"Effect": "Allow", "Principal": {kind: given}, "Action": "sts:AssumeRole"})


def daemon_permissions(setup: TrailSetup) -> Document:
    """The daemon may follow its queue and read the trail, and no more."""
    statements: list[Document] = [
        {
            "Sid": "FollowTheQueue",
            "Effect": "Allow",
            "Action": [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
            ],
            "Resource": setup.queue_arn,
        },
        {
            "Sid": "ReadTheTrail",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{setup.bucket_arn}/{PREFIX}*",
        },
        {
            "Sid": "ListTheTrail",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": setup.bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": f"{PREFIX}*"}},
        },
    ]
    if setup.kms:
        statements.append(
            {
                "Sid": "Decrypt",
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": setup.key_arn,
            }
        )
    return policy(*statements)


def event_selectors(setup: TrailSetup) -> list[Document]:
    """Management events, read and write, and data events of S3 objects and Lambda functions.

    The log bucket and the daemon's own calls are left out: each file that is written or read there
    would be an event that fills the next file.
    """
    found = [_selector("Trailhound management events", eventCategory={"Equals": ["Management"]})]
    if not setup.data_events:
        return found
    more: Document = {"readOnly": {"Equals": ["false"]}} if setup.data_writes_only else {}
    daemon = f"arn:{setup.partition}:sts::{setup.account}:assumed-role/{setup.daemon_role}/"
    narrowed = bool(setup.data_buckets or setup.data_functions)
    if setup.data_buckets or not narrowed:
        arns: Document = {"NotStartsWith": [f"{setup.bucket_arn}/"]}
        if setup.data_buckets:
            arns["StartsWith"] = [f"arn:{setup.partition}:s3:::{b}/" for b in setup.data_buckets]
        found.append(
            _selector(
                "Trailhound S3 object events",
                eventCategory={"Equals": ["Data"]},
                **{
                    "resources.type": {"Equals": ["AWS::S3::Object"]},
                    "resources.ARN": arns,
                    "userIdentity.arn": {"NotStartsWith": [daemon]},
                },
                **more,
            )
        )
    if setup.data_functions or not narrowed:
        functions: Document = (
            {"resources.ARN": {"Equals": list(setup.data_functions)}}
            if setup.data_functions
            else {}
        )
        # Without `readOnly`: every invocation is a write.
        found.append(
            _selector(
                "Trailhound Lambda events",
                eventCategory={"Equals": ["Data"]},
                **{"resources.type": {"Equals": ["AWS::Lambda::Function"]}},
                **functions,
            )
        )
    return found


def _selector(name: str, **fields: Document) -> Document:
    return {
        "Name": name,
        "FieldSelectors": [{"Field": field, **how} for field, how in fields.items()],
    }


def _one(values: list[str]) -> str | list[str]:
    """As AWS returns it: a list of one is its element."""
    return values[0] if len(values) == 1 else values
