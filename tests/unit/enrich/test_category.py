from __future__ import annotations

import pytest

from enrich.category import category


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("iam", "CreateUser", "identity_management"),
        ("s3", "GetObject", "data_access"),
        ("ec2", "RunInstances", "compute"),
        ("signin", "ConsoleLogin", "authentication"),
        ("sts", "AssumeRole", "authentication"),
        ("cloudtrail", "StopLogging", "logging"),
        # the source of the first three wins over the event, the event over cloudtrail
        ("iam", "ConsoleLogin", "identity_management"),
        ("cloudtrail", "AssumeRole", "authentication"),
        ("sts", "GetCallerIdentity", "authentication"),
        ("signin", "SwitchRole", "authentication"),
        ("sso", "Authenticate", "authentication"),
        ("kms", "Decrypt", "encryption"),
        ("acm", "ListCertificates", "encryption"),
        ("secretsmanager", "GetSecretValue", "secrets"),
        ("ssm", "GetParameter", "secrets"),
        ("lambda", "Invoke", "serverless"),
        ("states", "StartExecution", "serverless"),
        ("rds", "DeleteDBInstance", "database"),
        ("dynamodb", "GetItem", "database"),
        ("redshift", "DescribeClusters", "database"),
        ("ecs", "RunTask", "containers"),
        ("eks", "DescribeCluster", "containers"),
        ("ecr", "PutImage", "containers"),
        ("monitoring", "PutMetricAlarm", "monitoring"),
        ("logs", "CreateLogStream", "monitoring"),
        ("config", "StopConfigurationRecorder", "monitoring"),
        ("guardduty", "DeleteDetector", "monitoring"),
        ("securityhub", "GetFindings", "monitoring"),
        ("organizations", "LeaveOrganization", "organization"),
        ("account", "EnableRegion", "organization"),
        ("controltower", "SetupLandingZone", "organization"),
        ("route53", "ChangeResourceRecordSets", "network"),
        ("elasticloadbalancing", "DeleteLoadBalancer", "network"),
        ("cloudfront", "CreateDistribution", "network"),
        ("bedrock", "InvokeModel", "ai"),
        ("sagemaker", "CreateEndpoint", "ai"),
        ("glue", "CreateJob", "other"),
        ("acm-pca", "GetCertificate", "encryption"),
        ("rds-data", "ExecuteStatement", "database"),
    ],
)
def test_the_category_of_a_call(source: str, name: str, expected: str) -> None:
    assert category(f"{source}.amazonaws.com", name) == expected


def test_no_source_is_other() -> None:
    assert category("", "") == "other"
