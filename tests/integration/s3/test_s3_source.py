"""The S3 source against a server that speaks S3: objects, faults of settings, credentials."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from ingest.backfill.prefetch import Prefetcher
from ingest.objects import WHOLE_BYTES, Selection, TrailObject
from ingest.sources import open_source
from ingest.sources.s3 import S3Source
from tests.integration.s3.bucket_keys import ALL, BODY, ONE, Fill, keys, trail
from trailhound.errors import (
    ObjectNotFoundError,
    ObjectUnreadableError,
    SettingsError,
    SourceUnreachableError,
)
from trailhound.settings import AwsSettings, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_objects_carry_etag_and_size_and_open_to_their_bytes(
    fill: Fill, opened: Callable[..., S3Source], s3: S3Client, bucket: str
) -> None:
    fill(trail())
    source = opened("AWSLogs/")
    items = list(source.objects(ALL))
    head = s3.head_object(Bucket=bucket, Key=trail()[0])
    assert items[0].etag == head["ETag"].strip('"')
    assert items[0].size == len(BODY)
    with Prefetcher(source, iter(items), threads=8, max_bytes=1024) as ahead:
        fetched = {item.uri: stream.read() for item, stream in ahead}  # type: ignore[union-attr]
    assert fetched == {item.uri: BODY for item in items}


def test_an_object_deleted_meanwhile_is_gone(
    fill: Fill, opened: Callable[..., S3Source], s3: S3Client, bucket: str
) -> None:
    fill(trail())
    source = opened("AWSLogs/")
    items = list(source.objects(ALL))
    s3.delete_object(Bucket=bucket, Key=trail()[3])
    with Prefetcher(source, iter(items), threads=8, max_bytes=1024) as ahead:
        failed = {item.uri: type(got) for item, got in ahead if isinstance(got, Exception)}
    assert failed == {f"s3://{bucket}/{trail()[3]}": ObjectNotFoundError}


def test_a_large_object_is_streamed_and_must_not_change_meanwhile(
    fill: Callable[..., None], opened: Callable[..., S3Source]
) -> None:
    content = bytes(range(256)) * (WHOLE_BYTES // 256) + b"the end"
    fill(["large.json"], content)
    source = opened("large.json")
    (item,) = source.objects(ALL)
    with source.open(item) as stream:
        assert stream.read(1000) == content[:1000]
        assert stream.read() == content[1000:]
    with source.open(TrailObject(item.uri, item.etag, 10)) as stream:  # listed while it was small
        assert stream.read() == content
    with pytest.raises(ObjectUnreadableError, match="changed"):
        source.open(TrailObject(item.uri, "0" * 32, item.size))


@pytest.mark.parametrize("selection", [ALL, Selection(since=date(2024, 1, 1))])
def test_a_bucket_that_is_not_there(s3_endpoint: str, selection: Selection) -> None:
    settings = Settings(aws=AwsSettings(endpoint_url=s3_endpoint))
    source = open_source("s3://no-such-bucket-anywhere/AWSLogs/", settings)
    with pytest.raises(SourceUnreachableError, match="NoSuchBucket") as caught:
        list(source.objects(selection))
    assert "bucket's name" in caught.value.hint


def test_no_credentials(opened: Callable[..., S3Source], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(SourceUnreachableError, match="no usable AWS credentials"):
        list(opened().objects(ALL))
    assert list(opened(signature="unsigned").objects(ALL)) == []
    with pytest.raises(SourceUnreachableError, match="no AWS credentials to assume"):
        opened(role_arn=f"arn:aws:iam::{ONE}:role/reader")


def test_an_endpoint_where_nothing_listens(s3_endpoint: str) -> None:
    aws = AwsSettings(endpoint_url="http://user:hunter2@127.0.0.1:1")
    with pytest.raises(SourceUnreachableError) as caught:
        list(open_source("s3://bucket/x", Settings(aws=aws)).objects(ALL))
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert "aws.endpoint_url" in caught.value.hint


@pytest.mark.parametrize(
    "aws",
    [
        {"profile": "no-such-profile"},
        {"endpoint_url": "not a url"},
        {"sse_customer_key_file": Path("/no/such/file")},
    ],
)
def test_settings_that_do_not_fit(s3_endpoint: str, aws: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        open_source("s3://bucket/", Settings(aws=AwsSettings(**aws)))
    assert caught.value.hint
    assert "aws." in caught.value.message


def sent_headers(source: S3Source) -> list[tuple[str, dict[str, str]]]:
    """Operation and headers of each request that goes out from now on."""
    sent: list[tuple[str, dict[str, str]]] = []

    def record(request: Any, event_name: str, **_: Any) -> None:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        sent.append((event_name.rsplit(".", 1)[-1], headers))

    source.client.meta.events.register("before-send.s3.*", record)
    return sent


def test_the_requester_pays_for_listing_and_reading(
    fill: Callable[..., None], opened: Callable[..., S3Source]
) -> None:
    fill(["a.json"])
    fill(["large.json"], bytes(WHOLE_BYTES + 1))
    source = opened(requester_pays=True)
    sent = sent_headers(source)
    for item in source.objects(ALL):
        source.open(item).close()
    for item in source.objects(Selection(since=date(2024, 1, 1))):
        source.open(item).close()
    assert {operation for operation, _ in sent} == {"ListObjectsV2", "GetObject"}
    assert {headers.get("x-amz-request-payer") for _, headers in sent} == {"requester"}


@pytest.mark.parametrize("encoded", [False, True])
def test_a_customer_s_key_goes_with_every_read(
    fill: Callable[..., None],
    opened: Callable[..., S3Source],
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    encoded: bool,
) -> None:
    key = bytes(range(32))
    file = tmp_path / "key"
    file.write_bytes(base64.b64encode(key) + b"\n" if encoded else key)
    fill(["a.json"])
    source = opened(sse_customer_key_file=file)
    sent = sent_headers(source)
    (item,) = source.objects(ALL)
    source.open(item)
    reads = [headers for operation, headers in sent if operation == "GetObject"]
    assert [read["x-amz-server-side-encryption-customer-key"] for read in reads] == [
        base64.b64encode(key).decode()
    ]
    file.write_bytes(b"too short")
    with pytest.raises(SettingsError, match="AES-256"):
        opened(sse_customer_key_file=file)


def test_a_role_is_assumed_with_its_external_id(
    fill: Fill, opened: Callable[..., S3Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(["a.json"])
    source = opened(
        role_arn=f"arn:aws:iam::{ONE}:role/reader", external_id="shared", region="eu-west-1"
    )
    sent = sent_headers(source)
    assert keys(source) == ["a.json"]
    (signature,) = {headers["authorization"].split("/")[0] for _, headers in sent}
    assert "Credential=ASIA" in signature  # the role's temporary key, not the caller's "testing"
    assert "testing" not in signature


def test_signatures(fill: Fill, opened: Callable[..., S3Source]) -> None:
    fill(["a.json"])
    begin = {}
    for signature in ("v4", "v2", "unsigned", None):
        source = opened(signature=signature)
        sent = sent_headers(source)
        assert keys(source) == ["a.json"]
        begin[signature] = sent[0][1].get("authorization", "none").split(" ")[0]
    assert begin == {
        "v4": "AWS4-HMAC-SHA256",
        "v2": "AWS",
        "unsigned": "none",
        None: "AWS4-HMAC-SHA256",
    }


def test_the_plain_client_sees_the_same_bucket(s3_endpoint: str, bucket: str, fill: Fill) -> None:
    fill(["a.json"])
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
