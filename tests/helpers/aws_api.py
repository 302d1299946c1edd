"""AWS's APIs in front of moto: what moto lacks is answered here as AWS documents it, everything
else by moto; a call can be refused on demand, and each is noted.

moto (5.2.5) lacks the size filter of an S3 lifecycle rule, which it drops: a configuration is kept
as it was put, and given back. It lacks the times of deliveries in GetTrailStatus, and
TestMetricFilter, which reads patterns as
`trailhound.aws.filter_patterns` does, and keeps both of two filters of one name. Its Logs Insights
takes no notice of the query: where a test gives `insights` log groups, those answer instead.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.helpers.fixtures_s3 import LOGIN
from tests.helpers.local_servers import LocalServer, answering
from tests.helpers.logs_insights import ACTIONS as INSIGHTS
from tests.helpers.logs_insights import LogsInsightsApi
from tests.helpers.queues import PATIENCE
from trailhound.aws.filter_patterns import matcher

S3_ACTIONS = {
    "GET": "s3:ListAllMyBuckets",
    "HEAD": "s3:ListBucket",
    "GET ?list-type": "s3:ListBucket",
    "PUT": "s3:CreateBucket",
    "DELETE": "s3:DeleteBucket",
    "GET ?location": "s3:GetBucketLocation",
    "GET ?tagging": "s3:GetBucketTagging",
    "PUT ?tagging": "s3:PutBucketTagging",
    "GET ?versioning": "s3:GetBucketVersioning",
    "PUT ?versioning": "s3:PutBucketVersioning",
    "GET ?encryption": "s3:GetEncryptionConfiguration",
    "PUT ?encryption": "s3:PutEncryptionConfiguration",
    "GET ?publicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "PUT ?publicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "DELETE ?publicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "GET ?policy": "s3:GetBucketPolicy",
    "PUT ?policy": "s3:PutBucketPolicy",
    "GET ?lifecycle": "s3:GetLifecycleConfiguration",
    "PUT ?lifecycle": "s3:PutLifecycleConfiguration",
    "GET ?object-lock": "s3:GetBucketObjectLockConfiguration",
    "PUT ?object-lock": "s3:PutBucketObjectLockConfiguration",
    "GET ?notification": "s3:GetBucketNotification",
    "PUT ?notification": "s3:PutBucketNotification",
    "GET ?versions": "s3:ListBucketVersions",
    "POST ?delete": "s3:DeleteObjectVersion",
    "GET ?acl": "s3:GetBucketAcl",
    "PUT ?acl": "s3:PutBucketAcl",
    "GET ?policyStatus": "s3:GetBucketPolicyStatus",
    "GET ?logging": "s3:GetBucketLogging",
    "PUT ?logging": "s3:PutBucketLogging",
}
"""Which permission a request needs ("Actions, resources, and condition keys for Amazon S3")."""
_SERVICES = {
    "Logs_20140328": "logs",
    "AmazonSQS": "sqs",
    "TrentService": "kms",
    "CloudTrail_20131101": "cloudtrail",
    "AWSOrganizationsV20161128": "organizations",
    "GraniteServiceVersion20100801": "cloudwatch",
    "StarlingDoveService": "config",
}
_PATHS = {
    "/v20180820/configuration/publicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "/accounts": "securityhub:DescribeHub",
}
"""Calls of APIs that are told apart by their paths."""


class AwsApi:
    """`calls` are permissions, as IAM names them, that calls so far needed. `refusals` maps such a
    name to the code with which AWS refuses it. `deliveries` are members of GetTrailStatus that
    moto lacks; `account_block`: the account blocks public access to all of its buckets."""

    def __init__(self, moto: str) -> None:
        self.moto = urlsplit(moto)
        self.url = ""
        self.calls: set[str] = set()
        self.refusals: dict[str, str] = {}
        self.lifecycles: dict[str, bytes] = {}
        self.deliveries: dict[str, Any] = {}
        self.account_block = False
        self.insights = LogsInsightsApi()

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, bytes] | None:
        """What AWS would say; None where moto knows."""
        action = action_of(method, path, headers, body)
        self.calls.add(action)
        if action in self.refusals:
            return _refusal(self.refusals[action], action, headers, method)
        if action == "logs:TestMetricFilter":
            return 200, json.dumps({"matches": tested(json.loads(body))}).encode()
        if action in INSIGHTS and self.insights.groups:
            return self.insights.answer(action, _region(headers), json.loads(body))
        if action == "s3:GetAccountPublicAccessBlock":
            return self._account_block()
        if path.partition("?")[2].startswith("lifecycle"):
            bucket = urlsplit(path).path.strip("/")
            if method == "PUT":
                self.lifecycles[bucket] = body
                return 200, b""
            if bucket in self.lifecycles:
                return 200, self.lifecycles[bucket]
        return None

    def _account_block(self) -> tuple[int, bytes]:
        if not self.account_block:
            return 404, b"<Error><Code>NoSuchPublicAccessBlockConfiguration</Code></Error>"
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy")
        members = "".join(f"<{name}>true</{name}>" for name in (*names, "RestrictPublicBuckets"))
        root = "PublicAccessBlockConfiguration"
        return 200, f"<{root}>{members}</{root}>".encode()

    def amended(self, action: str, content: bytes) -> bytes:
        """moto's answer with what it lacks."""
        if action == "cloudtrail:GetTrailStatus" and b"IsLogging" in content:
            return json.dumps({**json.loads(content), **self.deliveries}).encode()
        return content


