"""Facts read of accounts, before they are evaluated: plain values, or why they are not known.

Of a reply, the members that checks need are kept unchanged; `docs.aws.amazon.com` describes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

Reply = dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """A request that AWS did not answer: the permission that it needs, and the reason, as text."""

    permission: str
    reason: str
    hint: str = ""
    denied: bool = False
    """Whether the permission is what is missing."""

    def with_reason(self, reason: str) -> Refused:
        """The same refusal with another reason."""
        return replace(self, reason=reason)


T = TypeVar("T")


def known(seen: T | Refused, default: T) -> T:
    """A value, or a default where it is not known."""
    return default if isinstance(seen, Refused) else seen


@dataclass(frozen=True, kw_only=True)
class Key:
    """A trail's KMS key. `described` is `KeyMetadata`, None where there is no such key."""

    described: Reply | Refused | None
    rotates: bool | Refused | None


@dataclass(frozen=True, kw_only=True)
class TrailFacts:
    """A trail as `DescribeTrails` shows it, with the results of further calls."""

    described: Reply
    status: Reply | Refused
    selectors: Sequence[Reply] | Refused
    insights: frozenset[str] | Refused
    key: Key | None = None
    """None where its files are not encrypted by a key of one's own."""

    @property
    def arn(self) -> str:
        return str(self.described["TrailARN"])

    @property
    def name(self) -> str:
        return str(self.described["Name"])

    @property
    def owner(self) -> str:
        """The account that it belongs to; an organisation's trail is shown in all of them."""
        return self.arn.split(":")[4]

    @property
    def home(self) -> str:
        return str(self.described.get("HomeRegion") or self.arn.split(":")[3])

    @property
    def all_regions(self) -> bool:
        return bool(self.described.get("IsMultiRegionTrail"))

    @property
    def of_organisation(self) -> bool:
        return bool(self.described.get("IsOrganizationTrail"))

    @property
    def bucket(self) -> str:
        return str(self.described["S3BucketName"])

    @property
    def log_group(self) -> str:
        """Its ARN without the `:*`; empty where there is none."""
        return str(self.described.get("CloudWatchLogsLogGroupArn") or "").removesuffix(":*")

    @property
    def is_logging(self) -> bool | Refused:
        if isinstance(self.status, Refused):
            return self.status
        return bool(self.status.get("IsLogging"))

    def covers(self, region: str) -> bool:
        """Whether it logs events of a region."""
        return self.all_regions or self.home == region


@dataclass(frozen=True, kw_only=True)
class BucketFacts:
    """A trail's bucket. Values are as S3 gives them; None: nothing is set."""

    name: str
    public_access: Reply | Refused | None
    policy: Reply | Refused | None
    is_public: bool | Refused
    """Whether S3 says that its policy is public."""
    grants: Sequence[Reply] | Refused
    versioning: Reply | Refused
    lock: Reply | Refused | None
    access_log: Reply | Refused | None
    lifecycle: Sequence[Reply] | Refused
    encryption: Reply | Refused | None


@dataclass(frozen=True, kw_only=True)
class MetricFilterFacts:
    """A filter of a log group. `matches` are names of monitored events (`monitored.events`);
    `counts_all`: it matches ordinary events too."""

    name: str
    metrics: tuple[tuple[str, str], ...]
    """Namespace and name."""
    matches: frozenset[str] | Refused
    counts_all: bool = False


@dataclass(frozen=True, kw_only=True)
class LogGroupFacts:
    """A trail's log group. `described` is None where there is no such group; `alarms` are those of
    its region, `topics` the subscriptions of each topic that such an alarm notifies."""

    arn: str
    described: Reply | Refused | None
    filters: Sequence[MetricFilterFacts] | Refused
    policies: Sequence[Reply] | Refused
    alarms: Sequence[Reply] | Refused
    topics: Mapping[str, Sequence[Reply] | Refused] = field(default_factory=dict)

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def owner(self) -> str:
        return self.arn.split(":")[4]

    @property
    def name(self) -> str:
        return self.arn.split(":", 6)[6]


