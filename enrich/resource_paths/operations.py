"""Logging, monitoring, DNS, deployment: where calls name their resources
(`enrich.resource_paths`)."""

from __future__ import annotations

PATHS: dict[str, dict[str, dict[str, str]]] = {
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
    "guardduty": {
        "*": {
            "id": "request.detectorId",
            "account": "request.accountIds",
        },
    },
    "securityhub": {"*": {"account": "request.AccountIds request.accountIds"}},
    "config": {"*": {"id": "request.configurationRecorderName request.configRuleName"}},
    "cloudformation": {
        "*": {
            "id": "request.stackName",
            "role": "request.roleARN",
        },
    },
    "wafv2": {"*": {"id": "request.name request.id", "arn": "request.webACLArn"}},
    "apigateway": {"*": {"id": "request.apiId request.restApiId request.stageName"}},
    "appsync": {"*": {"id": "request.apiId"}},
}
