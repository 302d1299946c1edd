"""The long tail of computing, delivery and networks: containers, builds, APIs, load balancers."""

from __future__ import annotations

from trailhound.sample.tail.call import call, event

_STACK = "arn:aws:cloudformation:<region>:<account>:stack/app-<hex8>/<uuid>"
_CLUSTER = "arn:aws:ecs:<region>:<account>:cluster/main"
_TASK = "arn:aws:ecs:<region>:<account>:task/main/<hex32>"
_PIPELINE = "arn:aws:codepipeline:<region>:<account>:release-<table>"
_LISTENER = "arn:aws:elasticloadbalancing:<region>:<account>:listener/app/web/<hex12>0000/<hex8>"

INVENTORY = (
    call("ecs", "DescribeTasks", {"cluster": _CLUSTER, "tasks": [_TASK], "include": ["TAGS"]}),
    call("ecs", "DescribeServices", {"cluster": "main", "services": ["<table>"]}),
    call("ecs", "DescribeTaskDefinition", {"taskDefinition": "<table>:<count>",
         "include": ["TAGS"]}),
    call("ecs", "ListTasks", {"cluster": "main", "serviceName": "<table>",
         "desiredStatus": "RUNNING", "launchType": "FARGATE"}),
    call("eks", "DescribeCluster", {"name": "platform"}),
    call("eks", "DescribeNodegroup", {"name": "platform", "nodegroupName": "general-<hex8>"}),
    call("eks", "ListAddons", {"name": "platform", "maxResults": 100}),
    call("eks", "DescribeAddon", {"name": "platform", "addonName": "vpc-cni"}),
    call("ec2", "DescribeVpcEndpoints", {"DescribeVpcEndpointsRequest": {
         "VpcEndpointId": {"tag": 1, "content": "vpce-<hex17>"}, "MaxResults": 1000,
         "Filter": {"Name": "vpc-id", "tag": 1, "Value": {"tag": 1, "content": "<vpc>"}}}}),
    call("ec2", "DescribeFlowLogs", {"DescribeFlowLogsRequest": {"MaxResults": 1000,
         "NextToken": "<page>", "Filter": {"Name": "resource-id", "tag": 1,
         "Value": {"tag": 1, "content": "<vpc>"}}}}),
    call("ec2", "DescribeLaunchTemplateVersions", {"DescribeLaunchTemplateVersionsRequest": {
         "LaunchTemplateId": "lt-<hex17>", "ResolveAlias": False,
         "LaunchTemplateVersion": {"tag": 1, "content": "$Latest"}}}),
    call("ec2", "DescribeTransitGatewayAttachments", {"DescribeTransitGatewayAttachmentsRequest":
         {"MaxResults": 1000, "TransitGatewayAttachmentIds": {
         "tag": 1, "content": "tgw-attach-<hex17>"}}}),
    call("ec2", "DescribeImages", {"imagesSet": {"items": [{"imageId": "<image>"}]},
         "executableBySet": {}, "filterSet": {}, "ownersSet": {"items": [{"owner": "amazon"}]},
         "includeDeprecated": True, "includeDisabled": False}),
    call("ec2", "DescribeInstanceTypes", {"DescribeInstanceTypesRequest": {
         "InstanceType": {"tag": 1, "content": "m6i.large"}, "DryRun": False}}),
    call("ec2", "DescribeReservedInstances", {"reservedInstancesSet": {}, "filterSet": {},
         "offeringClass": "standard"}),
    call("elasticloadbalancing", "DescribeListeners", {"loadBalancerArn": _LISTENER,
         "listenerArns": [_LISTENER], "pageSize": 100}),
    call("elasticloadbalancing", "DescribeRules", {"listenerArn": _LISTENER,
         "ruleArns": ["<hex12>"]}),
    call("elasticloadbalancing", "DescribeLoadBalancerAttributes", {"loadBalancerArn": _LISTENER}),
    call("autoscaling", "DescribeScalingActivities", {"autoScalingGroupName": "web-<table>",
         "activityIds": ["<uuid>"], "includeDeletedGroups": True}),
    call("autoscaling", "DescribePolicies", {"policyTypes": ["TargetTrackingScaling"],
         "policyNames": ["cpu"], "autoScalingGroupName": "web-<table>"}),
    call("application-autoscaling", "DescribeScalableTargets", {"serviceNamespace": "ecs",
         "resourceIds": ["service/main/<table>"], "scalableDimension": "ecs:service:DesiredCount"}),
    call("lambda", "GetFunction20150331v2", {"functionName": "<function>"}),
    call("lambda", "GetPolicy20150331v2", {"functionName": "<function>", "qualifier": "live"}),
    call("lambda", "ListEventSourceMappings20150331", {"functionName": "<function>",
         "eventSourceArn": "arn:aws:sqs:<region>:<account>:<table>", "maxItems": 100}),
    call("apigateway", "GetRestApis", {"limit": 500, "position": "<page>"}),
    call("apigateway", "GetStage", {"restApiId": "<hex8>", "stageName": "prod"}),
    call("apigateway", "GetIntegration", {"restApiId": "<hex8>", "resourceId": "<hex8>",
         "httpMethod": "POST", "template": False}),
    call("appsync", "ListGraphqlApis", {"maxResults": 25, "apiType": "GRAPHQL"}),
    call("cloudfront", "GetDistribution2020_05_31", {"id": "E<hex12>"}),
    call("cloudfront", "ListDistributions2020_05_31", {"maxItems": "100", "marker": "<hex12>"}),
    call("route53", "ListResourceRecordSets", {"hostedZoneId": "Z<hex17>",
         "type": "A", "startRecordName": "www.example.com", "maxitems": "300"}),
    call("codebuild", "BatchGetProjects", {"names": ["build-<table>"]}),
    call("codepipeline", "GetPipelineState", {"name": "release-<table>"}),
    call("codecommit", "GetRepository", {"repositoryName": "<table>"}),
    call("batch", "DescribeComputeEnvironments", {"computeEnvironments": ["spot-<hex8>"],
         "maxResults": 50}),
    call("elasticbeanstalk", "DescribeEnvironments", {"applicationName": "<table>",
         "environmentNames": ["<table>-env"], "includeDeleted": False,
         "includedDeletedBackTo": "<now_text>"}),
    call("lightsail", "GetInstances", {"pageToken": "<page>"}),
    call("globalaccelerator", "DescribeAccelerator", {"acceleratorArn":
         "arn:aws:globalaccelerator::<account>:accelerator/<uuid>"}),
    call("directconnect", "DescribeVirtualInterfaces", {"connectionId": "dxcon-<hex8>",
         "virtualInterfaceId": "dxvif-<hex8>"}),
)  # fmt: skip

