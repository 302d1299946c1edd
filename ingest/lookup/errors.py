"""Makes errors of `LookupEvents` errors of Trailhound: a sentence, and what to do."""

from __future__ import annotations

from typing import Final

from botocore.exceptions import ClientError

from ingest.sources.aws_codes import CREDENTIALS, LOGIN_FAILURES
from ingest.sources.session import NO_CREDENTIALS
from trailhound.errors import (
    ObjectAccessDeniedError,
    ObjectUnreadableError,
    SourceError,
    SourceUnreachableError,
)

_AGAIN: Final = "run again: windows that are done are skipped"
_EVERYWHERE: Final = {
    "ExpiredTokenException": "the credentials have expired",
    "ExpiredToken": "the credentials have expired",
    "SignatureDoesNotMatch": "the secret key does not match",
    "InvalidSignatureException": "the signature is not accepted",
    "RequestExpired": "the request is too old",
}
"""Codes that every further request would get as well."""
NOT_ENABLED: Final = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired"}
)
"""The code for a region that the account has not enabled; unknown access keys get it from every
region."""
_DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})


def code_of(error: Exception) -> str:
    """The service's own code; empty where the service did not answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or "unknown")
    return ""


def lookup_error(error: Exception, place: str) -> SourceError:
    """Why `place` could not be asked. It is a `SourceUnreachableError` where every other place
    would fail too."""
    if isinstance(error, LOGIN_FAILURES):
        return SourceUnreachableError(f"{place}: no usable AWS credentials", hint=NO_CREDENTIALS)
    code = code_of(error)
    if not code:
        return ObjectUnreadableError(
            f"{place}: no answer ({type(error).__name__})", hint=f"check the network; {_AGAIN}"
        )
    if isinstance(error, ClientError) and error.operation_name.startswith("AssumeRole"):
        return ObjectAccessDeniedError(
            f"{place}: the role cannot be assumed ({code})",
            hint="check the role's trust policy, aws.external_id and the caller's sts:AssumeRole",
        )
    if code in _EVERYWHERE:
        return SourceUnreachableError(
            f"{place}: {_EVERYWHERE[code]} ({code})", hint=f"{CREDENTIALS[code]}; {_AGAIN}"
        )
    if code in _DENIED:
        return ObjectAccessDeniedError(
            f"{place}: denied ({code})",
            hint="grant cloudtrail:LookupEvents; a policy of the organization may deny the region",
        )
    if code in NOT_ENABLED:
        return ObjectAccessDeniedError(
            f"{place}: the credentials are not accepted there ({code})",
            hint="enable the region for the account, or leave it out: lookup://REGION,…",
        )
    return ObjectUnreadableError(f"{place}: {code}", hint=_AGAIN)
