"""Error codes that all of AWS's services share, as do stores that speak S3, and what to do.

Whoever reports one adds what is its own: that it may be run again, or which setting it is about.
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
"""What botocore raises where AWS does not answer, or something else does, such as a proxy."""
FAILURES: Final = (ClientError, *NO_ANSWER)
"""All that a call raises; the last where a proxy or a captive portal answered in AWS's place."""
LOGIN_FAILURES: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
)
"""No usable credentials: no request was made."""

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
"""Codes that every further request would get too."""

THROTTLED: Final = frozenset(
    {
        *("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"),
        *("SlowDown", "503"),
    }
)
"""Too many requests at the moment."""
