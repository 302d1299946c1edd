"""Data, keys and models: where their calls name their resources. See `enrich.resource_paths`."""

from __future__ import annotations

PATHS: dict[str, dict[str, dict[str, str]]] = {
    "s3": {
        "*": {
            "bucket": (
                "request.bucketName "
                "request.BucketLoggingStatus.LoggingEnabled.TargetBucket "
                "request.ReplicationConfiguration.Rule.Destination.Bucket"
            ),
            "object_key": "request.key request.Delete.Object.Key",
            "s3_path": "request.x-amz-copy-source",
            "kms_key": (
                "request.x-amz-server-side-encryption-aws-kms-key-id "
                "request.ServerSideEncryptionConfiguration.Rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID"
            ),
            "role": "request.ReplicationConfiguration.Role",
            "account": "request.accountId",
        },
    },
    "kms": {
        "*": {
            "kms_key": (
                "request.keyId request.targetKeyId request.sourceKeyId "
                "request.destinationKeyId request.aliasName response.keyMetadata.keyId "
                "response.keyMetadata.arn response.keyId"
            ),
            "id": "request.grantId response.grantId",
            "target": "request.granteePrincipal request.retiringPrincipal",
            "arn": "request.encryptionContext.aws:s3:arn",
            "function": "request.encryptionContext.aws:lambda:FunctionArn",
            "trail": "request.encryptionContext.aws:cloudtrail:arn",
            "log_group": "request.encryptionContext.aws:logs:arn",
            "volume": "request.encryptionContext.aws:ebs:id",
            "parameter": "request.encryptionContext.PARAMETER_ARN",
            "secret": "request.encryptionContext.SecretARN",
        },
    },
    "secretsmanager": {
        "*": {
            "secret": (
                "request.secretId request.secretIdList request.name response.arn "
                "response.aRN response.name"
            ),
            "kms_key": "request.kmsKeyId",
            "function": "request.rotationLambdaARN",
        },
    },
    "rds": {
        "*": {
            "database": (
                "request.dBInstanceIdentifier request.newDBInstanceIdentifier "
                "request.sourceDBInstanceIdentifier request.targetDBInstanceIdentifier "
                "response.dBInstanceIdentifier"
            ),
            "cluster": (
                "request.dBClusterIdentifier request.newDBClusterIdentifier "
                "request.sourceDBClusterIdentifier response.dBClusterIdentifier"
            ),
            "snapshot": (
                "request.dBSnapshotIdentifier request.sourceDBSnapshotIdentifier "
                "request.targetDBSnapshotIdentifier request.dBClusterSnapshotIdentifier "
                "request.sourceDBClusterSnapshotIdentifier "
                "request.targetDBClusterSnapshotIdentifier request.snapshotIdentifier "
                "request.finalDBSnapshotIdentifier response.dBSnapshotIdentifier"
            ),
            "account": "request.valuesToAdd request.valuesToRemove",
            "security_group": (
                "request.vpcSecurityGroupIds request.vPCSecurityGroupIds "
                "request.dBSecurityGroupName"
            ),
            "id": (
                "request.dBSubnetGroupName request.dBParameterGroupName "
                "request.exportTaskIdentifier"
            ),
            "arn": (
                "request.resourceName request.resourceArn request.sourceArn "
                "response.dBInstanceArn response.dBClusterArn response.dBSnapshotArn"
            ),
            "kms_key": "request.kmsKeyId",
            "bucket": "request.s3BucketName",
            "role": "request.iamRoleArn request.roleArn",
        },
    },
    "dynamodb": {
        "*": {
            "database": "request.tableName request.tableArn",
            "bucket": "request.s3Bucket",
            "arn": "request.resourceArn request.backupArn",
        },
    },
    "redshift": {
        "*": {
            "cluster": "request.clusterIdentifier",
            "snapshot": "request.snapshotIdentifier",
            "account": "request.accountWithRestoreAccess",
            "bucket": "request.bucketName",
        },
    },
    "glue": {
        "*": {
            "role": "request.roleArn",
            "id": "request.endpointName",
        },
    },
    "bedrock": {
        "*": {
            "id": (
                "request.modelId request.modelIdentifier request.guardrailIdentifier "
                "request.agentId request.knowledgeBaseId request.flowIdentifier "
                "request.jobIdentifier request.customModelName response.guardrailId"
            ),
            "role": (
                "request.roleArn request.agentResourceRoleArn "
                "request.loggingConfig.cloudWatchConfig.roleArn"
            ),
            "bucket": "request.loggingConfig.s3Config.bucketName",
            "log_group": "request.loggingConfig.cloudWatchConfig.logGroupName",
            "arn": "response.guardrailArn response.modelArn",
        },
    },
    "sagemaker": {
        "*": {
            "id": "request.notebookInstanceName",
            "role": "request.roleArn",
        },
    },
}
