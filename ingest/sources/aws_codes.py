"""Error codes that all services of AWS share, as do stores that speak S3, and what to do about
them.

The caller adds what is specific to it: that the command can be run again, or which setting is
concerned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

NO_ANSWER: Final = (BotoCoreError, ResponseParserError)
"""The exceptions of botocore where AWS does not answer, or something else answers, such as a proxy.
"""
FAILURES: Final = (ClientError, *NO_ANSWER)
"""All exceptions that a call raises; the last one where a proxy or a captive portal answered in
AWS's place."""
LOGIN_FAILURES: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
)
"""No usable credentials were found: no request was made."""

_RENEW: Final = "renew the credentials (`aws sso login`, or new AWS_* variables)"
_UNKNOWN: Final = "this endpoint does not know the access key: check the profile"
_CLOCK: Final = "set the machine's clock (NTP): signatures that are minutes off are refused"
CREDENTIALS: Final[Mapping[str, str]] = {
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "InvalidToken": "check AWS_SESSION_TOKEN: it does not belong to the access key",
    "InvalidAccessKeyId": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "UnrecognizedClientException": _UNKNOWN,
    "SignatureDoesNotMatch": "check the secret key, and the machine's clock",
    "InvalidSignatureException": "check the secret key, and the machine's clock",
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
}
"""Codes that every further request would get as well."""

THROTTLED: Final = frozenset(
    {
        *("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"),
        *("SlowDown", "503"),
    }
)
"""Codes for too many requests at the moment."""
