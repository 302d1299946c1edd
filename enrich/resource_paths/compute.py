"""Instances, functions, containers: where calls name their resources (`enrich.resource_paths`)."""

from __future__ import annotations

PATHS: dict[str, dict[str, dict[str, str]]] = {
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
    "eks-auth": {"*": {"cluster": "request.clusterName", "instance": "request.instanceId"}},
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
    "elasticbeanstalk": {"*": {"id": "request.applicationName request.environmentName"}},
    "codedeploy": {"*": {"instance": "request.instanceId request.instanceIds"}},
    "elasticmapreduce": {
        "*": {
            "cluster": "request.jobFlowId request.clusterId response.jobFlowId",
            "instance": "request.instances.ec2InstanceIds",
            "role": "request.serviceRole request.jobFlowRole",
        },
    },
}
