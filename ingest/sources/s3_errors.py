"""Errors of S3 and the AWS client, as Trailhound's errors.

The sentences are Trailhound's: the client's own can contain a signed URL or an endpoint's password.
"""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import ClientError, ParamValidationError

from ingest.sources.aws_codes import CREDENTIALS, LOGIN_FAILURES, THROTTLED
from ingest.sources.session import NO_CREDENTIALS_FOR_S3
from trailhound.errors import (
    BucketNotFoundError,
    ListingDeniedError,
    ObjectAccessDeniedError,
    ObjectArchivedError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
)

_AGAIN: Final = "run again: ingested objects are skipped"
_EVERYWHERE: Final = {
    **{code: f"{advice}; {_AGAIN}" for code, advice in CREDENTIALS.items()},
    "SignatureDoesNotMatch": "check the secret key, the machine's clock, and aws.endpoint_url "
    "where one is set",
    "AccountProblem": "the account cannot use S3: ask AWS Support",
    "NotSignedUp": "the account cannot use S3",
    "NoSuchBucket": "check the bucket's name, and aws.endpoint_url where one is set",
    "InvalidBucketName": "check the bucket's name",
    "PermanentRedirect": "the bucket is in another region: set aws.region to it",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set aws.region to it",
    "IllegalLocationConstraintException": "the bucket is in another region: set aws.region to it",
}
"""Codes that every further request would get too, and what to do."""

_NO_BUCKET: Final = frozenset({"NoSuchBucket", "InvalidBucketName"})
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "Forbidden", "403", "401"}
)
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound", "404", "MethodNotAllowed"})
_CHANGED: Final = frozenset({"PreconditionFailed", "412"})
_RESTORE: Final = (
    "run `trailhound backfill --restore`, or restore it (aws s3api restore-object) and run again"
)
_KMS: Final = "grant kms:Decrypt on the key that encrypts the bucket, and see that it is enabled"
_READ: Final = "grant s3:GetObject on it; a requester-pays bucket needs aws.requester_pays"
_LIST: Final = "grant s3:ListBucket on the bucket; a requester-pays bucket needs aws.requester_pays"
_SSE_C: Final = (
    "if it is encrypted with a customer-provided key (SSE-C), set aws.sse_customer_key_file"
)
_SLOWER: Final = (
    "S3 throttles: lower ingest.prefetch_threads, and run again: ingested objects are skipped"
)


def listing_error(error: Exception, place: str) -> SourceUnreachableError:
    """Why a bucket could not be listed. `place` is `s3://bucket/prefix`."""
    if isinstance(error, ClientError):
        code = code_of(error)
        if is_assuming(error):
            return role_refused(code)
        if code in _NO_BUCKET:
            return SourceNotFoundError(f"{place}: no such bucket ({code})", hint=_EVERYWHERE[code])
        if code in _EVERYWHERE:
            return SourceUnreachableError(f"{place}: {code}", hint=_EVERYWHERE[code])
        if code in _DENIED:
            return ListingDeniedError(
                f"{place}: listing is denied ({reason_of(error)})", hint=_LIST
            )
        if code in _GONE:
            return SourceNotFoundError(
                f"{place}: no such bucket ({code})", hint=_EVERYWHERE["NoSuchBucket"]
            )
        hint = _SLOWER if code in THROTTLED else _AGAIN
        return SourceUnreachableError(f"{place}: cannot be listed ({reason_of(error)})", hint=hint)
    if isinstance(error, LOGIN_FAILURES):
        return SourceUnreachableError(
            f"{place}: no usable AWS credentials", hint=NO_CREDENTIALS_FOR_S3
        )
    return SourceUnreachableError(
        f"{place}: cannot be listed ({type(error).__name__})",
        hint="check the network and aws.endpoint_url",
    )


def object_error(error: Exception, uri: str) -> SourceError:
    """Why one object could not be fetched.

    `SourceUnreachableError` if every other object would fail too (credentials, bucket, role).
    """
    if not isinstance(error, ClientError):
        if isinstance(error, LOGIN_FAILURES):
            return SourceUnreachableError(
                f"{uri}: no usable AWS credentials", hint=NO_CREDENTIALS_FOR_S3
            )
        if isinstance(error, ParamValidationError) and "Invalid bucket name" in str(error):
            return BucketNotFoundError(
                f"{uri}: no such bucket (not a valid bucket name)",
                hint=_EVERYWHERE["InvalidBucketName"],
            )
        return ObjectUnreadableError(
            f"{uri}: fetching failed ({type(error).__name__})", hint=_AGAIN
        )
    code = code_of(error)
    if is_assuming(error):
        return role_refused(code)
    if code in _NO_BUCKET:
        return BucketNotFoundError(f"{uri}: no such bucket ({code})", hint=_EVERYWHERE[code])
    if code in _EVERYWHERE:
        return SourceUnreachableError(f"{uri}: {code}", hint=_EVERYWHERE[code])
    reason = reason_of(error)
    if code == "InvalidObjectState":
        return ObjectArchivedError(f"{uri}: archived, not readable now", hint=_RESTORE)
    if code.startswith("KMS.") or (code in _DENIED and "kms:" in reason.lower()):
        return ObjectAccessDeniedError(f"{uri}: its key is denied ({reason})", hint=_KMS)
    if code in _DENIED:
        return ObjectAccessDeniedError(f"{uri}: reading is denied ({reason})", hint=_READ)
    if code in _GONE:
        return ObjectNotFoundError(
            f"{uri}: deleted since it was listed", hint="it cannot be read any more"
        )
    if code in _CHANGED:
        return ObjectUnreadableError(f"{uri}: changed while it was being read", hint=_AGAIN)
    if code in {"InvalidRequest", "InvalidArgument", "400"}:
        return ObjectAccessDeniedError(f"{uri}: S3 rejects the request ({reason})", hint=_SSE_C)
    hint = _SLOWER if code in THROTTLED else _AGAIN
    return ObjectUnreadableError(f"{uri}: fetching failed ({reason})", hint=hint)


def code_of(error: ClientError) -> str:
    """AWS's own name of an error."""
    return str(error.response.get("Error", {}).get("Code") or "unknown")


def is_assuming(error: ClientError) -> bool:
    """Whether it was not S3 that refused, but STS while the role was assumed."""
    return error.operation_name.startswith("AssumeRole")


def role_refused(code: str, role: str = "aws.role_arn") -> SourceUnreachableError:
    """A role can't be assumed: that of the settings, or another by its ARN."""
    return SourceUnreachableError(
        f"{role}: the role cannot be assumed ({code})",
        hint="check the role's trust policy, aws.external_id and the caller's sts:AssumeRole",
    )


def reason_of(error: ClientError) -> str:
    """Code and AWS's own words, on one line, without URLs' credentials and queries."""
    words = str(error.response.get("Error", {}).get("Message") or "")
    words = re.sub(r"://[^/@\s]*@", "://", words)
    words = re.sub(r"\?[^\s\"']*", "", words)
    words = re.sub(r"[\x00-\x1f\x7f\s]+", " ", words)[:300].strip()
    if words.startswith("<"):  # a page, of a proxy say: none of AWS's words
        words = "a page came in place of AWS's answer"
    return f"{code_of(error)}: {words}" if words else code_of(error)
