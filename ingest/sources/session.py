"""An AWS session from settings: profile, region, assumed role; and the clients made of it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import botocore
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import Loader, create_loader
from botocore.utils import parse_timestamp

from trailhound import __version__
from trailhound.errors import SettingsError, SourceUnreachableError
from trailhound.settings import AwsSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_PROFILE_VARIABLES: Final = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
NO_CREDENTIALS: Final = (
    "give AWS credentials: aws.profile, AWS_* variables, `aws sso login`, or an instance role"
)
NO_CREDENTIALS_FOR_S3: Final = (
    f"{NO_CREDENTIALS}; for a public bucket set aws.signature to unsigned"
)
_SIGNATURES: Final[dict[str, Any]] = {"v4": "s3v4", "v2": "s3", "unsigned": botocore.UNSIGNED}
_ATTEMPTS: Final = 6
_HTTP_TIME = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_ISO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")


class _AssumedRole(CredentialProvider):
    """Credentials of a role, fetched again before they expire: a backfill may run for hours."""

    METHOD = "trailhound-assume-role"
    CANONICAL_NAME = "TrailhoundAssumeRole"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> Credentials:
        return DeferredRefreshableCredentials(
            method=self.METHOD, refresh_using=self._fetcher.fetch_credentials
        )


def aws_session(aws: AwsSettings) -> botocore.session.Session:
    """The session that settings describe; no request is made yet.

    The role is assumed at the endpoint of the session's region, or at `AWS_ENDPOINT_URL_STS`.
    Raises `SettingsError` for an unknown profile, `SourceUnreachableError` where a role is to be
    assumed and there are no credentials to assume it with.
    """
    try:
        core = _in_region(_session(aws.profile), aws.region)
        core.get_scoped_config()  # where there is no such profile, it says so here
        region = core.get_config_variable("region")
        if aws.role_arn is None:
            return core
        credentials = core.get_credentials()
    except ProfileNotFound:
        raise no_such_profile(aws) from None
    except BotoCoreError as error:
        raise SourceUnreachableError(
            f"AWS credentials cannot be read ({type(error).__name__})", hint=NO_CREDENTIALS
        ) from None
    return _in_role(core, credentials, aws, aws.role_arn, region)


def no_such_profile(aws: AwsSettings) -> SettingsError:
    """The error for a profile that AWS's configuration files do not have, and who asked for it."""
    by, name = "aws.profile", aws.profile
    if name is None:  # botocore's own variables, in its order
        by = next((each for each in _PROFILE_VARIABLES if os.environ.get(each)), by)
        name = os.environ.get(by)
    return SettingsError(
        f"{by}: there is no profile {name!r}", hint="see `aws configure list-profiles`"
    )


def _in_role(
    core: botocore.session.Session,
    credentials: Credentials | None,
    aws: AwsSettings,
    role_arn: str,
    region: str | None,
) -> botocore.session.Session:
    """A session of a role, assumed with these credentials when they are first needed."""
    if credentials is None:
        raise SourceUnreachableError(
            f"no AWS credentials to assume {role_arn} with", hint=NO_CREDENTIALS
        )
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(core.create_client, region_name=region or "us-east-1"),
        source_credentials=credentials,
        role_arn=role_arn,
        extra_args={"RoleSessionName": aws.role_session_name}
        | ({"ExternalId": aws.external_id.get_secret_value()} if aws.external_id else {}),
    )
    assumed = _session(aws.profile)
    assumed.get_component("credential_provider").providers.insert(0, _AssumedRole(fetcher))
    return _in_region(assumed, region)


def _session(profile: str | None) -> botocore.session.Session:
    session = botocore.session.Session(
        profile=profile, event_hooks=copy(_hooks()), include_builtin_handlers=False
    )
    loader = _descriptions(session.get_config_variable("data_path"))
    session.register_component("data_loader", loader)
    replies = session.get_component("response_parser_factory")
    replies.set_parser_defaults(timestamp_parser=moment)
    return session


