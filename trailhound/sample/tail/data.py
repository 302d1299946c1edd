"""The long tail of data: databases, analytics, streams, queues, file systems, machine learning."""

from __future__ import annotations

from trailhound.sample.tail.call import call, event

_STREAM = "arn:aws:kinesis:<region>:<account>:stream/<table>"
_STATES = "arn:aws:states:<region>:<account>:stateMachine:<table>"
_QUEUE = "https://sqs.<region>.amazonaws.com/<account>/<table>"
_TOPIC = "arn:aws:sns:<region>:<account>:<table>"

INVENTORY = (
    call("rds", "DescribeDBClusters", {"dBClusterIdentifier": "<table>", "maxRecords": 100,
         "includeShared": False, "filters": [{"name": "engine", "values": ["aurora-mysql"]}]}),
    call("rds", "ListTagsForResource", {"resourceName": "arn:aws:rds:<region>:<account>:db:<table>",
         "filters": []}),
    call("dynamodb", "DescribeContinuousBackups", {"tableName": "<table>"}),
    call("dynamodb", "ListTagsOfResource", {"resourceArn":
         "arn:aws:dynamodb:<region>:<account>:table/<table>"}),
    call("elasticache", "DescribeCacheClusters", {"cacheClusterId": "<table>",
         "showCacheNodeInfo": True, "showCacheClustersNotInReplicationGroups": False}),
    call("redshift", "DescribeClusters", {"clusterIdentifier": "<table>", "tagKeys": [],
         "tagValues": []}),
    call("es", "DescribeDomain", {"domainName": "logs"}),
    call("elasticmapreduce", "DescribeCluster", {"clusterId": "j-<hex12>"}),
    call("elasticmapreduce", "ListClusters", {"createdAfter": "<now_text>",
         "clusterStates": ["WAITING", "RUNNING"], "marker": "<page>"}),
    call("glue", "GetTables", {"databaseName": "curated", "catalogId": "<account>",
         "expression": "*", "queryAuditContext": {"allColumnsRequested": False}}),
    call("glue", "GetPartitions", {"databaseName": "curated", "tableName": "events",
         "segment": {"segmentNumber": 0, "totalSegments": 4}, "excludeColumnSchema": True}),
    call("glue", "GetConnections", {"filter": {"connectionType": "JDBC"}, "hidePassword": True}),
    call("sagemaker", "ListTrainingJobs", {"sortBy": "CreationTime", "sortOrder": "Descending",
         "statusEquals": "Completed", "creationTimeAfter": "<now_text>"}),
    call("sagemaker", "DescribeEndpoint", {"endpointName": "ranker-<hex8>"}),
    call("bedrock", "ListFoundationModels", {"byProvider": "anthropic",
         "byOutputModality": "TEXT"}),
    call("kinesis", "DescribeStreamSummary", {"streamName": "<table>", "streamARN": _STREAM}),
    call("firehose", "DescribeDeliveryStream", {"deliveryStreamName": "<table>", "limit": 1,
         "exclusiveStartDestinationId": "destinationId-000000000001"}),
    call("kafka", "ListClustersV2", {"clusterTypeFilter": "PROVISIONED", "maxResults": 100}),
    call("sqs", "GetQueueAttributes", {"queueUrl": _QUEUE, "attributeNames": ["All"]}),
    call("sns", "GetTopicAttributes", {"topicArn": _TOPIC}),
    call("events", "ListRules", {"eventBusName": "default", "namePrefix": "app"}),
    call("scheduler", "ListSchedules", {"groupName": "default", "state": "ENABLED"}),
    call("states", "DescribeStateMachine", {"stateMachineArn": _STATES,
         "includedData": "ALL_DATA"}),
    call("elasticfilesystem", "DescribeFileSystems", {"fileSystemId": "fs-<hex17>",
         "maxItems": 100, "creationToken": "<hex8>"}),
    call("fsx", "DescribeFileSystems", {"fileSystemIds": ["fs-<hex17>"], "maxResults": 50}),
    call("transfer", "DescribeServer", {"serverId": "s-<hex17>"}),
    call("datasync", "ListTasks", {"filters": [{"name": "LocationId", "operator": "Equals",
         "values": ["loc-<hex17>"]}]}),
    call("dms", "DescribeReplicationTasks", {"withoutSettings": True, "filters": [
         {"name": "replication-task-id", "values": ["<table>"]}]}),
    call("athena", "GetWorkGroup", {"workGroup": "primary"}),
    call("quicksight", "ListDashboards", {"awsAccountId": "<account>", "maxResults": 100}),
    call("lakeformation", "ListPermissions", {"catalogId": "<account>", "resource": {"database": {
         "name": "curated"}}, "resourceType": "DATABASE", "includeRelated": "TRUE"}),
)  # fmt: skip

