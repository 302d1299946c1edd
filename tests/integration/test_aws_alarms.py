"""`trailhound aws alarms` against AWS's APIs as moto and a stand-in speak them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from tests.helpers.aws_api import AwsApi
from tests.helpers.schemas import require_listing
from trailhound.aws.names import TrailSetup
from trailhound.cli.main import app
from trailhound.errors import AwsError

ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))


def run(name: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["aws", "alarms", "--name", name, *more])


def printed(done: Result, schema: str, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, f"{done.output}{done.exception}"
    found: dict[str, Any] = json.loads(done.stdout)
    require_listing(found, schema)
    return found


def test_alarms_are_made_once_checked_and_put_right(aws_api: AwsApi) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    names = TrailSetup(account=ACCOUNT, region="us-east-1", name=name)
    nowhere = run(name)
    assert isinstance(nowhere.exception, AwsError)
    assert "aws setup" in nowhere.exception.hint
    logs: Any = boto3.client("logs")
    cloudwatch: Any = boto3.client("cloudwatch")
    logs.create_log_group(logGroupName=names.log_group)
    boto3.client("sns").create_topic(Name=names.alarm_topic_name)

    planned = printed(run(name, "--json"), "aws alarms")
    assert {each["action"] for each in planned["parts"]} == {"create"}
    assert len(planned["parts"]) == 15 + 12 * 2
    assert planned["differences"]["ConsoleLoginWithoutMFA"]
    assert run(name, "--apply").exit_code == 0
    again = printed(run(name, "--json"), "aws alarms")
    assert {each["action"] for each in again["parts"]} == {"unchanged"}

    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["Threat-DataExfiltrationPattern"])[
        "MetricAlarms"
    ]
    assert (alarm["Namespace"], alarm["MetricName"]) == (
        "CloudTrail/ThreatAlerts",
        "DataExfiltrationPattern",
    )
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 300, 1)
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (100, "notBreaching")
    assert alarm["AlarmActions"] == [names.alarm_topic_arn]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    assert {each["Key"]: each["Value"] for each in tags} == {
        "AlertType": "ThreatAlert",
        "Severity": "HIGH",
        "Source": "CloudTrail",
        "trailhound:setup": name,
    }

    found = printed(run(name, "--check", "--json"), "aws alarms --check")["findings"]
    assert {each["verdict"] for each in found} == {"ok", "warning"}
    assert sum("TestMetricFilter agrees" in each["detail"] for each in found) == 12
    (topic,) = [each for each in found if each["verdict"] == "warning"]
    assert "nobody has subscribed" in topic["detail"]
    assert "logs:TestMetricFilter" in aws_api.calls

    aws_api.refusals = {
        "logs:TestMetricFilter": "InvalidParameterException",
        "sns:GetTopicAttributes": "NotFound",
    }
    refused = run(name, "--check", "--json")
    aws_api.refusals = {}
    found = printed(refused, "aws alarms --check", 1)["findings"]
    assert sum(each["verdict"] == "unknown" for each in found) == 12
    assert ("filters and alarms", "ok") in [(each["name"], each["verdict"]) for each in found]
    assert ("log group and topic", "failed") in [(each["name"], each["verdict"]) for each in found]
    assert found[-1]["verdict"] == "warning"

    other = f"arn:aws:sns:us-east-1:{ACCOUNT}:theirs"
    cloudwatch.put_metric_alarm(
        AlarmName="CloudTrail-RootAccountUsage",
        MetricName="RootAccountUsage",
        Namespace="CloudTrail/SecurityAlerts",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=7,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[other],
    )
    checked = printed(run(name, "--check", "--json"), "aws alarms --check", 1)["findings"]
    assert [each["name"] for each in checked if each["verdict"] == "failed"] == [
        "alarm CloudTrail-RootAccountUsage"
    ]
    assert run(name, "--apply").exit_code == 0
    (root,) = cloudwatch.describe_alarms(AlarmNames=["CloudTrail-RootAccountUsage"])["MetricAlarms"]
    assert (root["Threshold"], root["AlarmActions"]) == (1, [names.alarm_topic_arn, other])

    foreign = run(f"{name}x", "--log-group", names.log_group, "--topic", names.alarm_topic_arn)
    assert isinstance(foreign.exception, AwsError)
    assert "was not made by this set-up" in foreign.exception.message

    for number in range(4):
        logs.put_metric_filter(
            logGroupName=names.log_group,
            filterName=f"own-{number}",
            filterPattern="{ $.x = %y% }",
            metricTransformations=[{"metricName": "x", "metricNamespace": "x", "metricValue": "1"}],
        )
    full = run(name)
    assert isinstance(full.exception, AwsError)
    assert "limit of 5" in full.exception.message

    gone = CliRunner().invoke(app, ["aws", "setup", "--name", name, "--destroy", "--yes"])
    assert gone.exit_code == 0, f"{gone.output}{gone.exception}"
    assert cloudwatch.describe_alarms(AlarmNamePrefix="Threat-")["MetricAlarms"] == []
