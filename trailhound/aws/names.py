"""A set-up: its options, and the names and ARNs that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

TAG: Final = "trailhound:setup"
"""The tag of resources that a set-up created; its value is the set-up's name."""
PREFIX: Final = "cloudtrail-logs/"
"""The trail's key prefix, without CloudTrail's own `AWSLogs/`."""
LOG_DAYS: Final = 90
STANDARD_IA, GLACIER, DEEP_ARCHIVE = 30, 90, 2_555
"""Days after which files move to each storage class."""
SMALL: Final = 128 * 1024
"""Bytes up to which S3 moves no object, unless a lifecycle rule has a size filter."""


@dataclass(frozen=True, kw_only=True)
class TrailSetup:
    """One set-up in one account. `key_arn` is that of the KMS key, once it exists."""

    account: str
    region: str
    partition: str = "aws"
    name: str = "trailhound"
    bucket: str = ""
    organisation: str = ""
    """The organisation's id (`o-…`), for a trail of all its accounts."""
    kms: bool = False
    key_arn: str = ""
    object_lock_days: int = 0
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"
    move_small: bool = False
    """Whether files up to `SMALL` move to the colder classes too."""
    data_events: bool = True
    data_buckets: tuple[str, ...] = ()
    data_functions: tuple[str, ...] = ()
    """ARNs of Lambda functions. If neither buckets nor functions are given: all of both."""
    data_writes_only: bool = False
    insights: bool = True
    daemon_principal: str = ""
    """Who may assume the daemon's role: an ARN or a service. Default: the account."""
    subscriber: str = ""

    @property
    def bucket_name(self) -> str:
        return self.bucket or f"{self.name}-logs-{self.account}-{self.region}"

    @property
    def bucket_arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket_name}"

    @property
    def trail_arn(self) -> str:
        return self._arn("cloudtrail", f"trail/{self.name}")

    @property
    def topic_name(self) -> str:
        """The topic for new trail files."""
        return f"{self.name}-trail-files"

    @property
    def topic_arn(self) -> str:
        return self._arn("sns", self.topic_name)

    @property
    def alarm_topic_name(self) -> str:
        """The topic that people subscribe to."""
        return f"{self.name}-alarms"

    @property
    def alarm_topic_arn(self) -> str:
        return self._arn("sns", self.alarm_topic_name)

    @property
    def queue_name(self) -> str:
        return f"{self.name}-trail-files"

    @property
    def queue_arn(self) -> str:
        return self._arn("sqs", self.queue_name)

    @property
    def failed_queue_name(self) -> str:
        return f"{self.queue_name}-failed"

    @property
    def failed_queue_arn(self) -> str:
        return self._arn("sqs", self.failed_queue_name)

    @property
    def log_group(self) -> str:
        return f"/{self.name}/cloudtrail"

    @property
    def log_group_arn(self) -> str:
        """Without the `:*` that CloudTrail requires at its end."""
        return self._arn("logs", f"log-group:{self.log_group}")

    @property
    def logs_role(self) -> str:
        return f"{self.name}-cloudtrail-logs"

    @property
    def daemon_role(self) -> str:
        return f"{self.name}-daemon"

    def role_arn(self, role: str) -> str:
        return f"arn:{self.partition}:iam::{self.account}:role/{role}"

    @property
    def key_alias(self) -> str:
        return f"alias/{self.name}-trail"

    @property
    def tags(self) -> dict[str, str]:
        return {TAG: self.name}

    @property
    def folders(self) -> tuple[str, ...]:
        """Where CloudTrail writes: this account's folder, and the organisation's."""
        own = f"{PREFIX}AWSLogs/{self.account}/"
        return (own, f"{PREFIX}AWSLogs/{self.organisation}/") if self.organisation else (own,)

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"
