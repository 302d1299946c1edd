"""AWS's errors as `AwsError`s that say what to do, without credentials and signed URLs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import ClientError, ParamValidationError

from ingest.sources.aws_codes import CREDENTIALS, FAILURES, LOGIN_FAILURES, THROTTLED
from ingest.sources.s3_errors import (
    code_of,
    is_assuming,
    reason_of,
    role_refused,
)
from ingest.sources.session import NO_CREDENTIALS
from trailhound.errors import AwsError

_LATER: Final = "AWS limits the rate of calls: wait a minute"
_HINTS: Final = {
    **{code: f"{advice}, and run it again" for code, advice in CREDENTIALS.items()},
    **dict.fromkeys(THROTTLED, _LATER),
    "OptInRequired": "enable the region for the account",
    "InvalidHomeRegionException": "the trail belongs to another region: give it with --region",
    "MaximumNumberOfTrailsExceededException": "a region has at most 5 trails: delete one",
    "BucketAlreadyExists": "the bucket is another account's: give another name with --bucket",
    "BucketAlreadyOwnedByYou": "run it again: the bucket was made meanwhile",
    "OperationAborted": "S3 still works on the bucket: wait a minute",
    "InsufficientEncryptionPolicyException": "the key's policy does not let CloudTrail use it",
    "InsufficientS3BucketPolicyException": "the bucket's policy does not let CloudTrail write",
    "OrganizationNotInAllFeaturesModeException": "enable all features of the organisation",
    "CloudTrailAccessNotEnabledException": (
        "run `aws organizations enable-aws-service-access --service-principal "
        "cloudtrail.amazonaws.com` in the management account"
    ),
    "NotOrganizationMasterAccountException": (
        "use credentials of the organisation's management account"
    ),
    "InsufficientDependencyServiceAccessPermissionException": (
        "use credentials of the management account that may read the organisation"
    ),
}
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
        "403",
        "KMS.AccessDeniedException",
    }
)


def is_denied(error: Exception) -> bool:
    """Whether the error is a missing permission."""
    return isinstance(error, ClientError) and code_of(error) in _DENIED and not is_assuming(error)


def refused(error: Exception, what: str, role: str = "aws.role_arn") -> AwsError:
    """The error of a failed call; `what` is the object of the call, `role` the role that was
    assumed for it."""
    if isinstance(error, LOGIN_FAILURES):
        return AwsError(f"{what}: no usable AWS credentials", hint=NO_CREDENTIALS)
    if isinstance(error, ParamValidationError):
        return AwsError(f"{what}: a value is not one that AWS takes", hint="check the names given")
    if not isinstance(error, ClientError):
        return AwsError(
            f"{what}: AWS did not answer ({type(error).__name__})",
            hint="check the network, the region's name and AWS_ENDPOINT_URL",
        )
    code = code_of(error)
    if is_assuming(error):
        as_source = role_refused(code, role)
        return AwsError(as_source.message, hint=as_source.hint)
    if is_denied(error):
        return AwsError(
            f"{what}: {error.operation_name} is denied ({reason_of(error)})",
            hint="grant it: docs/aws.md has the policy that the command needs",
        )
    return AwsError(
        f"{what}: {error.operation_name} failed ({reason_of(error)})",
        hint=_HINTS.get(code, "see what AWS says"),
    )


@contextmanager
def refusals(what: str, role: str = "aws.role_arn") -> Iterator[None]:
    """Raises `AwsError`, naming `what`, if AWS refuses a call or does not answer."""
    try:
        yield
    except FAILURES as error:
        raise refused(error, what, role) from None