def moment(value: Any) -> datetime:
    """A time in a reply. botocore's own parser tries one format after the other, which is most of
    what reading a listing takes, and a tenth of what fetching a small object does: each key has the
    time of its last change, there in ISO 8601, here as HTTP writes it (RFC 9110, 5.6.7).

    >>> moment("2025-03-01T12:00:00.000Z") == moment("Sat, 01 Mar 2025 12:00:00 GMT")
    True
    """
    if isinstance(value, str):
        with suppress(ValueError):
            if _ISO_TIME.fullmatch(value):
                return datetime.fromisoformat(value)
            if (found := _HTTP_TIME.fullmatch(value)) and found[2] in _MONTHS:
                day, name, year, *clock = found.groups()
                hour, minute, second = map(int, clock)
                return datetime(
                    int(year), _MONTHS[name], int(day), hour, minute, second, tzinfo=UTC
                )
    parsed: datetime = parse_timestamp(value)
    return parsed


@cache
def _hooks() -> HierarchicalEmitter:
    """botocore's own handlers of events, registered once: for each session it takes 7 ms."""
    hooks = HierarchicalEmitter()
    botocore.session.Session(event_hooks=hooks)
    return hooks


@cache
def _descriptions(data_path: str | None) -> Loader:
    """What services there are and what each can do, read once and not for every session: to read
    one takes up to a quarter of a second."""
    return create_loader(data_path)


def _in_region(session: botocore.session.Session, region: str | None) -> botocore.session.Session:
    if region is not None:
        session.set_config_variable("region", region)
    return session


def s3_client(aws: AwsSettings, *, connections: int) -> S3Client:
    """An S3 client that `connections` threads can use at once. Raises as `aws_session` does."""
    options: dict[str, Any] = {}
    if aws.signature is not None:
        options["signature_version"] = _SIGNATURES[aws.signature]
    made: S3Client = _client(aws, "s3", connections, options)
    return made


def sqs_client(aws: AwsSettings, *, connections: int) -> SQSClient:
    """An SQS client that `connections` threads can use at once. Raises as `aws_session` does."""
    made: SQSClient = _client(aws, "sqs", connections, {})
    return made


def cloudtrail_client(aws: AwsSettings, region: str) -> Any:
    """A client of CloudTrail's API in a region, at AWS or at `AWS_ENDPOINT_URL_CLOUDTRAIL`: a store
    at `aws.endpoint_url` has none. Raises as `aws_session` does."""
    there = aws.model_copy(update={"region": region, "endpoint_url": None})
    return _client(there, "cloudtrail", 1, {})


class Clients:
    """Clients of several services and regions with one session: a role is assumed once."""

    def __init__(self, aws: AwsSettings, session: botocore.session.Session | None = None) -> None:
        """Raises as `aws_session` does."""
        self.aws = aws
        self.session = session or aws_session(aws)

    def assuming(self, role_arn: str, region: str) -> Clients:
        """Clients of a role that this session's identity assumes, with `aws.external_id`. Raises
        `SourceUnreachableError` without credentials; whether STS agrees is known at the first call.
        """
        credentials = self.session.get_credentials()
        return Clients(self.aws, _in_role(self.session, credentials, self.aws, role_arn, region))

    def of(self, service: str, region: str, *, attempts: int = _ATTEMPTS) -> Any:
        """A client at AWS, or at `AWS_ENDPOINT_URL_…`; `attempts` of a request in all."""
        return self.session.create_client(
            service,
            region_name=region,
            config=Config(
                max_pool_connections=16,
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=10,
                read_timeout=60,
                user_agent_extra=f"trailhound/{__version__}",
            ),
        )


def _user_agent(session: botocore.session.Session) -> str:
    """What botocore calls itself, with the application's id that a user has set. Given to a client
    it is not put together anew, from a dozen parts and twice for each request."""
    named = session.get_config_variable("user_agent_appid")
    return session.user_agent() + (f" app/{named}" if named else "")


def _client(aws: AwsSettings, service: Any, connections: int, options: dict[str, Any]) -> Any:
    try:
        session = aws_session(aws)
        return session.create_client(
            service,
            endpoint_url=aws.endpoint_url,
            config=Config(
                max_pool_connections=connections,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                connect_timeout=10,
                read_timeout=60,
                tcp_keepalive=True,
                user_agent=_user_agent(session),
                user_agent_extra=f"trailhound/{__version__}",
                **options,
            ),
        )
    except ValueError:  # botocore's sentence would repeat the URL, with a password in it, say
        raise SettingsError(
            "aws.endpoint_url is not a URL", hint="write it as https://host:port"
        ) from None
    except BotoCoreError as error:
        raise SettingsError(
            f"invalid AWS settings ({type(error).__name__})",
            hint="check aws.region and the AWS configuration file",
        ) from None
