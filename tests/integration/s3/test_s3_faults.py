"""The S3 source against a server that answers as S3 does on its bad days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from ingest.backfill.prefetch import Prefetcher
from ingest.objects import WHOLE_BYTES, Selection, TrailObject
from ingest.sources import open_source
from ingest.sources.s3 import S3Source
from tests.helpers.local_servers import LocalServer, answering
from trailhound.backoff import Backoff
from trailhound.errors import (
    ObjectAccessDeniedError,
    ObjectArchivedError,
    ObjectUnreadableError,
    SourceError,
    SourceUnreachableError,
)
from trailhound.settings import AwsSettings, Settings

BODY = b'{"Records":[]}'
LARGE = bytes(range(256)) * (WHOLE_BYTES // 256) + b"the end"
LISTING = (
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>a.json</Key>"
    '<ETag>"e"</ETag><Size>14</Size></Contents></ListBucketResult>'
)


class Answer:
    """One answer: a status and a body, or S3's error code; `cut` ends the body too early."""

    def __init__(
        self,
        code: int = 200,
        body: bytes | str = b"",
        *,
        error: str = "",
        message: str = "",
        cut: int | None = None,
        region: str = "",
    ) -> None:
        self.code = code
        self.body = body.encode() if isinstance(body, str) else body
        if error:
            self.body = f"<Error><Code>{error}</Code><Message>{message}</Message></Error>".encode()
        self.cut = cut
        self.region = region