CHANGES = (
    call("cloudformation", "CreateChangeSet", {"stackName": _STACK, "changeSetName": "cs-<hex8>",
         "changeSetType": "UPDATE", "capabilities": ["CAPABILITY_IAM"],
         "includeNestedStacks": False, "usePreviousTemplate": False,
         "description": "release <count>",
         "parameters": [{"parameterKey": "Stage", "usePreviousValue": True}],
         "tags": [{"key": "team", "value": "platform"}]}, {"id": _STACK, "stackId": _STACK}),
    call("cloudformation", "ExecuteChangeSet", {"stackName": _STACK, "changeSetName": "cs-<hex8>",
         "disableRollback": False}),
    call("ecs", "CreateService", {"cluster": "main", "serviceName": "<table>",
         "taskDefinition": "<table>:<count>", "desiredCount": 2, "launchType": "FARGATE",
         "platformVersion": "LATEST", "healthCheckGracePeriodSeconds": 60,
         "schedulingStrategy": "REPLICA", "enableECSManagedTags": True, "propagateTags": "SERVICE",
         "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100,
         "deploymentCircuitBreaker": {"enable": True, "rollback": True}},
         "loadBalancers": [{"containerName": "app", "containerPort": 8080, "targetGroupArn":
         "arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/app/<hex12>0000"}],
         "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["<subnet>"],
         "securityGroups": ["<group>"], "assignPublicIp": "DISABLED"}}},
         {"service": {"serviceName": "<table>", "clusterArn": _CLUSTER, "status": "ACTIVE",
         "desiredCount": 2, "runningCount": 0, "pendingCount": 0, "createdAt": "<now_text>",
         "deployments": [{"id": "ecs-svc/<hex17>", "status": "PRIMARY", "rolloutState":
         "IN_PROGRESS", "failedTasks": 0}], "events": [], "enableExecuteCommand": False}}),
    call("eks", "CreateNodegroup", {"name": "platform", "nodegroupName": "general-<hex8>",
         "amiType": "AL2023_x86_64_STANDARD", "capacityType": "ON_DEMAND", "diskSize": 50,
         "instanceTypes": ["m6i.large"], "scalingConfig": {"minSize": 2, "maxSize": 9,
         "desiredSize": 3}, "updateConfig": {"maxUnavailable": 1}, "subnets": ["<subnet>"],
         "labels": {"workload": "general"}, "tags": {"team": "platform"},
         "taints": [{"key": "dedicated", "value": "batch", "effect": "NO_SCHEDULE"}],
         "clientRequestToken": "<uuid>"}, {"nodegroup": {"nodegroupName": "general-<hex8>",
         "status": "CREATING", "version": "1.31", "releaseVersion": "1.31.4-<count>",
         "health": {"issues": []}, "nodegroupArn":
         "arn:aws:eks:<region>:<account>:nodegroup/platform/general/<uuid>"}}),
    call("eks", "UpdateClusterVersion", {"name": "platform", "version": "1.31",
         "clientRequestToken": "<uuid>"}, {"update": {"id": "<uuid>", "status": "InProgress",
         "type": "VersionUpdate", "createdAt": "<now_text>", "errors": [],
         "params": [{"type": "Version", "value": "1.31"}]}}),
    call("eks", "CreateAddon", {"name": "platform", "addonName": "coredns",
         "addonVersion": "v1.11.4-eksbuild.2", "resolveConflicts": "OVERWRITE",
         "configurationValues": "{\"replicaCount\": 2}"},
         {"addon": {"addonName": "coredns", "status": "CREATING", "health": {"issues": []},
         "createdAt": 1741000000.5, "owner": "aws", "podIdentityAssociations": []}}),
    call("autoscaling", "CreateAutoScalingGroup", {"autoScalingGroupName": "web-<table>",
         "minSize": 2, "maxSize": 8, "desiredCapacity": 2, "defaultCooldown": 300,
         "healthCheckType": "ELB", "healthCheckGracePeriod": 120, "capacityRebalance": True,
         "vPCZoneIdentifier": "<subnet>", "mixedInstancesPolicy": {"instancesDistribution": {
         "onDemandBaseCapacity": 1, "spotAllocationStrategy": "price-capacity-optimized"},
         "launchTemplate": {"launchTemplateSpecification": {"launchTemplateId": "lt-<hex17>",
         "version": "$Latest"}, "overrides": [{"instanceType": "m6i.large",
         "weightedCapacity": "1"}]}}, "tags": [{"key": "Name", "value": "web",
         "propagateAtLaunch": True, "resourceType": "auto-scaling-group"}]}),
    call("autoscaling", "PutScalingPolicy", {"autoScalingGroupName": "web-<table>",
         "policyName": "cpu", "policyType": "TargetTrackingScaling", "enabled": True,
         "targetTrackingConfiguration": {"targetValue": 55.0, "disableScaleIn": False,
         "predefinedMetricSpecification": {"predefinedMetricType": "ASGAverageCPUUtilization"}}},
         {"policyARN": "arn:aws:autoscaling:<region>:<account>:scalingPolicy:<uuid>",
         "alarms": [{"alarmName": "TargetTracking-<hex8>", "alarmARN": "<hex32>"}]}),
    call("application-autoscaling", "RegisterScalableTarget", {"serviceNamespace": "ecs",
         "resourceId": "service/main/<table>", "scalableDimension": "ecs:service:DesiredCount",
         "minCapacity": 2, "maxCapacity": 12, "suspendedState": {
         "dynamicScalingInSuspended": False, "scheduledScalingSuspended": False}}),
    call("elasticloadbalancing", "CreateTargetGroup", {"name": "app-<hex8>", "protocol": "HTTP",
         "protocolVersion": "HTTP1", "port": 8080, "vpcId": "<vpc>", "targetType": "ip",
         "healthCheckPath": "/healthz", "healthCheckIntervalSeconds": 15,
         "healthyThresholdCount": 2, "unhealthyThresholdCount": 3, "matcher": {"httpCode": "200"}},
         {"targetGroups": [{"targetGroupName": "app-<hex8>", "healthCheckEnabled": True,
         "healthCheckPort": "traffic-port", "healthCheckTimeoutSeconds": 5,
         "ipAddressType": "ipv4", "loadBalancerArns": [], "matcher": {"httpCode": "200"}}]}),
    call("elasticloadbalancing", "CreateRule", {"listenerArn": _LISTENER, "priority": 40,
         "conditions": [{"field": "path-pattern", "pathPatternConfig": {"values": ["/api/*"]}}],
         "actions": [{"type": "forward", "order": 1, "forwardConfig": {"targetGroups": [
         {"targetGroupArn": "app-<hex8>", "weight": 1}],
         "targetGroupStickinessConfig": {"enabled": False}}}]},
         {"rules": [{"ruleArn": "<hex32>", "priority": "40", "isDefault": False,
         "conditions": [{"field": "path-pattern", "values": ["/api/*"]}]}]}),
    call("elasticloadbalancing", "ModifyTargetGroupAttributes", {"targetGroupArn": _LISTENER,
         "attributes": [{"key": "deregistration_delay.timeout_seconds", "value": "30"}]},
         {"attributes": [{"key": "stickiness.enabled", "value": "false"}]}),
    call("ec2", "CreateLaunchTemplateVersion", {"CreateLaunchTemplateVersionRequest": {
         "LaunchTemplateId": "lt-<hex17>", "SourceVersion": "3", "VersionDescription": "weekly",
         "ClientToken": "<uuid>", "LaunchTemplateData": {"ImageId": "<image>",
         "InstanceType": "m6i.large", "EbsOptimized": True, "UserData": "<sensitiveDataRemoved>",
         "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
         "BlockDeviceMapping": {"tag": 1, "DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 40,
         "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}}}}},
         {"CreateLaunchTemplateVersionResponse": {"requestId": "<uuid>", "launchTemplateVersion": {
         "launchTemplateId": "lt-<hex17>", "versionNumber": "<#count>", "defaultVersion": False,
         "createTime": "<day>T03:00:00.000Z", "createdBy": "<caller>"}}}),
    call("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": "<volume>"}]},
         "tagSet": {"items": [{"key": "team", "value": "platform"}]}}, {"_return": True}),
    call("ec2", "CreateVpcEndpoint", {"CreateVpcEndpointRequest": {"VpcId": "<vpc>",
         "VpcEndpointType": "Interface", "PrivateDnsEnabled": True,
         "ServiceName": "com.amazonaws.<region>.sqs", "SubnetId": {"tag": 1, "content": "<subnet>"},
         "SecurityGroupId": {"tag": 1, "content": "<group>"}}}, {"CreateVpcEndpointResponse": {
         "vpcEndpoint": {"vpcEndpointId": "vpce-<hex17>", "state": "pending", "ownerId":
         "<account>", "requesterManaged": False, "ipAddressType": "ipv4", "dnsOptions": {
         "dnsRecordIpType": "ipv4"}, "networkInterfaceIdSet": {"item": "<interface>"}}}}),
    call("lambda", "CreateEventSourceMapping20150331", {"functionName": "<function>",
         "eventSourceArn": "arn:aws:sqs:<region>:<account>:<table>", "batchSize": 10,
         "enabled": True, "maximumBatchingWindowInSeconds": 5, "scalingConfig": {
         "maximumConcurrency": 20}, "filterCriteria": {"filters": [{"pattern": "{}"}]},
         "functionResponseTypes": ["ReportBatchItemFailures"]}, {"uUID": "<uuid>",
         "state": "Creating", "stateTransitionReason": "USER_INITIATED", "batchSize": 10,
         "lastModified": "<now_text>", "destinationConfig": {"onFailure": {}}}),
    call("lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": "<function>",
         "memorySize": 512, "timeout": 30, "vpcConfig": {"subnetIds": ["<subnet>"],
         "securityGroupIds": ["<group>"]}, "environment": {}, "layers": ["<hex12>"],
         "tracingConfig": {"mode": "Active"}, "ephemeralStorage": {"size": 1024}},
         {"functionName": "<function>", "state": "Active", "lastUpdateStatus": "InProgress",
         "packageType": "Zip", "architectures": ["arm64"], "snapStart": {"applyOn": "None",
         "optimizationStatus": "Off"}, "loggingConfig": {"logFormat": "JSON", "logGroup":
         "/aws/lambda/<function>"}, "runtimeVersionConfig": {"runtimeVersionArn": "<sha>"},
         "vpcConfig": {"vpcId": "<vpc>", "ipv6AllowedForDualStack": False}}),
    call("apigateway", "CreateRestApi", {"createRestApiInput": {"name": "<table>",
         "description": "public", "endpointConfiguration": {"types": ["REGIONAL"]},
         "minimumCompressionSize": 1024, "apiKeySource": "HEADER", "disableExecuteApiEndpoint":
         False, "policy": "{}", "tags": {"team": "web"}}, "template": False}, {"id": "<hex8>",
         "name": "<table>", "createdDate": "<now_text>", "rootResourceId": "<hex8>",
         "restapiUpdate": {"restApiId": "<hex8>", "template": False},
         "self": {"restApiId": "<hex8>"}}),
    call("apigateway", "CreateDeployment", {"restApiId": "<hex8>", "createDeploymentInput": {
         "stageName": "prod", "cacheClusterEnabled": False, "tracingEnabled": True,
         "variables": {"backend": "blue"}, "canarySettings": {"percentTraffic": 10.0,
         "useStageCache": False}}}, {"id": "<hex8>", "createdDate": "<now_text>",
         "deploymentUpdate": {"restApiId": "<hex8>", "deploymentId": "<hex8>"}}),
    call("appsync", "UpdateGraphqlApi", {"apiId": "<hex12>", "name": "mobile",
         "authenticationType": "AMAZON_COGNITO_USER_POOLS", "xrayEnabled": True, "logConfig": {
         "fieldLogLevel": "ERROR", "excludeVerboseContent": True}, "userPoolConfig": {
         "userPoolId": "<region>_<hex8>", "awsRegion": "<region>", "defaultAction": "ALLOW"}},
         {"graphqlApi": {"apiId": "<hex12>", "name": "mobile", "dns": {"REALTIME": "<hex12>",
         "GRAPHQL": "<hex12>"}, "uris": {"GRAPHQL": "https://<hex12>.example.com/graphql"},
         "wafWebAclArn": None, "visibility": "GLOBAL"}}),
    call("cloudfront", "CreateInvalidation2020_05_31", {"distributionId": "E<hex12>",
         "invalidationBatch": {"callerReference": "<uuid>", "paths": {"quantity": 1,
         "items": ["/*"]}}}, {"invalidation": {"id": "I<hex12>", "status": "InProgress",
         "createTime": "<now_text>", "invalidationBatch": {"callerReference": "<uuid>"}},
         "location": "https://cloudfront.amazonaws.com/2020-05-31/distribution/E<hex12>"}),
    call("cloudfront", "UpdateDistribution2020_05_31", {"id": "E<hex12>", "ifMatch": "E<hex8>",
         "distributionConfig": {"callerReference": "<uuid>", "enabled": True, "comment": "shop",
         "priceClass": "PriceClass_100", "httpVersion": "http2", "isIPV6Enabled": True,
         "aliases": {"quantity": 1, "items": ["shop.example.com"]}, "origins": {"quantity": 1,
         "items": [{"id": "web", "domainName": "web.example.com", "connectionAttempts": 3,
         "customOriginConfig": {"hTTPPort": 80, "originProtocolPolicy": "https-only",
         "originSslProtocols": {"quantity": 1, "items": ["TLSv1.2"]}}}]},
         "defaultCacheBehavior": {"targetOriginId": "web", "viewerProtocolPolicy":
         "redirect-to-https", "compress": True, "allowedMethods": {"quantity": 2,
         "items": ["HEAD", "GET"]}}, "viewerCertificate": {"minimumProtocolVersion":
         "TLSv1.2_2021", "sSLSupportMethod": "sni-only"}, "restrictions": {"geoRestriction": {
         "restrictionType": "none", "quantity": 0}}}}, {"eTag": "E<hex8>", "distribution": {
         "id": "E<hex12>", "status": "InProgress", "inProgressInvalidationBatches": 0}}),
    call("route53", "ChangeResourceRecordSets", {"hostedZoneId": "Z<hex17>", "changeBatch": {
         "comment": "release", "changes": [{"action": "UPSERT", "resourceRecordSet": {
         "name": "<hex8>.example.com.", "type": "CNAME", "tTL": 300, "resourceRecords": [
         {"value": "web.example.com"}]}}]}}, {"changeInfo": {"id": "/change/C<hex17>",
         "status": "PENDING", "submittedAt": "<now_text>"}}),
    call("codepipeline", "UpdatePipeline", {"pipeline": {"name": "release-<table>", "version": 3,
         "roleArn": "<sha>", "artifactStore": {"type": "S3", "location": "<bucket>"},
         "stages": [{"name": "Source", "actions": [{"name": "Checkout", "runOrder": 1,
         "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "CodeCommit",
         "version": "1"}, "configuration": {"BranchName": "main", "PollForSourceChanges":
         "false"}, "outputArtifacts": [{"name": "source"}]}]}]}},
         {"pipeline": {"pipelineType": "V2", "executionMode": "SUPERSEDED"}}),
    call("codebuild", "CreateProject", {"name": "build-<table>", "source": {"type": "CODEPIPELINE",
         "buildspec": "buildspec.yml", "gitCloneDepth": 1}, "artifacts": {"type": "CODEPIPELINE"},
         "environment": {"type": "ARM_CONTAINER", "computeType": "BUILD_GENERAL1_SMALL",
         "privilegedMode": False, "environmentVariables": [{"name": "STAGE", "value": "prod",
         "type": "PLAINTEXT"}]}, "timeoutInMinutes": 30, "cache": {"type": "LOCAL",
         "modes": ["LOCAL_SOURCE_CACHE"]}}, {"project": {"name": "build-<table>",
         "badge": {"badgeEnabled": False}, "projectVisibility": "PRIVATE",
         "queuedTimeoutInMinutes": 480, "created": "<now_text>"}}),
)  # fmt: skip

