"""The client tool behind `userAgent`: its name, version and kind."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

from enrich.address import AWS_DOMAINS

AgentKind = Literal["console", "cli", "sdk", "iac", "service", "offensive", "browser", "other"]

LONGEST = 2048
"""Characters of a user agent that are parsed."""
LONGEST_VERSION = 64


class Agent(NamedTuple):
    """`version` is empty where the text gives none."""

    name: str
    version: str
    kind: AgentKind


_DOMAINS = "|".join(map(re.escape, AWS_DOMAINS))
_VERSION = r"[/ #]v?(?P<version>[0-9]+(?:\.[0-9A-Za-z+-]+)*)"


def _rule(pattern: str, name: str, kind: AgentKind) -> tuple[str, str, AgentKind]:
    return f"(?:{pattern})(?:{_VERSION})?", name, kind


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when it is first searched for: a start would wait for all of them."""
    return re.compile(pattern, re.IGNORECASE)


RULES: tuple[tuple[str, str, AgentKind], ...] = (
    # Attack tools first: they use SDKs, which the patterns below would match.
    _rule(r"\bpacu\b", "Pacu", "offensive"),
    _rule(r"stratus-red-team", "Stratus Red Team", "offensive"),
    _rule(r"exec-env/grimoire\w*|\bgrimoire", "Grimoire", "offensive"),
    _rule(r"trufflehog", "TruffleHog", "offensive"),
    _rule(r"scout ?suite", "ScoutSuite", "offensive"),
    _rule(r"\bprowler", "Prowler", "offensive"),
    _rule(r"cloudfox", "CloudFox", "offensive"),
    _rule(r"cloudsploit", "CloudSploit", "offensive"),
    _rule(r"enumerate-iam", "enumerate-iam", "offensive"),
    _rule(r"weirdaal", "weirdAAL", "offensive"),
    _rule(r"nimbostratus", "Nimbostratus", "offensive"),
    _rule(r"cloudmapper", "CloudMapper", "offensive"),
    _rule(r"\bs3scanner", "S3Scanner", "offensive"),
    _rule(r"\bnuclei\b", "Nuclei", "offensive"),
    _rule(r"\bsqlmap", "sqlmap", "offensive"),
    _rule(r"\bgobuster", "Gobuster", "offensive"),
    _rule(r"\bnmap\b", "Nmap", "offensive"),
    # Penetration-testing systems name themselves in the kernel's release.
    _rule(r"[/#.-]kali", "Kali Linux", "offensive"),
    _rule(r"[/#.-]parrot", "Parrot Security", "offensive"),
    _rule(r"[/#.-]pentoo", "Pentoo", "offensive"),
    # Infrastructure as code, likewise above the SDKs.
    _rule(r"opentofu", "OpenTofu", "iac"),
    _rule(r"terraform(?!-provider)", "Terraform", "iac"),
    _rule(r"terraform-provider-aws", "Terraform", "iac"),
    _rule(r"pulumi", "Pulumi", "iac"),
    _rule(r"aws-cdk|\bcdk\b", "AWS CDK", "iac"),
    _rule(r"\bansible", "Ansible", "iac"),
    _rule(r"crossplane", "Crossplane", "iac"),
    _rule(r"\bpacker\b", "Packer", "iac"),
    _rule(r"cloudcustodian|cloud-custodian|\bc7n\b", "Cloud Custodian", "iac"),
    _rule(r"serverless[- ]framework|\bserverless(?=/)", "Serverless Framework", "iac"),
    _rule(r"aws-sam-cli", "AWS SAM CLI", "iac"),
    _rule(r"\bsaltstack", "Salt", "iac"),
    _rule(r"hashicorp", "HashiCorp", "iac"),
    # The console, by its hosts and back ends.
    _rule(
        r"^\[?(?:console|signin)\.(?:[\w-]+\.)?(?:amazonaws|aws\.amazon)[\w-]*\.(?:com|cn|eu)",
        "",
        "console",
    ),
    _rule(r"s3console", "S3 Console", "console"),
    _rule(r"cloudwatch ?console", "CloudWatch Console", "console"),
    _rule(r"ec2consolebackend", "EC2 Console", "console"),
    _rule(r"aws-?console|aws ?management ?console", "AWS Console", "console"),
    _rule(r"\b\w{1,40}console(?=/)", "", "console"),
    # Services.
    _rule(rf"^\[?[a-z0-9._-]+\.(?:{_DOMAINS})\b", "", "service"),
    _rule(r"^\[?aws internal", "AWS Internal", "service"),
    _rule(r"amazon-ssm-agent", "SSM Agent", "service"),
    # Command lines, then SDKs.
    _rule(r"aws-cli", "AWS CLI", "cli"),
    _rule(r"awspowershell|aws-tools-for-powershell|aws\.tools\.\w+", "AWS PowerShell", "cli"),
    _rule(r"\beksctl", "eksctl", "cli"),
    _rule(r"\bsteampipe", "Steampipe", "cli"),
    _rule(r"\bs5cmd", "s5cmd", "cli"),
    _rule(r"\brclone", "rclone", "cli"),
    _rule(r"s3 browser", "S3 Browser", "other"),
    _rule(r"cyberduck", "Cyberduck", "other"),
    _rule(r"boto3", "Boto3", "sdk"),
    _rule(r"aiobotocore", "aiobotocore", "sdk"),
    _rule(r"botocore", "Botocore", "sdk"),
    _rule(r"boto", "Boto", "sdk"),
    _rule(r"aws-sdk-go-v2", "AWS SDK for Go v2", "sdk"),
    _rule(r"aws-sdk-go", "AWS SDK for Go", "sdk"),
    _rule(r"aws-sdk-java", "AWS SDK for Java", "sdk"),
    _rule(r"aws-sdk-nodejs", "AWS SDK for JavaScript", "sdk"),
    _rule(r"aws-sdk-js", "AWS SDK for JavaScript", "sdk"),
    _rule(r"aws-sdk-ruby\d?", "AWS SDK for Ruby", "sdk"),
    _rule(r"aws-sdk-php\d?", "AWS SDK for PHP", "sdk"),
    _rule(r"aws-sdk-dotnet[\w-]*", "AWS SDK for .NET", "sdk"),
    _rule(r"aws-sdk-rust", "AWS SDK for Rust", "sdk"),
    _rule(r"aws-sdk-cpp", "AWS SDK for C++", "sdk"),
    _rule(r"aws-sdk-kotlin", "AWS SDK for Kotlin", "sdk"),
    _rule(r"aws-sdk-swift", "AWS SDK for Swift", "sdk"),
    _rule(r"aws-sdk-ios", "AWS SDK for iOS", "sdk"),
    _rule(r"aws-sdk-android", "AWS SDK for Android", "sdk"),
    _rule(r"aws-sdk-[a-z]+", "AWS SDK", "sdk"),
    _rule(r"aws-internal", "AWS Internal", "service"),
    # Browsers: those that contain Chrome before Chrome, Chrome before Safari.
    _rule(r"\bedge?\b", "Edge", "browser"),
    _rule(r"\bopr\b|\bopera\b", "Opera", "browser"),
    _rule(r"firefox", "Firefox", "browser"),
    _rule(r"headlesschrome", "Headless Chrome", "browser"),
    _rule(r"chrome", "Chrome", "browser"),
    _rule(r"version/[0-9.]+ (?:mobile/\w+ )?safari|safari", "Safari", "browser"),
    _rule(r"^\[?mozilla", "Mozilla", "browser"),
    # Plain HTTP.
    _rule(r"\bcurl\b", "curl", "other"),
    _rule(r"python-requests", "Requests", "other"),
    _rule(r"python-urllib\d?", "urllib", "other"),
    _rule(r"go-http-client", "Go HTTP client", "other"),
    _rule(r"postmanruntime", "Postman", "other"),
)
"""Pattern, name (empty: as the text has it) and kind; the first that is found decides."""

