"""Data access: who reads, writes, shares and deletes what is stored."""

from __future__ import annotations

from dashboards.aggregation import by_time, cases, count, terms, unique
from dashboards.controls import Controls
from dashboards.dashboard import Dashboard, row
from dashboards.palette import BLUE, BROWN, GREEN, ORANGE, PURPLE, RED, SKY
from dashboards.panel import Chart
from dashboards.query import both, calls, either, services
from dashboards.saved_search import Search

STORED = services("s3", "kms", "secretsmanager", "ssm", "rds", "dynamodb")
S3 = services("s3")
READ = calls("GetObject", "SelectObjectContent", "CopyObject")
SHARED = calls(
    "PutBucketPolicy",
    "PutBucketAcl",
    "PutObjectAcl",
    "DeleteBucketPolicy",
    "DeletePublicAccessBlock",
    "PutBucketPublicAccessBlock",
    "PutAccountPublicAccessBlock",
    "PutBucketReplication",
    "ModifySnapshotAttribute",
    "ModifyDBSnapshotAttribute",
    "PutKeyPolicy",
    "CreateGrant",
    "PutResourcePolicy",
)
DESTROYED = calls(
    "DeleteObject",
    "DeleteObjects",
    "DeleteBucket",
    "PutBucketLifecycle",
    "PutBucketVersioning",
    "ScheduleKeyDeletion",
    "DisableKey",
    "DeleteSecret",
    "DeleteDBInstance",
    "DeleteTable",
    "DeleteRecoveryPoint",
)
SECRETS = calls("GetSecretValue", "BatchGetSecretValue")

CONTROLS = Controls(
    id="data-controls",
    title="Filters",
    question="Which account, bucket and principal should be shown?",
    fields=(
        ("recipientAccountId", "Account"),
        ("resource.bucket", "Bucket"),
        ("user.name", "Principal"),
    ),
)

NUMBERS = Chart(
    id="data-numbers",
    title="Summary",
    question="How often was data read, shared or deleted, and how often was that denied?",
    kind="numbers",
    query=STORED,
    by=(
        cases(
            Objects_read=both(S3, READ),
            Secrets_read=SECRETS,
            Sharing_changed=SHARED,
            Deleted=DESTROYED,
            Refused="event.outcome:failure",
        ),
    ),
)

BY_SERVICE = Chart(
    id="data-services",
    title="Calls by service",
    question="Which storage services are used, and when?",
    kind="area",
    query=STORED,
    by=(by_time(),),
    split=(
        cases(
            S3=S3,
            KMS=services("kms"),
            Secrets_Manager=services("secretsmanager"),
            SSM=services("ssm"),
            DynamoDB=services("dynamodb"),
            RDS=services("rds"),
        ),
    ),
    colours={
        "S3": BLUE,
        "KMS": SKY,
        "Secrets Manager": ORANGE,
        "SSM": PURPLE,
        "DynamoDB": GREEN,
        "RDS": BROWN,
    },
)

BUCKETS = Chart(
    id="data-buckets",
    title="Buckets",
    question="Which buckets are accessed, by how many principals, from how many addresses?",
    kind="table",
    query=S3,
    measure=(
        count(),
        unique("user.name", "Principals"),
        unique("resource.object_key", "Objects"),
        unique("source.ip", "Addresses"),
    ),
    by=(terms("resource.bucket", 50, "Bucket"),),
)

READERS = Chart(
    id="data-readers",
    title="Objects read by principal",
    question="Does a principal read far more objects than usual?",
    kind="table",
    query=both(S3, READ),
    measure=(
        count("Reads"),
        unique("resource.object_key", "Objects"),
        unique("resource.bucket", "Buckets"),
    ),
    by=(terms("user.name", 50, "Principal"),),
)

READS_OVER_TIME = Chart(
    id="data-reads-time",
    title="Objects read over time, by bucket",
    question="Is a bucket being emptied?",
    kind="bars",
    query=both(S3, READ),
    by=(by_time(),),
    split=(terms("resource.bucket", 5, "Bucket"),),
)

KEYS = Chart(
    id="data-keys",
    title="Keys",
    question="Which KMS keys are used for what, and is a key disabled or deleted?",
    kind="table",
    query=services("kms"),
    by=(terms("resource.kms_key", 20, "Key"), terms("eventName", 6, "Call")),
)

SECRET_READERS = Chart(
    id="data-secrets",
    title="Secrets read",
    question="Who reads which secret, and who is denied?",
    kind="table",
    query=SECRETS,
    by=(
        terms("user.name", 20, "Principal"),
        terms("resource.secret", 10, "Secret"),
        terms("event.outcome", 2, "Outcome"),
    ),
)

SHARING = Chart(
    id="data-sharing",
    title="Sharing and deletion over time",
    question="Is data shared with others, or deleted?",
    kind="bars",
    query=either(SHARED, DESTROYED),
    by=(by_time(),),
    split=(cases(Sharing=SHARED, Deletion=DESTROYED),),
    colours={"Sharing": ORANGE, "Deletion": RED},
)

REFUSED = Chart(
    id="data-refused",
    title="Denied calls by principal",
    question="Who tries to access data without permission?",
    kind="rows",
    query=both(STORED, "event.outcome:failure"),
    by=(terms("user.name", 10, "Principal"),),
    colours={"Events": RED},
)

EVENTS = Search(
    id="data-events",
    title="Sharing, deletion and secrets, event by event",
    question="What exactly was shared, deleted or read?",
    query=either(SHARED, DESTROYED, SECRETS),
    columns=(
        "user.name",
        "eventName",
        "resource.arn",
        "source.ip",
        "event.outcome",
        "risk_score",
    ),
)

PAGE = Dashboard(
    id="data-access",
    title="Data access",
    question="Who reads, shares and deletes data in S3, KMS, Secrets Manager and databases?",
    rows=(
        row(5, CONTROLS),
        row(7, NUMBERS),
        row(12, (BY_SERVICE, 24), (READS_OVER_TIME, 24)),
        row(15, (BUCKETS, 24), (READERS, 24)),
        row(12, (SHARING, 24), (REFUSED, 24)),
        row(13, SECRET_READERS),
        row(13, KEYS),
        row(18, EVENTS),
    ),
)
