"""What calls about buckets, keys, secrets and exports leave behind."""

from __future__ import annotations

from typing import Final

from detections.incidents.undoing.rows import (
    BUCKET,
    ID,
    KMS_KEY,
    PATH,
    Rows,
    Undo,
    Value,
)

_BUCKET: Final = Value("request.bucketName", BUCKET)
_KEY: Final = Value("request.keyId response.keyId", KMS_KEY)
_BLOCKED: Final = (
    "--public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,"
    "BlockPublicPolicy=true,RestrictPublicBuckets=true"
)
_EXPORT: Final = Value("request.exportTaskIdentifier response.exportTaskIdentifier", ID)


def _public_access(call: str, only: tuple[str, str] = ("", "")) -> Rows:
    return {
        ("s3", call): (
            Undo(
                "bucket",
                "block public access to the bucket {0} again",
                (_BUCKET,),
                f"s3api put-public-access-block --bucket {{0}} {_BLOCKED}",
                only=only,
            ),
        )
    }


DATA: Final[Rows] = {
    ("s3", "PutBucketPolicy"): (
        Undo(
            "bucket",
            "put the former policy of the bucket {0} back; until then a statement that denies "
            "outsiders goes before all others",
            (_BUCKET,),
        ),
    ),
    ("s3", "DeleteBucketPolicy"): (
        Undo("bucket", "put the former policy of the bucket {0} back: it was deleted", (_BUCKET,)),
    ),
    ("s3", "PutBucketAcl"): (
        Undo(
            "bucket",
            "make the access list of the bucket {0} private again; what delivers logs into it has "
            "to be let in anew",
            (_BUCKET,),
            "s3api put-bucket-acl --bucket {0} --acl private",
        ),
    ),
    ("s3", "PutObjectAcl"): (
        Undo(
            "object",
            "make the object {0} of the bucket {1} private again",
            (Value("request.key", PATH), _BUCKET),
            "s3api put-object-acl --key {0} --bucket {1} --acl private",
        ),
    ),
    **_public_access("DeleteBucketPublicAccessBlock"),
    **_public_access(
        "PutBucketPublicAccessBlock",
        ("request.PublicAccessBlockConfiguration.RestrictPublicBuckets", "false"),
    ),
    **{
        ("s3", name): (
            Undo(
                "bucket",
                "delete the lifecycle rules of the bucket {0}, so that nothing expires; put the "
                "former ones back later",
                (_BUCKET,),
                "s3api delete-bucket-lifecycle --bucket {0}",
                first=True,
            ),
        )
        for name in ("PutBucketLifecycle", "PutBucketLifecycleConfiguration")
    },
    ("s3", "PutBucketReplication"): (
        Undo(
            "bucket",
            "delete the replication of the bucket {0}",
            (_BUCKET,),
            "s3api delete-bucket-replication --bucket {0}",
            outsider="request.ReplicationConfiguration.Rule.Destination.Bucket",
            way="it copies to",
        ),
    ),
    ("s3", "PutBucketVersioning"): (
        Undo(
            "bucket",
            "keep the versions of the bucket {0} again",
            (_BUCKET,),
            "s3api put-bucket-versioning --bucket {0} --versioning-configuration Status=Enabled",
            only=("request.VersioningConfiguration.Status", "Suspended"),
            first=True,
        ),
    ),
    ("s3", "PutBucketWebsite"): (
        Undo(
            "bucket",
            "delete the website of the bucket {0}",
            (_BUCKET,),
            "s3api delete-bucket-website --bucket {0}",
        ),
    ),
    ("s3", "PutBucketNotification"): (
        Undo("bucket", "put the former notifications of the bucket {0} back", (_BUCKET,)),
    ),
    ("s3", "PutBucketEncryption"): (
        Undo(
            "bucket",
            "set the encryption of the bucket {0} back: what is written from now on needs the key "
            "{1}",
            (
                _BUCKET,
                Value(
                    "request.ServerSideEncryptionConfiguration.Rule"
                    ".ApplyServerSideEncryptionByDefault.KMSMasterKeyID"
                ),
            ),
            first=True,
        ),
    ),
    ("s3", "PutBucketLogging"): (
        Undo("bucket", "put the access log of the bucket {0} back as it was", (_BUCKET,)),
    ),
    ("kms", "CreateGrant"): (
        Undo(
            "grant",
            "revoke the grant {0} of the key {1}",
            (Value("response.grantId", ID), _KEY),
            "kms revoke-grant --grant-id {0} --key-id {1}",
            outsider="request.granteePrincipal request.retiringPrincipal",
        ),
    ),
    ("kms", "PutKeyPolicy"): (
        Undo(
            "KMS key",
            "put the former policy of the key {0} back; if nobody of yours may any more, only AWS "
            "Support can",
            (_KEY,),
            first=True,
        ),
    ),
    ("kms", "ScheduleKeyDeletion"): (
        Undo(
            "KMS key",
            "cancel the deletion of the key {0}, and enable it then",
            (_KEY,),
            "kms cancel-key-deletion --key-id {0}",
            first=True,
        ),
    ),
    ("kms", "DisableKey"): (
        Undo(
            "KMS key",
            "enable the key {0} again",
            (_KEY,),
            "kms enable-key --key-id {0}",
            first=True,
        ),
    ),
    **{
        ("kms", name): (
            Undo(
                "KMS key",
                "import the key material of {0} again: it expires, or was deleted, and what is "
                "encrypted with it cannot be read without it. Copy that under another key while "
                "it can be",
                (_KEY,),
                first=True,
            ),
        )
        for name in ("ImportKeyMaterial", "DeleteImportedKeyMaterial")
    },
    ("kms", "CreateCustomKeyStore"): (
        Undo(
            "key store",
            "copy what is encrypted under keys of the key store {0} under another key, before it "
            "is disconnected",
            (Value("response.customKeyStoreId", ID),),
            outsider="request.xksProxyUriEndpoint",
            way="its keys are at",
            first=True,
        ),
    ),
    ("kms", "DisconnectCustomKeyStore"): (
        Undo(
            "key store",
            "connect the key store {0} again",
            (Value("request.customKeyStoreId", ID),),
            "kms connect-custom-key-store --custom-key-store-id {0}",
            first=True,
        ),
    ),
    ("secretsmanager", "PutResourcePolicy"): (
        Undo(
            "secret",
            "put the former policy of the secret {0} back, or delete it if there was none",
            (Value("request.secretId response.aRN"),),
        ),
    ),
    ("rds", "StartExportTask"): (
        Undo(
            "export",
            "cancel the export {0} to the bucket {1}",
            (_EXPORT, Value("request.s3BucketName response.s3Bucket", BUCKET)),
            "rds cancel-export-task --export-task-identifier {0}",
            outsider="request.s3BucketName response.s3Bucket",
            first=True,
        ),
    ),
    ("dynamodb", "ExportTableToPointInTime"): (
        Undo(
            "table",
            "stop the export of the table {0} to the bucket {1} at the bucket: it cannot be "
            "cancelled",
            (
                Value("request.tableArn response.exportDescription.tableArn"),
                Value("request.s3Bucket"),
            ),
            outsider="request.s3BucketOwner request.s3Bucket",
            first=True,
        ),
    ),
    ("logs", "CreateExportTask"): (
        Undo(
            "export",
            "cancel the export {0} to the bucket {1}",
            (Value("response.taskId", ID), Value("request.destination", BUCKET)),
            "logs cancel-export-task --task-id {0}",
            outsider="request.destination",
            first=True,
        ),
    ),
    ("rds", "ModifyDBInstance"): (
        Undo(
            "database",
            "make the database {0} private again: it can be reached from everywhere",
            (Value("request.dBInstanceIdentifier", ID),),
            "rds modify-db-instance --db-instance-identifier {0} --no-publicly-accessible "
            "--apply-immediately",
            only=("request.publiclyAccessible", "true"),
        ),
        Undo(
            "database",
            "set a new master password of the database {0}: it was changed",
            (
                Value("request.dBInstanceIdentifier", ID),
                Value("request.masterUserPassword"),
            ),
        ),
    ),
}