_COMMAND = re.compile(r"md/command#\S*")
"""The AWS CLI's command (`md/command#redshift-serverless.list…`), which is not a tool's name."""
_FIRST_WORD = re.compile(rf"\[?([^\s/\],;(]{{1,100}})(?:{_VERSION})?")
_MATCHED_NAME = re.compile(r"[\w.-]+")


def agent(text: str) -> Agent | None:
    """The tool that a `userAgent` names; `None` for an empty one.

    >>> agent("aws-cli/2.13.0 Python/3.11.4 Linux/5.10 exe/x86_64")
    Agent(name='AWS CLI', version='2.13.0', kind='cli')
    >>> agent("cloudformation.amazonaws.com")
    Agent(name='cloudformation.amazonaws.com', version='', kind='service')
    """
    text = _COMMAND.sub("", text[:LONGEST]).strip()
    if not text:
        return None
    for pattern, name, kind in RULES:
        found = _compiled(pattern).search(text)
        if found:
            return Agent(name or _as_written(found), _version(found), kind)
    word = _FIRST_WORD.match(text)
    if word is None:
        return Agent("unknown", "", "other")
    return Agent(word[1], _version(word), "other")


def _version(found: re.Match[str]) -> str:
    return (found["version"] or "")[:LONGEST_VERSION]


def _as_written(found: re.Match[str]) -> str:
    """The name in the text itself, without its bracket and version."""
    text = found[0]
    name = _MATCHED_NAME.search(
        text[: found.start("version") - found.start() - 1] if found["version"] else text
    )
    return name[0] if name else text
