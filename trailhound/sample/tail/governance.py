"""The long tail of security, governance, monitoring and money, and of people's consoles."""

from __future__ import annotations

from trailhound.sample.tail.call import call, event

_WEB_ACL = "arn:aws:wafv2:<region>:<account>:regional/webacl/shop/<uuid>"
_FINDING = "arn:aws:securityhub:<region>:<account>:security-control/EC2.8/finding/<uuid>"
_PERIOD = {"start": "<day>", "end": "<day>"}

INVENTORY = (
    call("config", "DescribeConfigRules", {"configRuleNames": ["encrypted-volumes"], "filters": {
         "evaluationMode": "DETECTIVE"}}),
    call("config", "GetComplianceDetailsByConfigRule", {"configRuleName": "encrypted-volumes",
         "complianceTypes": ["NON_COMPLIANT"], "limit": 100}),
    call("config", "SelectResourceConfig", {"expression": "SELECT resourceId", "limit": 100}),
    call("guardduty", "ListFindings", {"detectorId": "<hex32>", "findingCriteria": {"criterion": {
         "severity": {"gte": 4, "greaterThanOrEqual": 4}, "service.archived": {"eq": ["false"],
         "equals": ["false"]}}}, "sortCriteria": {"attributeName": "severity", "orderBy":
         "DESC"}}),
    call("securityhub", "GetFindings", {"Filters": {"RecordState": [{"Value": "ACTIVE",
         "Comparison": "EQUALS"}], "UpdatedAt": [{"DateRange": {"Value": 7, "Unit": "DAYS"}}],
         "SeverityNormalized": [{"Gte": 70.0}]}, "SortCriteria": [{"Field": "UpdatedAt",
         "SortOrder": "desc"}], "MaxResults": 100}),
    call("inspector2", "ListFindings", {"filterCriteria": {"severity": [{"comparison": "EQUALS",
         "value": "CRITICAL"}], "inspectorScore": [{"lowerInclusive": 7.0, "upperInclusive":
         10.0}], "lastObservedAt": [{"startInclusive": 1740960000}]}, "sortCriteria": {"field":
         "SEVERITY", "sortOrder": "DESC"}}),
    call("inspector2", "ListCoverage", {"filterCriteria": {"ec2InstanceTags": [{"key": "team",
         "value": "web", "comparison": "EQUALS"}], "scanStatusCode": [{"value": "ACTIVE"}]}}),
    call("macie2", "DescribeBuckets", {"criteria": {"publicAccess.effectivePermission": {"eq": [
         "PUBLIC"]}, "sizeInBytes": {"gt": 1000}}, "sortCriteria": {"attributeName":
         "objectCount", "orderBy": "DESC"}}),
    call("wafv2", "ListWebACLs", {"scope": "REGIONAL", "limit": 100, "nextMarker": "<hex12>"}),
    call("wafv2", "GetSampledRequests", {"webAclArn": _WEB_ACL, "ruleMetricName": "rate", "scope":
         "REGIONAL", "timeWindow": {"startTime": "<now_text>", "endTime": "<later_text>"},
         "maxItems": 100}),
    call("acm", "DescribeCertificate", {"certificateArn":
         "arn:aws:acm:<region>:<account>:certificate/<uuid>"}),
    call("organizations", "ListPolicies", {"filter": "SERVICE_CONTROL_POLICY"}),
    call("organizations", "ListTagsForResource", {"resourceId": "<account>"}),
    call("sso", "ListPermissionSets", {"instanceArn": "arn:aws:sso:::instance/ssoins-<hex12>"}),
    call("identitystore", "ListUsers", {"identityStoreId": "<store>", "filters": [{"attributePath":
         "UserName", "attributeValue": "<person>"}]}),
    call("ram", "GetResourceShares", {"resourceOwner": "SELF", "resourceShareStatus": "ACTIVE",
         "tagFilters": [{"tagKey": "team", "tagValues": ["web"]}], "name": "network"}),
    call("backup", "ListBackupJobs", {"byState": "COMPLETED", "byCreatedAfter": "<now_text>",
         "byResourceType": "EBS", "byBackupVaultName": "default"}),
    call("ssm", "DescribeInstancePatchStates", {"instanceIds": ["<instance>"]}),
    call("ssm", "GetInventory", {"filters": [{"key": "AWS:Application.Name", "values": ["openssl"],
         "type": "Equal"}], "aggregators": [{"groups": [{"name": "os"}]}], "resultAttributes": [{
         "typeName": "AWS:Application"}]}),
    call("ssm", "DescribeParameters", {"parameterFilters": [{"key": "Path", "option": "Recursive",
         "values": ["/app"]}], "shared": False}),
    call("secretsmanager", "DescribeSecret", {"secretId": "<secret>"}),
    call("logs", "DescribeMetricFilters", {"logGroupName": "/aws/lambda/<function>",
         "filterNamePrefix": "errors", "metricNamespace": "app"}),
    call("monitoring", "ListMetrics", {"namespace": "AWS/EC2", "metricName": "CPUUtilization",
         "dimensions": [{"name": "InstanceId", "value": "<instance>"}], "recentlyActive": "PT3H",
         "includeLinkedAccounts": True}),
    call("xray", "GetTraceSummaries", {"timeRangeType": "TraceId", "sampling": True,
         "samplingStrategy": {"name": "PartialScan", "value": 0.1}, "filterExpression": "error"}),
    call("cognito-idp", "DescribeUserPool", {"userPoolId": "<region>_<hex8>"}),
    call("cognito-idp", "ListUserPoolClients", {"userPoolId": "<region>_<hex8>", "maxResults": 60}),
    call("license-manager", "ListLicenseConfigurations", {"licenseConfigurationArns": ["<hex32>"],
         "filters": [{"name": "licenseCountingType", "values": ["vCPU"]}]}),
    call("servicecatalog", "SearchProvisionedProducts", {"accessLevelFilter": {"key": "Account",
         "value": "self"}, "filters": {"SearchQuery": ["status:AVAILABLE"]}, "pageSize": 20}),
    call("health", "DescribeEvents", {"filter": {"eventStatusCodes": ["open"], "regions": [
         "<region>"], "startTimes": [{"from": "<now_text>"}], "services": ["EC2"]}, "locale":
         "en"}),
    call("tagging", "GetResources", {"tagFilters": [{"key": "team", "values": ["web"]}],
         "resourceTypeFilters": ["ec2:instance"], "resourcesPerPage": 100,
         "includeComplianceDetails": False}),
    call("network-firewall", "DescribeFirewall", {"firewallName": "egress"}),
    call("shield", "ListProtections", {"inclusionFilters": {"resourceTypes": [
         "CLOUDFRONT_DISTRIBUTION"]}}),
    call("servicequotas", "ListServiceQuotas", {"serviceCode": "ec2", "quotaAppliedAtLevel":
         "ACCOUNT"}),
)  # fmt: skip