def _region(headers: Any) -> str:
    """For which a request is signed."""
    signed = re.search(r"Credential=[^/]+/\d+/([^/]+)/", headers.get("Authorization", ""))
    return signed[1] if signed else ""


def tested(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that a pattern matches, as TestMetricFilter gives them."""
    matches = matcher(asked["filterPattern"])
    return [
        {"eventNumber": number, "eventMessage": message, "extractedValues": {}}
        for number, message in enumerate(asked["logEventMessages"], 1)
        if matches(json.loads(message))
    ]


def action_of(method: str, path: str, headers: Any, body: bytes) -> str:
    """The permission that a call needs."""
    if target := headers.get("X-Amz-Target"):
        service, _, operation = target.rpartition(".")
        return f"{_SERVICES[service.rpartition('.')[2]]}:{operation}"
    if found := re.fullmatch(r"/service/(\w+)/operation/(\w+)", path):
        return f"{_SERVICES[found[1]]}:{found[2]}"
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        operation = parse_qs(body.decode())["Action"][0]
        signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("Authorization", ""))
        service = signed[1] if signed else "?"
        return f"{'cloudwatch' if service == 'monitoring' else service}:{operation}"
    query = re.split(r"[=&]", path.partition("?")[2])[0]
    if urlsplit(path).path in _PATHS:
        return _PATHS[urlsplit(path).path]
    if urlsplit(path).path.strip("/").count("/"):
        return f"s3:{'Get' if method in ('GET', 'HEAD') else 'Put'}Object"
    return S3_ACTIONS[f"{method} ?{query}" if query else method]


def _refusal(code: str, action: str, headers: Any, method: str) -> tuple[int, bytes]:
    said = f"not authorized: {action}"
    if headers.get("X-Amz-Target"):
        return 400, json.dumps({"__type": code, "message": said}).encode()
    if action.startswith("s3:"):
        body = f"<Error><Code>{code}</Code><Message>{said}</Message></Error>".encode()
        return 403, b"" if method == "HEAD" else body
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{said}</Message></Error>"
    return 403, f"<ErrorResponse>{error}</ErrorResponse>".encode()


@contextmanager
def serving(moto: str) -> Iterator[AwsApi]:
    """The API, at `url`."""
    api = AwsApi(moto)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            own = api.answer(self.command, self.path, self.headers, body)
            if own is not None:
                self._reply(own[0], {}, own[1])
                return
            host, port = api.moto.hostname or "", api.moto.port
            forwarded = http.client.HTTPConnection(host, port, timeout=PATIENCE)
            forwarded.request(self.command, self.path, body, dict(self.headers.items()))
            reply = forwarded.getresponse()
            content = reply.read()
            content = api.amended(action_of(self.command, self.path, self.headers, body), content)
            kept = {
                name: value
                for name, value in reply.getheaders()
                if name.lower() not in ("content-length", "transfer-encoding", "connection")
            }
            self._reply(reply.status, kept, content)
            forwarded.close()

        def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Nothing: it would be between the tests' own lines."""

    with answering(LocalServer(Answer)) as server:
        api.url = server.url
        yield api


@pytest.fixture(scope="module")
def aws_api(moto_endpoint: str) -> Iterator[AwsApi]:
    """AWS for a module of tests: every client of the process speaks to it. Nothing is in its
    accounts at first: what checks an account judges whatever it finds there."""
    urlopen(Request(f"{moto_endpoint}/moto-api/reset", method="POST")).close()
    with serving(moto_endpoint) as api, pytest.MonkeyPatch.context() as patch:
        for name, value in (LOGIN | {"AWS_ENDPOINT_URL": api.url}).items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_STS", "AWS_REGION"):
            patch.delenv(name, raising=False)
        yield api