@dataclass(frozen=True, kw_only=True)
class Region:
    """A region of an account. `trails` are ARNs that `DescribeTrails` shows there; `recorders` the
    states of AWS Config's recorders, `vpcs` and `flow_logs` ids of networks that are there and that
    are logged, `hub` whether Security Hub is on."""

    name: str
    opted_in: bool
    """Whether somebody had to enable it for the account."""
    trails: frozenset[str] | Refused
    recorders: Sequence[Reply] | Refused
    vpcs: frozenset[str] | Refused
    flow_logs: frozenset[str] | Refused
    hub: bool | Refused


@dataclass(frozen=True, kw_only=True)
class AccountFacts:
    """All that was read of one account."""

    id: str
    partition: str
    regions: Sequence[Region]
    all_regions: bool
    """Whether `regions` are all enabled regions of the account, not only requested ones."""
    chosen: bool
    """Whether the regions were named by `--region`."""
    enabled: Sequence[str] | Refused
    trails: Sequence[TrailFacts]
    organisation: Reply | Refused | None
    """As DescribeOrganization gives it; None: it is in none."""
    delegated: frozenset[str] | Refused
    """Accounts that administer CloudTrail for the organisation."""
    account_block: Reply | Refused | None
    """Public access block of all buckets of the account."""
    own_buckets: frozenset[str] | Refused
    elsewhere: Mapping[str, bool | Refused] = field(default_factory=dict)
    """Whether each requested bucket exists that is not known to be the account's own."""
    sharing_role: Reply | Refused | None
    """`CloudWatch-CrossAccountSharingRole`, if there is one."""
    buckets: Mapping[str, BucketFacts] = field(default_factory=dict)
    groups: Mapping[str, LogGroupFacts] = field(default_factory=dict)

    @property
    def unlisted(self) -> Refused | None:
        """Why the list of its regions is not known, if all regions are requested."""
        return self.enabled if isinstance(self.enabled, Refused) and not self.chosen else None

    @property
    def unlisted_regions(self) -> list[Region]:
        """Regions whose trails could not be listed."""
        return [each for each in self.regions if isinstance(each.trails, Refused)]


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Requirements that the benchmark leaves to its user."""

    buckets: tuple[str, ...] = ()
    """Buckets whose data events matter; none: all, future ones too."""
    recent: timedelta = timedelta(hours=24)
    """How long ago the last delivery may be."""
    keep_days: int = 365
    """For which files have to stay in the bucket."""
    log_days: int = 90
    """For which events have to stay in the log group."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One account among those that were read, and when."""

    account: AccountFacts
    others: Mapping[str, AccountFacts]
    """All that were read, by their ids; this one too."""
    trails: Sequence[TrailFacts]
    """Those that are evaluated here: a trail that several accounts show is evaluated once."""
    wanted: Requirements
    now: datetime

    def bucket(self, name: str) -> BucketFacts | None:
        """As its owner sees it, if it was among the accounts."""
        seen = [each for each in self.others.values() if name in each.buckets]
        owners = [each for each in seen if name in known(each.own_buckets, frozenset())]
        chosen = (owners or [self.account] if self.account in seen else owners or seen)[:1]
        return chosen[0].buckets[name] if chosen else None

    def owns(self, name: str) -> bool:
        """Whether one of the accounts that were read is known to own a bucket."""
        return any(name in known(each.own_buckets, frozenset()) for each in self.others.values())

    def group(self, arn: str) -> LogGroupFacts | None:
        """The log group as its owner sees it; None where that account was not read."""
        owner = self.others.get(arn.split(":")[4])
        return owner.groups.get(arn) if owner else None

    @property
    def buckets(self) -> list[str]:
        """The buckets of the trails that are evaluated here."""
        return _distinct(each.bucket for each in self.trails)

    @property
    def log_groups(self) -> list[str]:
        """Their log groups, by ARN."""
        return _distinct(each.log_group for each in self.trails if each.log_group)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