CHANGES = (
    call("monitoring", "PutMetricAlarm", {"alarmName": "cpu-<hex8>", "metricName":
         "CPUUtilization", "namespace": "AWS/ECS", "statistic": "Average", "period": 60,
         "evaluationPeriods": 3, "threshold": 80.0, "comparisonOperator": "GreaterThanThreshold",
         "treatMissingData": "missing", "actionsEnabled": True, "alarmActions": ["<hex32>"],
         "dimensions": [{"name": "ClusterName", "value": "main"}], "metrics": [{"id": "m1",
         "expression": "SUM(METRICS())", "returnData": True, "metricStat": {"period": 60, "stat":
         "p99", "metric": {"namespace": "app", "metricName": "latency"}}}]}),
    call("logs", "PutMetricFilter", {"logGroupName": "/aws/lambda/<function>", "filterName":
         "errors", "filterPattern": "ERROR", "metricTransformations": [{"metricName": "errors",
         "metricNamespace": "app", "metricValue": "1", "defaultValue": 0.0, "unit": "Count"}]}),
    call("logs", "PutSubscriptionFilter", {"logGroupName": "/aws/lambda/<function>", "filterName":
         "ship", "destinationArn": "<hex32>", "distribution": "ByLogStream",
         "emitSystemFields": ["@aws.account"]}),
    call("config", "PutConfigRule", {"configRule": {"configRuleName": "encrypted-volumes",
         "description": "volumes", "scope": {"complianceResourceTypes": ["AWS::EC2::Volume"]},
         "source": {"owner": "AWS", "sourceIdentifier": "ENCRYPTED_VOLUMES", "sourceDetails": [{
         "eventSource": "aws.config", "messageType": "ScheduledNotification"}]},
         "inputParameters": "{}", "maximumExecutionFrequency": "TwentyFour_Hours",
         "evaluationModes": [{"mode": "DETECTIVE"}]}, "tags": [{"key": "team", "value": "sec"}]}),
    call("config", "PutEvaluations", {"resultToken": "<hex32>", "testMode": False, "evaluations": [
         {"complianceResourceId": "<volume>", "complianceResourceType": "AWS::EC2::Volume",
         "complianceType": "COMPLIANT", "orderingTimestamp": "<now_text>", "annotation":
         "encrypted"}]}, {"failedEvaluations": []}),
    call("securityhub", "BatchImportFindings", {"Findings": [{"SchemaVersion": "2018-10-08", "Id":
         _FINDING, "AwsAccountId": "<account>", "Types": ["Software and Configuration Checks"],
         "CreatedAt": "<day>T03:00:00Z", "Severity": {"Label": "LOW", "Normalized": 20}, "Title":
         "<hex8>", "Resources": [{"Type": "AwsEc2Instance", "Id": "<instance>", "Partition":
         "aws"}], "Compliance": {"Status": "PASSED", "SecurityControlId": "EC2.8"},
         "FindingProviderFields": {"Severity": {"Label": "LOW"}}}]}, {"FailedCount": 0,
         "SuccessCount": 1, "FailedFindings": []}),
    call("securityhub", "BatchUpdateFindings", {"FindingIdentifiers": [{"Id": _FINDING,
         "ProductArn": "<hex32>"}], "Workflow": {"Status": "NOTIFIED"}, "Note": {"Text": "seen",
         "UpdatedBy": "triage"}, "UserDefinedFields": {"ticket": "<count>"}}, {
         "ProcessedFindings": [{"Id": _FINDING}], "UnprocessedFindings": []}),
    call("wafv2", "CreateWebACL", {"name": "shop-<hex8>", "scope": "REGIONAL", "defaultAction": {
         "allow": {"customRequestHandling": {"insertHeaders": [{"name": "x-waf", "value": "1"}]}}},
         "rules": [{"name": "rate", "priority": 1, "action": {"block": {}}, "statement": {
         "rateBasedStatement": {"limit": 2000, "aggregateKeyType": "IP", "scopeDownStatement": {
         "byteMatchStatement": {"searchString": "/login", "fieldToMatch": {"uriPath": {}},
         "textTransformations": [{"priority": 0, "type": "LOWERCASE"}],
         "positionalConstraint": "STARTS_WITH"}}}}, "visibilityConfig": {"metricName": "rate",
         "sampledRequestsEnabled": True, "cloudWatchMetricsEnabled": True}}], "tokenDomains": []},
         {"summary": {"name": "shop-<hex8>", "id": "<uuid>", "lockToken": "<uuid>", "aRN":
         _WEB_ACL}}),
    call("acm", "RequestCertificate", {"domainName": "shop.example.com", "validationMethod": "DNS",
         "subjectAlternativeNames": ["*.shop.example.com"], "keyAlgorithm": "EC_prime256v1",
         "options": {"certificateTransparencyLoggingPreference": "ENABLED"}}, {
         "certificateArn": "arn:aws:acm:<region>:<account>:certificate/<uuid>"}),
    call("backup", "CreateBackupPlan", {"backupPlan": {"backupPlanName": "daily-<hex8>", "rules": [{
         "ruleName": "daily", "targetBackupVaultName": "default", "scheduleExpression":
         "cron(0 3 * * ? *)", "startWindowMinutes": 60, "lifecycle": {"deleteAfterDays": 35,
         "moveToColdStorageAfterDays": 7}, "copyActions": [{"destinationBackupVaultArn":
         "<hex32>"}]}], "advancedBackupSettings": [{"resourceType": "EC2", "backupOptions": {
         "WindowsVSS": "enabled"}}]}}, {"backupPlanId": "<uuid>", "versionId": "<hex32>",
         "creationDate": "<now_text>"}),
    call("backup", "StartBackupJob", {"backupVaultName": "default", "resourceArn": "<hex32>",
         "iamRoleArn": "<sha>", "idempotencyToken": "<uuid>", "recoveryPointTags": {"plan":
         "daily"}, "lifecycle": {"deleteAfterDays": 35}}, {"backupJobId": "<uuid>", "isParent":
         False, "recoveryPointArn": "<hex32>"}),
    call("ssm", "PutParameter", {"name": "/app/<table>/url", "type": "SecureString", "value":
         "HIDDEN_DUE_TO_SECURITY_REASONS", "overwrite": True, "tier": "Standard", "dataType":
         "text", "policies": "[]"}, {"version": "<#count>", "tier": "Standard"}),
    call("ssm", "CreateAssociation", {"name": "AWS-RunPatchBaseline", "associationName": "patch",
         "targets": [{"key": "tag:team", "values": ["web"]}], "scheduleExpression":
         "rate(7 days)", "maxConcurrency": "10%", "maxErrors": "5%", "parameters": {"Operation": [
         "Install"]}, "outputLocation": {"s3Location": {"outputS3BucketName": "<bucket>"}}}, {
         "associationDescription": {"associationId": "<uuid>", "associationVersion": "1",
         "date": "<now_text>", "overview": {"status": "Pending", "detailedStatus": "Creating"},
         "applyOnlyAtCronInterval": False, "documentVersion": "$DEFAULT"}}),
    call("secretsmanager", "RotateSecret", {"secretId": "<secret>", "clientRequestToken": "<uuid>",
         "rotateImmediately": True, "rotationRules": {"automaticallyAfterDays": 30, "duration":
         "3h"}}, {"name": "<secret>", "versionId": "<uuid>", "aRN": "<hex32>"}),
    call("cognito-idp", "UpdateUserPool", {"userPoolId": "<region>_<hex8>", "mfaConfiguration":
         "OPTIONAL", "policies": {"passwordPolicy": {"minimumLength": 14, "requireSymbols": True,
         "temporaryPasswordValidityDays": 3}}, "adminCreateUserConfig": {
         "allowAdminCreateUserOnly": False, "inviteMessageTemplate": {"emailSubject": "hello"}},
         "accountRecoverySetting": {"recoveryMechanisms": [{"priority": 1, "name":
         "verified_email"}]}, "lambdaConfig": {"preSignUp": "<function>"},
         "userPoolAddOns": {"advancedSecurityMode": "AUDIT"}}),
    call("xray", "CreateSamplingRule", {"samplingRule": {"ruleName": "web", "priority": 100,
         "fixedRate": 0.05, "reservoirSize": 1, "hTTPMethod": "*", "uRLPath": "/api/*", "version":
         1, "attributes": {"stage": "prod"}}}, {"samplingRuleRecord": {"createdAt": "<now_text>",
         "samplingRule": {"ruleName": "web", "resourceARN": "*"}}}),
    call("servicecatalog", "ProvisionProduct", {"productName": "vpc", "provisioningArtifactName":
         "v3", "provisionedProductName": "net-<hex8>", "provisioningParameters": [{"key": "Cidr",
         "value": "10.<octet>.0.0/16"}], "notificationArns": []}, {"recordDetail": {"recordId":
         "rec-<hex12>", "status": "CREATED", "recordType": "PROVISION_PRODUCT", "recordErrors": [],
         "launchRoleArn": "<sha>", "recordTags": [{"key": "team", "value": "web"}]}}),
    call("ram", "CreateResourceShare", {"name": "network-<hex8>", "allowExternalPrincipals": False,
         "principals": ["<organization>"], "resourceArns": ["<hex32>"], "permissionArns": []},
         {"resourceShare": {"status": "ACTIVE", "owningAccountId": "<account>", "featureSet":
         "STANDARD", "creationTime": 1741000000.25, "allowExternalPrincipals": False}}),
    call("tagging", "TagResources", {"resourceARNList": ["<hex32>"], "tags": {"team": "web",
         "cost-center": "4711"}}, {"failedResourcesMap": {}}),
)  # fmt: skip

