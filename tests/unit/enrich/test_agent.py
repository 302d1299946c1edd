from __future__ import annotations

import pytest

from enrich.agent import agent

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("text", "name", "version", "kind"),
    [
        ("aws-cli/2.13.0 Python/3.11.4 Linux/5.10 exe/x86_64", "AWS CLI", "2.13.0", "cli"),
        ("[aws-cli/1.15.42 Python/3.6.1 botocore/1.10.42]", "AWS CLI", "1.15.42", "cli"),
        (
            "aws-cli/2.32.3 md/command#redshift-serverless.list-workgroups",
            "AWS CLI",
            "2.32.3",
            "cli",
        ),
        ("Boto3/1.15.2 Python/3.8.2 Linux/5.6.3-arch1-1 Botocore/1.18.2", "Boto3", "1.15.2", "sdk"),
        ("Boto3/1.26 md/Botocore#1.29 Linux/6.1.0-kali5-amd64", "Kali Linux", "", "offensive"),
        ("aws-sdk-go-v2/1.17.3 os/linux", "AWS SDK for Go v2", "1.17.3", "sdk"),
        ("aws-sdk-go/1.15.12 (go1.12.6; linux; amd64)", "AWS SDK for Go", "1.15.12", "sdk"),
        ("aws-sdk-java/1.11.666 Linux/4.9", "AWS SDK for Java", "1.11.666", "sdk"),
        (
            "APN/1.0 HashiCorp/1.0 Terraform/1.11.0 terraform-provider-aws/5.98.0 aws-sdk-go/1",
            "Terraform",
            "1.11.0",
            "iac",
        ),
        ("Pulumi/3.0 aws-sdk-go/1.44", "Pulumi", "3.0", "iac"),
        ("console.amazonaws.com", "console.amazonaws.com", "", "console"),
        ("console.ec2.amazonaws.com", "console.ec2.amazonaws.com", "", "console"),
        ("signin.amazonaws.com", "signin.amazonaws.com", "", "console"),
        ("[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11.666]", "S3 Console", "0.4", "console"),
        ("cloudformation.amazonaws.com", "cloudformation.amazonaws.com", "", "service"),
        ("AWS Internal", "AWS Internal", "", "service"),
        ("amazon-ssm-agent/3.2.0", "SSM Agent", "3.2.0", "service"),
        ("TruffleHog", "TruffleHog", "", "offensive"),
        ("stratus-red-team_0a1b2c3d", "Stratus Red Team", "", "offensive"),
        ("Pacu/1.0 Boto3/1.2", "Pacu", "1.0", "offensive"),
        (CHROME + "Chrome/131.0.0.0 Safari/537.36", "Chrome", "131.0.0.0", "browser"),
        (CHROME + "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2", "Edge", "131.0.2", "browser"),
        ("Mozilla/5.0 (X11; rv:124.0) Gecko/20100101 Firefox/124.0", "Firefox", "124.0", "browser"),
        ("S3 Browser/9.5.5 (https://s3browser.com)", "S3 Browser", "9.5.5", "other"),
        ("curl/8.4.0", "curl", "8.4.0", "other"),
        ("Datadog", "Datadog", "", "other"),
        ("my-tool/2.1 (x)", "my-tool", "2.1", "other"),
        ("()", "unknown", "", "other"),
    ],
)
def test_the_tool_behind_a_user_agent(text: str, name: str, version: str, kind: str) -> None:
    assert agent(text) == (name, version, kind)


@pytest.mark.parametrize("text", ["", "   "])
def test_no_agent(text: str) -> None:
    assert agent(text) is None


@pytest.mark.parametrize("text", ["w" * 100_000, "console" * 9_000, "a." * 9_000, "[" * 9_000])
def test_a_hostile_text_ends_in_a_short_name(text: str) -> None:
    found = agent(text)
    assert found is not None
    assert len(found.name) <= 100 + len("console")