CHANGES = (
    call("rds", "CreateDBInstance", {"dBInstanceIdentifier": "<table>", "engine": "postgres",
         "engineVersion": "16.6", "dBInstanceClass": "db.m6g.large", "allocatedStorage": 100,
         "storageType": "gp3", "multiAZ": True, "publiclyAccessible": False,
         "storageEncrypted": True, "masterUsername": "app", "dBSubnetGroupName": "data",
         "backupRetentionPeriod": 14, "vpcSecurityGroupIds": ["<group>"],
         "manageMasterUserPassword": True, "enableCloudwatchLogsExports": ["postgresql"]},
         {"dBInstanceIdentifier": "<table>", "dBInstanceStatus": "creating", "endpoint": None,
         "pendingModifiedValues": {"masterUserPassword": "****", "pendingCloudwatchLogsExports": {
         "logTypesToEnable": ["postgresql"]}}, "dBSubnetGroup": {"dBSubnetGroupName": "data",
         "subnetGroupStatus": "Complete", "subnets": [{"subnetIdentifier": "<subnet>",
         "subnetStatus": "Active", "subnetAvailabilityZone": {"name": "<region>a"},
         "subnetOutpost": {}}]}, "vpcSecurityGroups": [{"status": "active",
         "vpcSecurityGroupId": "<group>"}], "dBParameterGroups": [{"parameterApplyStatus":
         "in-sync", "dBParameterGroupName": "default.postgres16"}], "dbiResourceId": "db-<hex17>",
         "masterUserSecret": {"secretStatus": "creating", "kmsKeyId": "<kms_key>"}}),
    call("rds", "ModifyDBParameterGroup", {"dBParameterGroupName": "app-16", "parameters": [
         {"parameterName": "log_min_duration_statement", "parameterValue": "500", "applyMethod":
         "immediate", "isModifiable": True}]}, {"dBParameterGroupName": "app-16"}),
    call("dynamodb", "CreateTable", {"tableName": "<table>", "billingMode": "PAY_PER_REQUEST",
         "attributeDefinitions": [{"attributeName": "id", "attributeType": "S"}], "keySchema": [
         {"attributeName": "id", "keyType": "HASH"}], "globalSecondaryIndexes": [{"indexName":
         "by-day", "projection": {"projectionType": "ALL"}}], "sSESpecification": {"enabled": True,
         "sSEType": "KMS"}, "streamSpecification": {"streamEnabled": True, "streamViewType":
         "NEW_IMAGE"}, "deletionProtectionEnabled": True}, {"tableDescription": {"tableName":
         "<table>", "tableStatus": "CREATING", "itemCount": 0, "tableSizeBytes": 0,
         "creationDateTime": "<now_text>", "provisionedThroughput": {"readCapacityUnits": 0,
         "numberOfDecreasesToday": 0}, "billingModeSummary": {"billingMode": "PAY_PER_REQUEST"},
         "sSEDescription": {"status": "ENABLED", "sSEType": "KMS"}, "latestStreamLabel":
         "<day>T03:00:00.000", "warmThroughput": {"readUnitsPerSecond": 12000}}}),
    call("dynamodb", "UpdateTimeToLive", {"tableName": "<table>", "timeToLiveSpecification": {
         "enabled": True, "attributeName": "expires"}}, {"timeToLiveSpecification": {
         "enabled": True}}),
    call("elasticache", "CreateReplicationGroup", {"replicationGroupId": "<table>",
         "replicationGroupDescription": "sessions", "automaticFailoverEnabled": True,
         "cacheNodeType": "cache.m7g.large", "numNodeGroups": 2, "replicasPerNodeGroup": 1,
         "atRestEncryptionEnabled": True, "snapshotRetentionLimit": 7, "logDeliveryConfigurations":
         [{"logType": "slow-log", "destinationType": "cloudwatch-logs", "logFormat": "json",
         "enabled": True}]}, {"replicationGroupId": "<table>", "status": "creating",
         "memberClusters": ["<table>-001"], "clusterEnabled": True, "pendingModifiedValues": {
         "authTokenStatus": "SETTING"}, "globalReplicationGroupInfo": {}}),
    call("redshift", "ModifyCluster", {"clusterIdentifier": "<table>", "nodeType": "ra3.large",
         "numberOfNodes": 2, "automatedSnapshotRetentionPeriod": 7, "enhancedVpcRouting": True},
         {"clusterStatus": "modifying", "clusterNodes": [{"nodeRole": "LEADER",
         "privateIPAddress": "10.1.<octet>.<octet>"}], "pendingModifiedValues": {
         "numberOfNodes": 2}, "endpoint": {"address": "<table>.example.com", "port": 5439},
         "restoreStatus": None, "clusterParameterGroups": [{"parameterGroupName": "default"}],
         "iamRoles": [{"iamRoleArn": "<sha>", "applyStatus": "in-sync"}]}),
    call("es", "UpdateDomainConfig", {"domainName": "logs", "clusterConfig": {"instanceType":
         "r7g.large.search", "instanceCount": 3, "zoneAwarenessEnabled": True,
         "zoneAwarenessConfig": {"availabilityZoneCount": 3}}, "eBSOptions": {"eBSEnabled": True,
         "volumeType": "gp3", "volumeSize": 200}, "advancedOptions": {
         "rest.action.multi.allow_explicit_index": "true"}, "dryRun": False}, {"domainConfig": {
         "engineVersion": {"options": "OpenSearch_2.17", "status": {"state": "Active",
         "pendingDeletion": False, "updateVersion": "<#count>"}}, "snapshotOptions": {"options": {
         "automatedSnapshotStartHour": 2}}, "accessPolicies": {"options": "{}"}}}),
    call("glue", "CreateTable", {"databaseName": "curated", "tableInput": {"name": "events",
         "tableType": "EXTERNAL_TABLE", "retention": 0, "parameters": {"classification": "parquet",
         "EXTERNAL": "TRUE"}, "partitionKeys": [{"name": "day", "type": "date"}],
         "storageDescriptor": {"location": "s3://<bucket>/events", "columns": [{"name": "id",
         "type": "string", "comment": ""}], "compressed": True, "numberOfBuckets": -1,
         "inputFormat": "parquet", "serdeInfo": {"serializationLibrary": "ParquetHiveSerDe",
         "parameters": {"serialization.format": "1"}}, "storedAsSubDirectories": False}}}),
    call("glue", "CreateCrawler", {"name": "crawl-<table>", "role": "<any_role>", "schedule":
         "cron(0 3 * * ? *)", "targets": {"s3Targets": [{"path": "s3://<bucket>/raw",
         "sampleSize": 10, "exclusions": ["tmp/**"]}], "jdbcTargets": []}, "schemaChangePolicy": {
         "updateBehavior": "LOG", "deleteBehavior": "LOG"}, "recrawlPolicy": {"recrawlBehavior":
         "CRAWL_EVERYTHING"}, "lineageConfiguration": {"crawlerLineageSettings": "DISABLE"},
         "configuration": "{\"Version\": 1.0}"}),
    call("kinesis", "CreateStream", {"streamName": "<table>", "shardCount": 4,
         "streamModeDetails": {"streamMode": "PROVISIONED"}}),
    call("firehose", "CreateDeliveryStream", {"deliveryStreamName": "<table>",
         "deliveryStreamType": "DirectPut", "extendedS3DestinationConfiguration": {"bucketARN":
         "arn:aws:s3:::<bucket>", "bufferingHints": {"sizeInMBs": 64, "intervalInSeconds": 300},
         "compressionFormat": "GZIP", "s3BackupMode": "Disabled", "cloudWatchLoggingOptions": {
         "enabled": True, "logGroupName": "/firehose"}, "processingConfiguration": {"enabled":
         True, "processors": [{"type": "Lambda", "parameters": [{"parameterName": "LambdaArn",
         "parameterValue": "<function>"}]}]}, "dynamicPartitioningConfiguration": {
         "retryOptions": {"durationInSeconds": 300}}}}, {"deliveryStreamARN": "<sha>"}),
    call("sqs", "CreateQueue", {"queueName": "<table>", "attributes": {"VisibilityTimeout": "60",
         "MessageRetentionPeriod": "1209600", "KmsMasterKeyId": "alias/aws/sqs",
         "RedrivePolicy": "{\"maxReceiveCount\": 5}"}, "tags": {"team": "web"}},
         {"queueUrl": _QUEUE}),
    call("sns", "Subscribe", {"topicArn": _TOPIC, "protocol": "sqs", "endpoint": _QUEUE,
         "returnSubscriptionArn": True, "attributes": {"RawMessageDelivery": "true",
         "FilterPolicy": "{\"kind\": [\"order\"]}"}}, {"subscriptionArn": _TOPIC + ":<uuid>"}),
    call("sns", "CreateTopic", {"name": "<table>", "attributes": {"DisplayName": "orders",
         "FifoTopic": "false"}, "tags": [{"key": "team", "value": "web"}],
         "dataProtectionPolicy": "{}"}, {"topicArn": _TOPIC}),
    call("events", "PutTargets", {"rule": "nightly-<hex8>", "eventBusName": "default", "targets": [
         {"id": "1", "arn": _QUEUE, "input": "{}", "ecsParameters": {"taskCount": 1, "launchType":
         "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["<subnet>"]}}},
         "retryPolicy": {"maximumRetryAttempts": 8, "maximumEventAgeInSeconds": 3600},
         "deadLetterConfig": {"arn": _QUEUE}, "inputTransformer": {"inputPathsMap": {
         "id": "$.detail.id"}, "inputTemplate": "{}"}}]}, {"failedEntryCount": 0,
         "failedEntries": []}),
    call("scheduler", "CreateSchedule", {"name": "nightly-<hex8>", "groupName": "default",
         "scheduleExpression": "rate(1 day)", "scheduleExpressionTimezone": "Europe/Berlin",
         "flexibleTimeWindow": {"mode": "FLEXIBLE", "maximumWindowInMinutes": 15}, "target": {
         "arn": _STATES, "roleArn": "<sha>", "input": "{}", "retryPolicy": {
         "maximumRetryAttempts": 2}}, "startDate": "<day>T00:00:00Z", "state": "ENABLED"},
         {"scheduleArn": "<hex32>"}),
    call("states", "UpdateStateMachine", {"stateMachineArn": _STATES, "definition":
         "HIDDEN_DUE_TO_SECURITY_REASONS", "publish": True, "versionDescription": "<count>",
         "loggingConfiguration": {"level": "ERROR", "includeExecutionData": False, "destinations": [
         {"cloudWatchLogsLogGroup": {"logGroupArn": "<hex32>"}}]}, "tracingConfiguration": {
         "enabled": True}}, {"updateDate": "<now_text>", "revisionId": "<uuid>"}),
    call("elasticfilesystem", "CreateFileSystem", {"creationToken": "<hex8>", "encrypted": True,
         "performanceMode": "generalPurpose", "throughputMode": "elastic", "backup": True},
         {"fileSystemId": "fs-<hex17>", "lifeCycleState": "creating", "numberOfMountTargets": 0,
         "sizeInBytes": {"value": 0, "valueInIA": 0, "valueInStandard": 0},
         "fileSystemProtection": {"replicationOverwriteProtection": "ENABLED"}}),
    call("fsx", "CreateFileSystem", {"fileSystemType": "LUSTRE", "storageCapacity": 1200,
         "lustreConfiguration": {"deploymentType": "PERSISTENT_2", "dataCompressionType": "LZ4",
         "perUnitStorageThroughput": 250, "metadataConfiguration": {"mode": "AUTOMATIC"}}},
         {"fileSystem": {"lifecycle": "CREATING", "storageCapacity": 1200, "dNSName":
         "fs.example.com", "lustreConfiguration": {"mountName": "<hex8>", "logConfiguration": {
         "level": "WARN_ERROR"}}}}),
    call("transfer", "UpdateServer", {"serverId": "s-<hex17>", "protocols": ["SFTP"],
         "securityPolicyName": "TransferSecurityPolicy-2024-01", "protocolDetails": {"passiveIp":
         "AUTO", "setStatOption": "ENABLE_NO_OP"}, "workflowDetails": {"onUpload": [{"workflowId":
         "w-<hex17>", "executionRole": "<any_role>"}]}, "identityProviderDetails": {
         "directoryId": "d-<hex8>"}}, {"serverId": "s-<hex17>"}),
    call("dms", "CreateReplicationTask", {"replicationTaskIdentifier": "<table>", "migrationType":
         "cdc", "sourceEndpointArn": "<hex32>", "targetEndpointArn": "<hex32>", "tableMappings":
         "{\"rules\": []}"}, {"replicationTask": {"status": "creating", "replicationTaskStats": {
         "fullLoadProgressPercent": 0, "tablesErrored": 0}, "replicationTaskCreationDate":
         "<now_text>"}}),
    call("lakeformation", "RegisterResource", {"resourceArn": "arn:aws:s3:::<bucket>",
         "useServiceLinkedRole": True, "hybridAccessEnabled": False, "withFederation": False}),
    call("sagemaker", "CreateEndpointConfig", {"endpointConfigName": "ranker-<hex8>",
         "productionVariants": [{"variantName": "all", "modelName": "ranker", "instanceType":
         "ml.m6i.large", "initialInstanceCount": 1, "initialVariantWeight": 1.0,
         "managedInstanceScaling": {"status": "ENABLED", "maxInstanceCount": 4}}],
         "dataCaptureConfig": {"enableCapture": True, "initialSamplingPercentage": 10,
         "captureOptions": [{"captureMode": "Input"}], "captureContentTypeHeader": {
         "jsonContentTypes": ["application/json"]}}}, {"endpointConfigArn": "<hex32>"}),
)  # fmt: skip

TASKS = (
    call("states", "StartExecution", {"stateMachineArn": _STATES, "name": "<uuid>", "input":
         "HIDDEN_DUE_TO_SECURITY_REASONS"}, {"executionArn": _STATES + ":<uuid>", "startDate":
         "<now_text>"}),
    call("glue", "StartJobRun", {"jobName": "load-<table>", "arguments": {"--day": "<day>",
         "--enable-metrics": "true"}, "numberOfWorkers": 10, "workerType": "G.1X", "timeout": 120,
         "notificationProperty": {"notifyDelayAfter": 30}, "executionClass": "FLEX"},
         {"jobRunId": "jr_<sha>"}),
    call("glue", "BatchCreatePartition", {"databaseName": "curated", "tableName": "events",
         "partitionInputList": [{"values": ["<day>"], "parameters": {"rows": "<count>"},
         "storageDescriptor": {"location": "s3://<bucket>/events", "sortColumns": [{"column": "id",
         "sortOrder": 1}], "skewedInfo": {"skewedColumnNames": []}}}]}, {"errors": [{
         "partitionValues": ["<day>"], "errorDetail": {"errorCode": "AlreadyExistsException",
         "errorMessage": "Partition already exists."}}]}),
    call("athena", "StartQueryExecution", {"queryString": "***OMITTED***", "workGroup": "primary",
         "clientRequestToken": "<uuid>", "queryExecutionContext": {"database": "curated",
         "catalog": "AwsDataCatalog"}, "resultConfiguration": {"outputLocation": "s3://<bucket>/q",
         "encryptionConfiguration": {"encryptionOption": "SSE_KMS"}, "aclConfiguration": {
         "s3AclOption": "BUCKET_OWNER_FULL_CONTROL"}}, "resultReuseConfiguration": {
         "resultReuseByAgeConfiguration": {"enabled": True, "maxAgeInMinutes": 60}}},
         {"queryExecutionId": "<uuid>"}),
    call("athena", "GetQueryResults", {"queryExecutionId": "<uuid>", "maxResults": 1000}),
    call("sagemaker", "CreateTrainingJob", {"trainingJobName": "ranker-<hex8>", "hyperParameters":
         {"epochs": "10", "learning_rate": "0.01"}, "algorithmSpecification": {"trainingInputMode":
         "File", "trainingImage": "xgboost", "enableSageMakerMetricsTimeSeries": True},
         "inputDataConfig": [{"channelName": "train", "contentType": "csv", "dataSource": {
         "s3DataSource": {"s3DataType": "S3Prefix", "s3Uri": "s3://<bucket>/t"}}}],
         "resourceConfig": {"instanceType": "ml.m5.xlarge", "instanceCount": 1, "volumeSizeInGB":
         50}, "stoppingCondition": {"maxRuntimeInSeconds": 7200}, "outputDataConfig": {
         "s3OutputPath": "s3://<bucket>/m"}}, {"trainingJobArn": "<hex32>"}),
    call("bedrock", "InvokeModel", {"modelId": "anthropic.claude-3-haiku-20240307-v1:0"},
         additional={"inferenceRegion": "<region>", "inputTokens": "<#count>", "outputTokens":
         "<#small>"}),
    call("elasticmapreduce", "RunJobFlow", {"name": "nightly", "releaseLabel": "emr-7.6.0",
         "applications": [{"name": "Spark"}], "instances": {"keepJobFlowAliveWhenNoSteps": False,
         "ec2SubnetId": "<subnet>", "instanceGroups": [{"instanceRole": "MASTER", "instanceCount":
         1, "instanceType": "m6i.xlarge", "market": "ON_DEMAND"}]}, "steps": [{"name": "load",
         "actionOnFailure": "TERMINATE_CLUSTER", "hadoopJarStep": {"jar": "command-runner.jar",
         "args": ["spark-submit"]}}], "visibleToAllUsers": True, "configurations": [{
         "classification": "spark", "properties": {"maximizeResourceAllocation": "true"}}]},
         {"jobFlowId": "j-<hex12>", "clusterArn": "<hex32>"}),
    call("redshift-data", "ExecuteStatement", {"clusterIdentifier": "<table>", "database": "dwh",
         "sql": "***OMITTED***", "statementName": "load", "withEvent": True}, {"id": "<uuid>",
         "createdAt": "<now_text>", "dbGroups": [], "hasResultSet": False}),
    call("datasync", "StartTaskExecution", {"taskArn": "<hex32>", "overrideOptions": {
         "verifyMode": "ONLY_FILES_TRANSFERRED", "bytesPerSecond": -1, "logLevel": "BASIC"},
         "includes": [{"filterType": "SIMPLE_PATTERN", "value": "/in"}]},
         {"taskExecutionArn": "<hex32>"}),
    call("dynamodb", "UpdateItem", {"tableName": "<table>", "key": {"id": "<hex8>"},
         "expressionAttributeNames": {"#s": "state"}, "returnValues": "NONE",
         "returnConsumedCapacity": "TOTAL"}, {"consumedCapacity": {"capacityUnits": 1.0,
         "tableName": "<table>"}}, data=True),
    call("sqs", "SendMessage", {"queueUrl": _QUEUE, "messageBody": "HIDDEN_DUE_TO_SECURITY_REASONS",
         "delaySeconds": 0, "messageGroupId": "<hex8>"}, {"messageId": "<uuid>",
         "mD5OfMessageBody": "<hex32>", "sequenceNumber": "<hex12>"}, data=True),
    call("sns", "Publish", {"topicArn": _TOPIC, "message": "HIDDEN_DUE_TO_SECURITY_REASONS",
         "subject": "order"}, {"messageId": "<uuid>"}, data=True),
    event("rds", "SnapshotCompleted", {"sourceIdentifier": "<table>", "eventCategories": [
         "backup"], "snapshot": {"name": "rds:<table>", "status": "available", "sizeInGB": 100}}),
    event("redshift", "MaintenanceCompleted", {"clusterIdentifier": "<table>", "window": {
         "start": "<day>T03:00:00Z", "minutes": 30}, "status": {"code": 0, "text": "done"}}),
)  # fmt: skip
