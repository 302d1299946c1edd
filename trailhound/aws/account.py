"""The account and region that commands work in, and their clients."""

from __future__ import annotations

import os
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingest.sources.s3_errors import code_of
from ingest.sources.session import Clients
from trailhound.aws.refusals import refusals
from trailhound.errors import AwsError, SettingsError
from trailhound.settings import AwsSettings


class Account:
    """Clients of each service, created on first use, and the identity of the credentials, by STS.

    Raises `SettingsError` where no region is set, `AwsError` where STS does not answer.
    """

    def __init__(
        self,
        aws: AwsSettings,
        region: str | None = None,
        *,
        role: str = "",
        of: Clients | None = None,
    ) -> None:
        """`role` is the ARN of a role that `of` assumes. Without both: the settings'
        credentials."""
        self._clients = of.assuming(role, region or "") if of else Clients(aws)
        # botocore reads AWS_DEFAULT_REGION alone; the other SDKs, and our message, AWS_REGION.
        configured = self._clients.session.get_config_variable("region")
        chosen = region or configured or os.environ.get("AWS_REGION")
        if not chosen:
            raise SettingsError(
                "no AWS region is set", hint="give --region, or set aws.region or AWS_REGION"
            )
        self.region: str = chosen
        self._made: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()
        """Held while a client is created: botocore's session is not safe for threads there."""
        with refusals("the AWS identity", role or "aws.role_arn"):
            identity = self.client("sts").get_caller_identity()
        self.id: str = identity["Account"]
        self.arn: str = identity["Arn"]
        self.partition: str = self.arn.split(":")[1]

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of a service, in this account's region or another. Threads may ask at once."""
        where = region or self.region
        with self._making:
            if (service, where) not in self._made:
                try:
                    self._made[service, where] = self._clients.of(service, where)
                except (BotoCoreError, ValueError) as error:  # its text may contain an endpoint
                    raise SettingsError(
                        f"no client of {service} in region {where!r} ({type(error).__name__})",
                        hint="check the region's name, and AWS_ENDPOINT_URL where one is set",
                    ) from None
            return self._made[service, where]

    def in_role(self, account: str, role: str) -> Account:
        """Another account, by a role there that this identity assumes.

        Raises `AwsError` where the role can't be assumed, or is another account's.
        """
        arn = f"arn:{self.partition}:iam::{account}:role/{role}"
        made = Account(self._clients.aws, self.region, role=arn, of=self._clients)
        if made.id != account:
            raise AwsError(f"{arn} leads to account {made.id}", hint="check the role's name")
        return made


def reply_or_none(call: Any, *absent: str, **arguments: Any) -> Any:
    """The reply of a call; None if it fails with one of the `absent` codes: there is no such
    object. Raises botocore's exceptions."""
    try:
        return call(**arguments)
    except ClientError as error:
        if code_of(error) in absent:
            return None
        raise