class BadDay(LocalServer):
    """Answers a path with its answers one after the other, then with the last one again."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: dict[str, list[str]] = defaultdict(list)
        self.regions: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: BadDay
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        asked = self.server.asked[path]
        asked.append(self.headers.get("Range", ""))
        self.server.regions.append(self.headers["Authorization"].split("/")[2])
        answers = self.server.answers[path]
        answer = answers[min(len(asked), len(answers)) - 1]
        start = int(asked[-1].removeprefix("bytes=").split("-")[0] or 0) if asked[-1] else 0
        body = answer.body[start:] if answer.code == 200 else answer.body
        self.send_response(206 if answer.code == 200 and asked[-1] else answer.code)
        if asked[-1]:
            total = len(answer.body)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if answer.region:
            self.send_header("x-amz-bucket-region", answer.region)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        if answer.cut is None:
            self.wfile.write(body)
        else:
            self.wfile.write(body[: answer.cut])
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def bad_day(
    s3_endpoint: str,  # for its environment: credentials, no configuration files
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[BadDay]:
    monkeypatch.setattr("ingest.sources.s3._BACKOFF", Backoff(0.0, 0.0))
    monkeypatch.setattr("ingest.sources.s3._TRIES", 3)
    with answering(BadDay()) as server:
        yield server


def source(server: BadDay) -> S3Source:
    found = open_source("s3://b/", Settings(aws=AwsSettings(endpoint_url=server.url)))
    assert isinstance(found, S3Source)
    return found


def item(key: str, size: int = len(BODY)) -> TrailObject:
    return TrailObject(f"s3://b/{key}", "e", size)


@pytest.mark.parametrize(
    ("answer", "kind", "hint"),
    [
        (
            Answer(403, error="AccessDenied", message="Access Denied"),
            ObjectAccessDeniedError,
            "s3:GetObject",
        ),
        (
            Answer(403, error="AccessDenied", message="not authorized to perform: kms:Decrypt"),
            ObjectAccessDeniedError,
            "kms:Decrypt",
        ),
        (Answer(400, error="KMS.DisabledException"), ObjectAccessDeniedError, "enabled"),
        (Answer(403, error="InvalidObjectState"), ObjectArchivedError, "--restore"),
        (
            Answer(400, error="InvalidRequest", message="SSE"),
            ObjectAccessDeniedError,
            "customer_key",
        ),
        (Answer(501, error="NotImplemented"), ObjectUnreadableError, "run again"),
        (Answer(200, BODY, cut=5), ObjectUnreadableError, "run again"),
        (Answer(400, error="ExpiredToken"), SourceUnreachableError, "renew"),
    ],
)
def test_refusals(bad_day: BadDay, answer: Answer, kind: type[SourceError], hint: str) -> None:
    bad_day.answers["/b/a.json"] = [answer]
    with pytest.raises(SourceError) as caught:
        source(bad_day).open(item("a.json"))
    assert type(caught.value) is kind
    assert hint in caught.value.hint
    assert "s3://b/a.json" in caught.value.message


def test_passing_faults_are_got_over(bad_day: BadDay) -> None:
    bad_day.answers["/b/a.json"] = [
        Answer(503, error="SlowDown"),
        Answer(500, error="InternalError"),
        Answer(200, BODY, cut=5),
        Answer(200, BODY),
    ]
    assert source(bad_day).open(item("a.json")).read() == BODY
    assert len(bad_day.asked["/b/a.json"]) == 4


def test_a_stream_picks_up_where_it_broke_off(bad_day: BadDay) -> None:
    bad_day.answers["/b/large"] = [Answer(200, LARGE, cut=5_000_000), Answer(200, LARGE)]
    with source(bad_day).open(item("large", len(LARGE))) as stream:
        assert stream.read() == LARGE
    first, second = bad_day.asked["/b/large"]
    assert first == "bytes=0-"
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 5_000_000


def test_a_stream_that_is_denied_half_way(bad_day: BadDay) -> None:
    bad_day.answers["/b/large"] = [
        Answer(200, LARGE, cut=5_000_000),
        Answer(403, error="AccessDenied"),
    ]
    with (
        source(bad_day).open(item("large", len(LARGE))) as stream,
        pytest.raises(ObjectAccessDeniedError, match="s3://b/large"),
    ):
        stream.read()


def test_one_denied_object_among_many(bad_day: BadDay) -> None:
    items = [item(f"{number}.json") for number in range(50)]
    for number in range(50):
        bad_day.answers[f"/b/{number}.json"] = [Answer(200, BODY)]
    bad_day.answers["/b/7.json"] = [Answer(403, error="AccessDenied")]
    with Prefetcher(source(bad_day), iter(items), threads=8, max_bytes=100) as ahead:
        got = {each.uri: stream for each, stream in ahead}
    assert len(got) == 50
    assert [uri for uri, stream in got.items() if isinstance(stream, SourceError)] == [
        "s3://b/7.json"
    ]


@pytest.mark.parametrize(
    ("answer", "words", "hint"),
    [
        (Answer(403, error="AccessDenied"), "listing is denied", "s3:ListBucket"),
        (Answer(400, error="ExpiredToken"), "ExpiredToken", "renew"),
        (Answer(403, error="InvalidAccessKeyId"), "InvalidAccessKeyId", "profile"),
        (Answer(403, error="RequestTimeTooSkewed"), "Skewed", "clock"),
        (Answer(200, "<not><xml"), "cannot be listed", "run again"),
    ],
)
@pytest.mark.parametrize("selection", [Selection(), Selection(regions=frozenset({"eu-west-1"}))])
def test_listing_refused(
    bad_day: BadDay, answer: Answer, words: str, hint: str, selection: Selection
) -> None:
    bad_day.answers["/b"] = [answer]
    with pytest.raises(SourceUnreachableError, match=words) as caught:
        list(source(bad_day).objects(selection))
    assert hint in caught.value.hint


def test_a_bucket_of_another_region_is_found_there(bad_day: BadDay) -> None:
    bad_day.answers["/b"] = [
        Answer(301, error="PermanentRedirect", region="eu-west-1"),
        Answer(200, LISTING),
    ]
    (found,) = source(bad_day).objects(Selection())
    assert found == TrailObject("s3://b/a.json", "e", 14)
    assert bad_day.regions[0] == "us-east-1"
    assert bad_day.regions[-1] == "eu-west-1"
