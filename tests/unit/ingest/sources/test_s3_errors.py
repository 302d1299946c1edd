"""What S3 answers, and what a user is told of it."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSOTokenLoadError,
)

from ingest.sources.s3_errors import listing_error, object_error, reason_of
from trailhound.aws.refusals import refused
from trailhound.errors import (
    BucketNotFoundError,
    ObjectAccessDeniedError,
    ObjectArchivedError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    SourceError,
    SourceUnreachableError,
)

URI = "s3://bucket/key.json.gz"
SECRET_URL = "https://user:hunter2@s3.example/bucket?X-Amz-Signature=abc&X-Amz-Credential=AKIA"


def refusal(code: str, message: str = "", operation: str = "GetObject") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (refusal("NoSuchKey"), ObjectNotFoundError, "read any more"),
        (refusal("404"), ObjectNotFoundError, "read any more"),
        (refusal("MethodNotAllowed"), ObjectNotFoundError, "read any more"),
        (refusal("AccessDenied"), ObjectAccessDeniedError, "s3:GetObject"),
        (refusal("403"), ObjectAccessDeniedError, "s3:GetObject"),
        (
            refusal("AccessDenied", "not authorized to perform: kms:Decrypt on this key"),
            ObjectAccessDeniedError,
            "kms:Decrypt",
        ),
        (refusal("KMS.DisabledException"), ObjectAccessDeniedError, "enabled"),
        (refusal("InvalidObjectState"), ObjectArchivedError, "--restore"),
        (refusal("InvalidRequest"), ObjectAccessDeniedError, "sse_customer_key_file"),
        (refusal("PreconditionFailed"), ObjectUnreadableError, "run again"),
        (refusal("SlowDown"), ObjectUnreadableError, "prefetch_threads"),
        (refusal("InternalError"), ObjectUnreadableError, "run again"),
        (ReadTimeoutError(endpoint_url=SECRET_URL), ObjectUnreadableError, "run again"),
        (EndpointConnectionError(endpoint_url=SECRET_URL), ObjectUnreadableError, "run again"),
        (OSError(104, "Connection reset by peer"), ObjectUnreadableError, "run again"),
        (refusal("ExpiredToken"), SourceUnreachableError, "renew"),
        (refusal("NoSuchBucket"), BucketNotFoundError, "bucket's name"),
        (refusal("InvalidAccessKeyId"), SourceUnreachableError, "profile"),
        (NoCredentialsError(), SourceUnreachableError, "credentials"),
        (refusal("AccessDenied", operation="AssumeRole"), SourceUnreachableError, "trust policy"),
    ],
)
def test_object_errors(error: Exception, kind: type[SourceError], hint: str) -> None:
    found = object_error(error, URI)
    assert type(found) is kind
    assert hint in found.hint
    assert URI in found.message or "aws.role_arn" in found.message


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (refusal("NoSuchBucket"), "NoSuchBucket", "name"),
        (refusal("404"), "no such bucket", "name"),
        (refusal("AccessDenied"), "denied", "s3:ListBucket"),
        (refusal("ExpiredToken"), "ExpiredToken", "renew"),
        (refusal("PermanentRedirect"), "PermanentRedirect", "aws.region"),
        (refusal("AuthorizationHeaderMalformed"), "Malformed", "aws.region"),
        (refusal("RequestTimeTooSkewed"), "Skewed", "clock"),
        (NoCredentialsError(), "no usable AWS credentials", "aws.profile"),
        (SSOTokenLoadError(error_msg="x"), "no usable AWS credentials", "aws sso login"),
        (EndpointConnectionError(endpoint_url=SECRET_URL), "EndpointConnectionError", "network"),
        (refusal("AccessDenied", operation="AssumeRole"), "aws.role_arn", "external_id"),
        (refusal("Odd", "a new thing"), "Odd: a new thing", "run again"),
    ],
)
def test_listing_errors(error: Exception, words: str, hint: str) -> None:
    found = listing_error(error, "s3://bucket/AWSLogs/")
    assert words in found.message
    assert hint in found.hint


@pytest.mark.parametrize("error_of", [object_error, listing_error])
@pytest.mark.parametrize(
    "error",
    [
        refusal("AccessDenied", f"see {SECRET_URL}\nand more"),
        refusal("Odd", SECRET_URL),
        EndpointConnectionError(endpoint_url=SECRET_URL),
        ReadTimeoutError(endpoint_url=SECRET_URL),
    ],
)
def test_no_secret_is_shown(error_of, error: Exception) -> None:  # type: ignore[no-untyped-def]
    message = error_of(error, URI).message
    for secret in ("hunter2", "Signature", "AKIA", "\n"):
        assert secret not in message


def test_a_long_answer_is_cut() -> None:
    assert len(object_error(refusal("Odd", "x" * 10_000), URI).message) < 500


def test_a_page_that_came_in_place_of_an_answer_is_not_repeated() -> None:
    page = "<!DOCTYPE html>\n<html><h1>500 Internal Server Error</h1></html>"
    error = ClientError({"Error": {"Code": "500", "Message": page}}, "TestMetricFilter")
    assert reason_of(error) == "500: a page came in place of AWS's answer"


def test_only_a_bucket_can_be_public() -> None:
    assert "unsigned" in (listing_error(NoCredentialsError(), "s3://bucket").hint or "")
    assert "unsigned" not in (refused(NoCredentialsError(), "the AWS identity").hint or "")
