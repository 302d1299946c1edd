"""A proxy or a captive portal that answers in AWS's place: a page with status 200."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from detections.notify.message import Message
from detections.notify.sns_channel import SnsChannel
from ingest.feeds.sqs_queue import open_queue
from ingest.objects import Selection
from ingest.sources import open_source
from ingest.sources.session import aws_session
from tests.helpers.local_servers import LocalServer, answering
from trailhound.errors import NotifyError, SourceUnreachableError
from trailhound.settings import ChannelSettings, Settings, load

PAGE = b"<html><body>Please sign in</body></html"


class _Portal(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def behind_a_portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with answering(LocalServer(_Portal)) as server:
        yield load(None, {"aws": {"endpoint_url": server.url, "region": "us-east-1"}})


def test_a_bucket_behind_a_portal_cannot_be_listed(behind_a_portal: Settings) -> None:
    source = open_source("s3://trails", behind_a_portal)
    with pytest.raises(SourceUnreachableError, match="s3://trails"):
        list(source.objects(Selection()))


def test_a_queue_behind_a_portal_does_not_answer(behind_a_portal: Settings) -> None:
    with pytest.raises(SourceUnreachableError, match="SQS does not answer"):
        open_queue(behind_a_portal.aws, "events", connections=1)


def test_a_topic_behind_a_portal_cannot_be_reached(behind_a_portal: Settings) -> None:
    topic = "arn:aws:sns:us-east-1:111122223333:alerts"
    settings = ChannelSettings(name="pager", kind="sns", topic=topic)
    channel = SnsChannel(settings, behind_a_portal.aws, aws_session)
    with pytest.raises(NotifyError, match="SNS cannot be reached"):
        channel.send(Message("key", "alert", "subject", "text"))
