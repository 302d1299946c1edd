"""Where each call names what it touches: one table, service → call → leaf → paths.

A path starts at `request` or `response`, and paths are parted by blanks; lists on the way are
walked, an ARN at its end also fills `arn` and the leaf that the ARN itself names. A call is a name
or a pattern; all rows that fit apply, so `*` holds what means the same in every call of the
service. Leaves are those of `resources.LEAVES`; `s3_path` and `target` are read by
`resources.READINGS`. EC2's newer calls wrap the request in `<call>Request` with capitalised keys:
the reader unwraps it. Paths are CloudTrail's, whose lower-camel spelling follows each service's API
(https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-aws-service-specific-topics.html).
"""

from __future__ import annotations

TABLE: dict[str, dict[str, dict[str, str]]] = {
    "iam": {
        "*": {
            "user": (
                "request.userName request.newUserName response.accessKey.userName "
                "response.user.userName"
            ),
            "group": "request.groupName request.newGroupName response.group.groupName",
            "role": "request.roleName response.role.roleName",
            "policy": (
                "request.policyName request.policyArn request.permissionsBoundary "
                "response.policy.policyName"
            ),
            "arn": (
                "request.policySourceArn request.sAMLProviderArn "
                "request.openIDConnectProviderArn response.user.arn response.role.arn "
                "response.group.arn response.policy.arn response.instanceProfile.arn "
                "response.sAMLProviderArn response.openIDConnectProviderArn"
            ),
            "access_key": "request.accessKeyId response.accessKey.accessKeyId",
            "id": (
                "request.instanceProfileName request.serialNumber request.certificateId "
                "request.serverCertificateName request.sSHPublicKeyId "
                "request.serviceSpecificCredentialId "
                "response.instanceProfile.instanceProfileName "
                "response.virtualMFADevice.serialNumber"
            ),
        },
    },
    "sts": {
        "*": {
            "role": "request.roleArn",
            "arn": "request.principalArn response.assumedRoleUser.arn response.federatedUser.arn",
            "target": "request.targetPrincipal",
            "id": "request.serialNumber",
            "access_key": "request.accessKeyId response.credentials.accessKeyId",
            "policy": "request.policyArns.arn",
        },
        "GetFederationToken": {"user": "request.name"},
    },
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
    "ec2": {
        "*": {
            "instance": (
                "request.instanceId request.instancesSet.items.instanceId "
                "request.InstanceId request.InstanceId.content "
                "response.instancesSet.items.instanceId"
            ),
            "image": (
                "request.instancesSet.items.imageId request.imageId "
                "request.imagesSet.items.imageId request.sourceImageId request.ImageId "
                "request.LaunchTemplateData.ImageId response.instancesSet.items.imageId "
                "response.imageId"
            ),
            "volume": (
                "request.volumeId request.volumeSet.items.volumeId request.VolumeId "
                "request.VolumeId.content response.volumeId"
            ),
            "snapshot": (
                "request.snapshotId request.snapshotSet.items.snapshotId "
                "request.sourceSnapshotId request.blockDeviceMapping.items.ebs.snapshotId "
                "request.SnapshotId request.SnapshotId.content response.snapshotId"
            ),
            "vpc": (
                "request.vpcId request.vpcSet.items.vpcId request.VpcId "
                "response.instancesSet.items.vpcId response.vpc.vpcId"
            ),
            "security_group": (
                "request.groupId request.groupName "
                "request.securityGroupSet.items.groupName request.groupSet.items.groupId "
                "request.securityGroupIdSet.items.groupId "
                "request.networkInterfaceSet.items.groupSet.items.groupId "
                "request.ipPermissions.items.groups.items.groupId request.GroupId "
                "request.SecurityGroupId.content "
                "response.instancesSet.items.groupSet.items.groupId response.groupId"
            ),
            "id": (
                "request.iamInstanceProfile.name request.resourcesSet.items.resourceId "
                "request.subnetId request.routeTableId request.networkAclId "
                "request.networkInterfaceId request.internetGatewayId "
                "request.allocationId request.keyName request.IamInstanceProfile.Name "
                "request.ResourceId request.ResourceId.content request.FlowLogId.content "
                "request.LaunchTemplateId request.NetworkInterfaceId "
                "request.TrafficMirrorSessionId request.TrafficMirrorTargetId "
                "request.TrafficMirrorFilterId request.TrafficMirrorFilterRuleId "
                "request.AssociationId request.LaunchTemplateName request.gatewayId "
                "response.launchTemplate.launchTemplateId "
                "response.trafficMirrorSession.trafficMirrorSessionId "
                "response.trafficMirrorSession.networkInterfaceId "
                "response.trafficMirrorTarget.trafficMirrorTargetId "
                "response.trafficMirrorFilter.trafficMirrorFilterId "
                "response.internetGateway.internetGatewayId response.subnet.subnetId "
                "response.keyPairId"
            ),
            "arn": (
                "request.iamInstanceProfile.arn request.IamInstanceProfile.Arn "
                "request.NetworkLoadBalancerArn"
            ),
            "account": (
                "request.createVolumePermission.add.items.userId "
                "request.createVolumePermission.remove.items.userId "
                "request.launchPermission.add.items.userId "
                "request.launchPermission.remove.items.userId"
            ),
            "kms_key": "request.kmsKeyId",
            "bucket": "request.exportToS3.s3Bucket",
            "log_group": "request.LogGroupName",
        },
    },
    "ec2-instance-connect": {
        "*": {
            "instance": "request.instanceId",
            "user": "request.instanceOSUser",
        },
    },
    "lambda": {
        "*": {
            "function": (
                "request.functionName request.functionArn response.functionName "
                "response.functionArn"
            ),
            "id": "request.layerName request.layers request.uUID",
            "arn": (
                "request.resource request.sourceArn request.eventSourceArn response.layerVersionArn"
            ),
            "account": "request.sourceAccount",
            "role": "request.role response.role",
            "kms_key": "request.kMSKeyArn",
            "bucket": "request.code.s3Bucket request.s3Bucket",
            "object_key": "request.code.s3Key request.s3Key",
            "security_group": "request.vpcConfig.securityGroupIds",
            "vpc": "response.vpcConfig.vpcId",
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
    "ssm": {
        "*": {
            "instance": (
                "request.instanceId request.instanceIds request.entries.instanceId "
                "response.command.instanceIds response.associationDescription.instanceId"
            ),
            "machine": (
                "request.target request.targets.values request.entries.targets.values "
                "request.parameters.InstanceId request.parameters.InstanceIds "
                "request.parameters.instanceId request.parameters.instanceIds "
                "request.targetMaps.InstanceId request.targetMaps.InstanceIds "
                "request.resourceId request.filters.values request.filters.value "
                "response.command.targets.values response.associationDescription.targets.values"
            ),
            "id": (
                "request.documentName request.commandId request.sessionId "
                "request.automationExecutionId request.associationId response.sessionId "
                "response.command.commandId response.automationExecutionId"
            ),
            "kms_key": "request.keyId",
            "bucket": "request.outputS3BucketName",
            "role": (
                "request.serviceRoleArn request.iamRole request.parameters.AutomationAssumeRole"
            ),
        },
        "*Parameter*": {"parameter": "request.name request.names request.path"},
        "*Document*": {
            "id": "request.name",
            "account": "request.accountIdsToAdd",
        },
    },
    "ssmmessages": {"*": {"instance": "request.instanceId", "id": "request.sessionId"}},
    "cloudtrail": {
        "*": {
            "trail": "request.trailName request.trailNameList response.trailARN",
            "arn": "request.resourceId response.eventDataStoreArn",
            "bucket": "request.s3BucketName",
            "log_group": "request.cloudWatchLogsLogGroupArn",
            "role": "request.cloudWatchLogsRoleArn",
            "kms_key": "request.kmsKeyId",
            "id": "request.snsTopicName request.eventDataStore request.channel",
        },
        "*Trail*": {"trail": "request.name"},
        "*Logging": {"trail": "request.name"},
    },
    "organizations": {
        "*": {
            "account": (
                "request.accountId response.account.id response.createAccountStatus.accountId"
            ),
            "policy": (
                "request.policyId response.policy.policySummary.id "
                "response.policy.policySummary.arn"
            ),
            "target": "request.targetId request.target.id request.childId request.parentId",
            "id": (
                "request.sourceParentId request.destinationParentId "
                "request.organizationalUnitId request.handshakeId "
                "request.createAccountRequestId response.createAccountStatus.id"
            ),
            "role": "request.roleName",
            "arn": (
                "response.organizationalUnit.arn response.handshake.arn response.organization.arn"
            ),
        },
    },
    "account": {"*": {"account": "request.accountId"}},
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
    "eks": {
        "*": {
            "cluster": (
                "request.name request.clusterName response.cluster.name response.cluster.arn"
            ),
            "id": "request.nodegroupName request.addonName",
            "arn": "request.principalArn response.accessEntry.accessEntryArn",
            "policy": "request.policyArn",
            "role": "request.roleArn request.nodeRole",
            "security_group": "request.resourcesVpcConfig.securityGroupIds",
            "kms_key": "request.encryptionConfig.provider.keyArn",
            "vpc": "response.cluster.resourcesVpcConfig.vpcId",
        },
    },
    "ecs": {
        "*": {
            "cluster": "request.cluster request.clusterName response.cluster.clusterArn",
            "id": (
                "request.service request.serviceName request.task request.taskDefinition "
                "request.family"
            ),
            "role": "request.taskRoleArn request.executionRoleArn",
        },
    },
    "ecr": {
        "*": {
            "repository": (
                "request.repositoryName request.repositoryNames "
                "response.repository.repositoryName response.repository.repositoryArn "
                "response.image.repositoryName"
            ),
            "account": "request.registryId",
        },
    },
    "monitoring": {
        "*": {
            "id": (
                "request.alarmName request.alarmNames request.dashboardName request.dashboardNames"
            ),
            "arn": "request.resourceARN",
        },
    },
    "logs": {
        "*": {
            "log_group": (
                "request.logGroupName request.logGroupNames request.logGroupIdentifier "
                "request.logGroupIdentifiers request.logGroupArn"
            ),
            "id": "request.filterName request.destinationName",
            "arn": "request.destinationArn request.resourceArn request.targetArn",
            "role": "request.roleArn",
            "kms_key": "request.kmsKeyId",
        },
        "CreateExportTask": {"bucket": "request.destination"},
    },
    "route53": {
        "*": {
            "hosted_zone": "request.hostedZoneId response.hostedZone.id",
            "id": "request.healthCheckId request.delegationSetId",
            "vpc": "request.vPC.vPCId",
            "log_group": "request.cloudWatchLogsLogGroupArn",
        },
        "*HostedZone*": {"hosted_zone": "request.id"},
    },
    "route53domains": {"*": {"id": "request.domainName"}},
    "route53resolver": {
        "*": {
            "id": (
                "request.resolverQueryLogConfigId request.resourceId "
                "request.firewallRuleGroupId response.resolverQueryLogConfig.id"
            ),
            "arn": (
                "request.destinationArn response.resolverQueryLogConfig.arn "
                "response.resolverQueryLogConfig.destinationArn"
            ),
        },
    },
    "sso": {
        "*": {
            "arn": (
                "request.instanceArn request.permissionSetArn request.applicationArn "
                "response.permissionSet.permissionSetArn"
            ),
            "id": "request.principalId",
            "target": "request.targetId",
            "account": "request.accountId",
            "role": "request.roleName",
            "policy": "request.managedPolicyArn request.customerManagedPolicyReference.name",
        },
    },
    "sso-directory": {
        "*": {
            "id": "request.identityStoreId",
            "user": (
                "request.userId request.userName request.member.memberId "
                "request.memberId.userId response.user.userId response.user.userName"
            ),
            "group": "request.groupId response.group.groupId",
        },
        "*Group*": {"group": "request.displayName"},
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
    "guardduty": {
        "*": {
            "id": "request.detectorId",
            "account": "request.accountIds",
        },
    },
    "securityhub": {"*": {"account": "request.AccountIds request.accountIds"}},
    "config": {"*": {"id": "request.configurationRecorderName request.configRuleName"}},
    "ram": {
        "*": {
            "arn": "request.resourceArns",
            "target": "request.principals",
        },
    },
    "rolesanywhere": {
        "*": {
            "role": "request.roleArns",
            "arn": "response.profile.profileArn response.trustAnchor.trustAnchorArn",
        },
    },
    "cloudformation": {
        "*": {
            "id": "request.stackName",
            "role": "request.roleARN",
        },
    },
    "glue": {
        "*": {
            "role": "request.roleArn",
            "id": "request.endpointName",
        },
    },
}
TABLE |= {
    "autoscaling": {
        "*": {
            "instance": "request.instanceId request.instanceIds",
            "id": (
                "request.autoScalingGroupName request.launchConfigurationName "
                "request.launchTemplate.launchTemplateName"
            ),
            "image": "request.imageId",
            "security_group": "request.securityGroups",
            "role": "request.roleARN",
        },
    },
    "elasticloadbalancing": {
        "*": {
            "instance": "request.instances.instanceId",
            "id": "request.loadBalancerName request.name",
            "arn": "request.loadBalancerArn request.targetGroupArn request.listenerArn",
            "security_group": "request.securityGroups",
        },
        "RegisterTargets": {"machine": "request.targets.id"},
        "DeregisterTargets": {"machine": "request.targets.id"},
    },
    "codedeploy": {"*": {"instance": "request.instanceId request.instanceIds"}},
    "eks-auth": {"*": {"cluster": "request.clusterName", "instance": "request.instanceId"}},
    "elasticbeanstalk": {"*": {"id": "request.applicationName request.environmentName"}},
    "elasticmapreduce": {
        "*": {
            "cluster": "request.jobFlowId request.clusterId response.jobFlowId",
            "instance": "request.instances.ec2InstanceIds",
            "role": "request.serviceRole request.jobFlowRole",
        },
    },
    "wafv2": {"*": {"id": "request.name request.id", "arn": "request.webACLArn"}},
    "apigateway": {"*": {"id": "request.apiId request.restApiId request.stageName"}},
    "appsync": {"*": {"id": "request.apiId"}},
}
TABLE["identitystore"] = TABLE["sso-directory"]