PEOPLE = (
    call("health", "DescribeEventAggregates", {"aggregateField": "eventTypeCategory", "filter": {
         "eventStatusCodes": ["open", "upcoming"], "startTimes": [{"from": "<now_text>"}]}}),
    call("monitoring", "GetMetricData", {"startTime": "<now_text>", "endTime": "<later_text>",
         "metricDataQueries": [{"id": "q1", "label": "cpu", "metricStat": {"period": 300, "stat":
         "Average", "metric": {"namespace": "AWS/EC2", "dimensions": [{"name": "InstanceId",
         "value": "<instance>"}]}}}], "labelOptions": {"timezone": "+0100"}}),
    call("ce", "GetDimensionValues", {"timePeriod": _PERIOD, "dimension": "SERVICE", "context":
         "COST_AND_USAGE", "filter": {"not": {"dimensions": {"key": "RECORD_TYPE", "values": [
         "Credit"], "matchOptions": ["EQUALS"]}}}, "sortBy": [{"key": "BlendedCost"}]}),
    call("ce", "GetReservationUtilization", {"timePeriod": _PERIOD, "groupBy": [{"type":
         "DIMENSION", "key": "SUBSCRIPTION_ID"}], "granularity": "MONTHLY"}),
    call("budgets", "DescribeBudgets", {"accountId": "<account>", "maxResults": 100,
         "showFilterExpression": True}),
    call("support", "DescribeTrustedAdvisorChecks", {"language": "en"}),
    call("support", "CreateCase", {"subject": "limit", "serviceCode": "ec2", "severityCode": "low",
         "categoryCode": "general", "communicationBody": "HIDDEN_DUE_TO_SECURITY_REASONS",
         "ccEmailAddresses": ["<person>@example.com"], "issueType": "technical"},
         {"caseId": "case-<account>-<hex12>"}),
    call("athena", "StartQueryExecution", {"queryString": "***OMITTED***", "workGroup": "primary",
         "executionParameters": ["<day>"]}, {"queryExecutionId": "<uuid>"}),
    call("quicksight", "UpdateDashboard", {"awsAccountId": "<account>", "dashboardId": "<uuid>",
         "name": "orders", "sourceEntity": {"sourceTemplate": {"arn": "<hex32>",
         "dataSetReferences": [{"dataSetPlaceholder": "orders", "dataSetArn": "<hex32>"}]}},
         "dashboardPublishOptions": {"adHocFilteringOption": {"availabilityStatus": "ENABLED"},
         "exportToCSVOption": {"availabilityStatus": "DISABLED"}}}, {"status": 202, "arn":
         "<hex32>", "creationStatus": "CREATION_IN_PROGRESS", "versionArn": "<hex32>"}),
    call("workspaces", "CreateWorkspaces", {"workspaces": [{"directoryId": "d-<hex8>", "userName":
         "<person>", "bundleId": "wsb-<hex8>", "workspaceProperties": {"runningMode": "AUTO_STOP",
         "rootVolumeSizeGib": 80, "runningModeAutoStopTimeoutInMinutes": 60}}]}, {
         "pendingRequests": [{"workspaceId": "ws-<hex8>", "state": "PENDING"}],
         "failedRequests": []}),
    call("workspaces", "DescribeWorkspaces", {"directoryId": "d-<hex8>", "workspaceIds": [
         "ws-<hex8>"], "limit": 25}),
    call("servicequotas", "RequestServiceQuotaIncrease", {"serviceCode": "lambda", "quotaCode":
         "L-<hex8>", "desiredValue": 3000.0}, {"requestedQuota": {"id": "<hex32>", "status":
         "PENDING", "desiredValue": 3000.0, "globalQuota": False, "quotaContext": {"contextScope":
         "ACCOUNT"}}}),
    call("states", "ListExecutions", {"stateMachineArn": "<hex32>", "statusFilter": "FAILED",
         "redriveFilter": "NOT_REDRIVEN"}),
    call("codepipeline", "PutApprovalResult", {"pipelineName": "release-<table>", "stageName":
         "Approve", "actionName": "Manual", "result": {"summary": "fine", "status": "Approved"},
         "token": "<uuid>"}, {"approvedAt": "<now_text>"}),
    call("glue", "GetJobRuns", {"jobName": "load-<table>", "maxResults": 50}),
    call("compute-optimizer", "GetEC2InstanceRecommendations", {"recommendationPreferences": {
         "cpuVendorArchitectures": ["AWS_ARM64"]}, "filters": [{"name": "Finding", "values": [
         "Overprovisioned"]}], "accountIds": ["<account>"]}),
)  # fmt: skip

TASKS = (
    call("logs", "CreateExportTask", {"taskName": "export-<hex8>", "logGroupName":
         "/aws/lambda/<function>", "from": 1740960000000, "to": 1741046400000, "destination":
         "<bucket>", "destinationPrefix": "logs"}, {"taskId": "<uuid>"}),
    call("ssm", "StartAutomationExecution", {"documentName": "AWS-RestartEC2Instance",
         "documentVersion": "$DEFAULT", "parameters": {"InstanceId": ["<instance>"]}, "mode":
         "Auto"}, {"automationExecutionId": "<uuid>"}),
    event("health", "ScheduledChange", {"service": "RDS", "eventScopeCode": "ACCOUNT_SPECIFIC",
         "affectedEntities": [{"entityValue": "<table>", "status": "PENDING"}],
         "eventMetadata": {"deadline": "<day>"}}),
    event("acm", "CertificateRenewed", {"certificate": "<uuid>", "domains": ["shop.example.com"],
         "daysToExpiry": 45, "inUse": True}),
)  # fmt: skip