TASKS = (
    call("ecs", "RunTask", {"cluster": _CLUSTER, "taskDefinition": "<table>:<count>", "count": 1,
         "launchType": "FARGATE", "startedBy": "events-rule/nightly", "overrides": {
         "cpu": "1024", "containerOverrides": [{"name": "app", "command": ["nightly"],
         "environment": [{"name": "STAGE", "value": "prod"}]}]}}, {"failures": [], "tasks": [{
         "taskArn": _TASK, "lastStatus": "PROVISIONING", "desiredStatus": "RUNNING",
         "attachments": [{"id": "<uuid>", "type": "ElasticNetworkInterface", "details": [
         {"name": "subnetId", "value": "<subnet>"}]}], "containers": [{"name": "app",
         "image": "<account>.dkr.ecr.<region>.amazonaws.com/<table>", "networkInterfaces": []}],
         "platformFamily": "Linux", "version": 1}]}),
    call("ecs", "SubmitTaskStateChange", {"cluster": "main", "task": _TASK, "status": "RUNNING",
         "pullStartedAt": "<now_text>", "containers": [{"containerName": "app", "exitCode": 0,
         "runtimeId": "<hex32>", "networkBindings": []}]}, {"acknowledgment": "<uuid>"}),
    call("codebuild", "StartBuild", {"projectName": "build-<table>", "sourceVersion": "<hex32>",
         "environmentVariablesOverride": [{"name": "TAG", "value": "<hex8>"}]}, {"build": {
         "id": "build-<table>:<uuid>", "buildStatus": "IN_PROGRESS", "buildNumber": "<#count>",
         "currentPhase": "QUEUED", "initiator": "codepipeline/release", "logs": {"cloudWatchLogs":
         {"status": "ENABLED"}, "deepLink": "<hex32>"}, "phases": [{"phaseType": "SUBMITTED",
         "phaseStatus": "SUCCEEDED", "durationInSeconds": 0}], "source": {"type":
         "CODEPIPELINE"}}}),
    call("codepipeline", "PutJobSuccessResult", {"jobId": "<uuid>", "executionDetails": {
         "summary": "done", "externalExecutionId": "<uuid>", "percentComplete": 100},
         "currentRevision": {"revision": "<hex32>", "changeIdentifier": "<hex8>"}}),
    call("codepipeline", "StartPipelineExecution", {"name": _PIPELINE, "variables": [
         {"name": "ref", "value": "main"}], "clientRequestToken": "<uuid>"},
         {"pipelineExecutionId": "<uuid>"}),
    call("batch", "SubmitJob", {"jobName": "nightly-<hex8>", "jobQueue": "spot",
         "jobDefinition": "<table>:<count>", "arrayProperties": {"size": 20}, "dependsOn": [
         {"jobId": "<uuid>", "type": "SEQUENTIAL"}], "parameters": {"date": "<day>"},
         "containerOverrides": {"vcpus": 2, "memory": 4096, "resourceRequirements": [
         {"type": "VCPU", "value": "2"}]}, "retryStrategy": {"attempts": 3},
         "timeout": {"attemptDurationSeconds": 7200}}, {"jobId": "<uuid>", "jobName":
         "nightly-<hex8>", "jobArn": "arn:aws:batch:<region>:<account>:job/<uuid>"}),
    call("codedeploy", "CreateDeployment", {"applicationName": "<table>", "deploymentGroupName":
         "blue-green", "revision": {"revisionType": "AppSpecContent", "appSpecContent": {
         "sha256": "<sha>"}}, "autoRollbackConfiguration": {"enabled": True, "events": [
         "DEPLOYMENT_FAILURE"]}}, {"deploymentId": "d-<hex8>"}),
    event("autoscaling", "EC2InstanceLaunch", {"autoScalingGroupName": "web-<table>",
         "instance": {"instanceId": "<instance>", "lifecycleState": "InService"},
         "cause": {"kind": "capacity", "from": 2, "to": 3}}),
    event("ecs", "TaskFailedToStart", {"eventType": "ERROR", "clusterArn": _CLUSTER,
         "taskDefinitionFamily": "<table>", "reason": "CannotPullContainer",
         "attempts": "<#count>"}),
)  # fmt: skip
