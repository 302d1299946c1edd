"""A recorded attack as an attacker would hide it: by all that a caller chooses about itself.

The user agent, the names of roles, sessions and users are the caller's own choice, or that of
whoever made the role; here they all say infrastructure code and pipeline. What AWS writes (types of
identities, ids, addresses, `invokedBy`) stays as it was recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

AGENT = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) "
    "terraform-provider-aws/5.74.0 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.2 os/linux lang/go"
)
PREFIX = "github-gitlab-jenkins-cicd-deploy-codebuild-codepipeline-terraform-cloudformation-cdk-"
"""Before every name: it holds each part by which rules have known pipelines."""
SESSION = "GitHubActions-deploy@ci.example.com"


def forged(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under a forged agent, and forged names of caller, role and session.

    Calls that a service made itself stay as they are.

    >>> made = forged({"userAgent": "curl", "userIdentity": {
    ...     "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/web/i-1"}})
    >>> made["userAgent"] == AGENT, made["userIdentity"]["arn"].endswith(f"{PREFIX}web/{SESSION}")
    (True, True)
    """
    identity = record.get("userIdentity")
    if not isinstance(identity, Mapping) or identity.get("invokedBy"):
        return dict(record)
    written = json.dumps(record, ensure_ascii=False)
    session = _session(identity)
    for name in _names(identity):
        written = re.sub(
            rf'(?<=["/]){re.escape(_quoted(name))}(?=["/])',
            lambda found: PREFIX + found[0],
            written,
        )
    if session:
        written = re.sub(rf'(?<=[:/]){re.escape(_quoted(session))}(?=")', SESSION, written)
    made: dict[str, Any] = json.loads(written)
    return made | {"userAgent": AGENT}


def _names(identity: Mapping[str, Any]) -> set[str]:
    """The names of user and role, as the record has them."""
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    arn = str(identity.get("arn") or "")
    role = arn.split("/")[1] if ":assumed-role/" in arn else ""
    found = {identity.get("userName"), issuer.get("userName"), role}
    return {name for name in found if isinstance(name, str) and name}


def _session(identity: Mapping[str, Any]) -> str:
    arn = str(identity.get("arn") or "")
    return arn.rpartition("/")[2] if ":assumed-role/" in arn else ""


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)[1:-1]
