"""Reads an account: every fact that a check asks for, or why it is not known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from trailhound.aws import filter_patterns
from trailhound.aws.posture import monitored
from trailhound.aws.posture.facts import (
    AccountFacts,
    BucketFacts,
    Key,
    LogGroupFacts,
    MetricFilterFacts,
    Refused,
    Region,
    Reply,
    TrailFacts,
    known,
)
from trailhound.aws.posture.read_calls import Reader
from trailhound.batching import batched
from trailhound.errors import AwsError

_AT_ONCE: Final = 8
"""Regions, or buckets, of an account that are read at the same time."""
_TOGETHER: Final = 50
"""Most messages in one request of TestMetricFilter."""
_NO_OPT_IN: Final = "opt-in-not-required"
BLOCKS: Final = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)
"""The four settings of S3 Block Public Access."""
_ORDINARY: Final = "ordinary"

Progress = Callable[[str], None]


def collect(
    reader: Reader, regions: Sequence[str], progress: Progress, named: Sequence[str] = ()
) -> AccountFacts:
    """All facts of an account; with `regions`, of these regions only. `progress` is called with a
    text on what is read; `named` are the buckets named by `--bucket`. Raises `AwsError`."""
    own = reader.account
    progress(f"{own.id}: regions")
    listed = reader.ask("regions", "the account's regions", AllRegions=False)
    enabled = listed if isinstance(listed, Refused) else [each["RegionName"] for each in listed]
    opted = (
        set()
        if isinstance(listed, Refused)
        else {each["RegionName"] for each in listed if each.get("OptInStatus") != _NO_OPT_IN}
    )
    names = sorted(known(enabled, [own.region]))
    if regions:
        names = [each for each in regions if each in known(enabled, regions)]
    if not names:
        raise AwsError(
            f"account {own.id} has not enabled {', '.join(regions)}", hint="check --region"
        )
    with ThreadPoolExecutor(_AT_ONCE, "check") as pool:
        seen = list(pool.map(lambda name: _region(reader, name, name in opted), names))
        described: dict[str, Reply] = {}
        for _, trails in seen:
            described |= {each["TrailARN"]: each for each in trails}
        progress(f"{own.id}: trails and buckets")
        found = list(pool.map(lambda each: _trail(reader, each), described.values()))
        buckets = list(
            pool.map(lambda name: _bucket(reader, name), _names(each.bucket for each in found))
        )
    own_buckets = _mapped(
        reader.ask("buckets", "the account's buckets"),
        lambda all_: frozenset(each["Name"] for each in all_),
    )
    account = AccountFacts(
        id=own.id,
        partition=own.partition,
        regions=[region for region, _ in seen],
        all_regions=not regions and not isinstance(enabled, Refused),
        chosen=bool(regions),
        enabled=enabled,
        trails=found,
        organisation=reader.ask("organisation", "the organisation"),
        delegated=frozenset(),
        account_block=_account_block(reader, buckets),
        own_buckets=own_buckets,
        elsewhere={
            name: _mapped(
                reader.ask("bucket there", f"bucket {name}", Bucket=name),
                lambda reply: reply is not None,
            )
            for name in named
            if name not in known(own_buckets, frozenset())
        },
        sharing_role=reader.ask(
            "sharing role",
            "role CloudWatch-CrossAccountSharingRole",
            RoleName="CloudWatch-CrossAccountSharingRole",
        ),
        buckets={each.name: each for each in buckets},
    )
    progress(f"{own.id}: log groups and alarms")
    groups = _names(each.log_group for each in found if f":{own.id}:" in each.log_group)
    return replace(
        account,
        delegated=_delegated(reader, account.organisation),
        groups={arn: _group(reader, arn) for arn in groups},
    )


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _mapped(seen: Any, made: Callable[[Any], Any]) -> Any:
    """The converted result of a request; a `Refused` unchanged."""
    return seen if isinstance(seen, Refused) else made(seen)


def _account_block(reader: Reader, buckets: Iterable[BucketFacts]) -> Any:
    """Block Public Access of the account; not read if all of its buckets have all settings."""
    if all(not isinstance(each.public_access, Refused) and blocks(each) for each in buckets):
        return None
    own = reader.account.id
    return reader.ask("account block", f"public access block of account {own}", AccountId=own)


def blocks(bucket: BucketFacts) -> bool:
    """Whether a bucket itself has all four settings of Block Public Access."""
    own = known(bucket.public_access, None) or {}
    return all(own.get(name) for name in BLOCKS)


def _delegated(reader: Reader, organisation: Any) -> frozenset[str] | Refused:
    """Accounts that administer CloudTrail; only the management account may ask."""
    if isinstance(organisation, Refused):
        return organisation
    if not organisation or organisation.get("MasterAccountId") != reader.account.id:
        return frozenset()
    seen = reader.ask(
        "delegated", "delegated administrators", ServicePrincipal="cloudtrail.amazonaws.com"
    )
    found: frozenset[str] | Refused = _mapped(
        seen, lambda all_: frozenset(each["Id"] for each in all_)
    )
    return found


def _region(reader: Reader, name: str, opted_in: bool) -> tuple[Region, list[Reply]]:
    """A region, and the trails that it shows."""
    what = f"region {name}"
    trails = reader.ask("trails", f"trails of {what}", name, includeShadowTrails=True)
    flow_logs = reader.ask("flow logs", f"flow logs of {what}", name)
    region = Region(
        name=name,
        opted_in=opted_in,
        trails=_mapped(trails, lambda all_: frozenset(each["TrailARN"] for each in all_)),
        recorders=reader.ask("recorders", f"AWS Config in {what}", name),
        vpcs=_mapped(
            reader.ask("vpcs", f"VPCs of {what}", name),
            lambda all_: frozenset(each["VpcId"] for each in all_),
        ),
        flow_logs=_mapped(
            flow_logs,
            lambda all_: frozenset(
                each["ResourceId"] for each in all_ if each.get("FlowLogStatus") == "ACTIVE"
            ),
        ),
        hub=_mapped(reader.ask("hub", f"Security Hub in {what}", name), bool),
    )
    return region, [] if isinstance(trails, Refused) else trails


def _trail(reader: Reader, described: Reply) -> TrailFacts:
    arn = described["TrailARN"]
    home, what = described.get("HomeRegion") or arn.split(":")[3], f"trail {described['Name']}"
    selectors = reader.ask("selectors", what, home, TrailName=arn)
    key = described.get("KmsKeyId")
    return TrailFacts(
        described=described,
        status=reader.ask("status", what, home, Name=arn),
        selectors=_mapped(
            selectors,
            lambda reply: reply.get("AdvancedEventSelectors") or reply.get("EventSelectors") or [],
        ),
        insights=_mapped(
            reader.ask("insights", what, home, TrailName=arn),
            lambda all_: frozenset(each["InsightType"] for each in all_ or ()),
        ),
        key=_key(reader, key, home) if key else None,
    )


def _key(reader: Reader, key: str, home: str) -> Key:
    region = key.split(":")[3] if key.startswith("arn:") else home
    return Key(
        described=reader.ask("key", f"key {key}", region, KeyId=key),
        rotates=reader.ask("rotation", f"key {key}", region, KeyId=key),
    )


def _bucket(reader: Reader, name: str) -> BucketFacts:
    def ask(look: str) -> Any:
        return reader.ask(look, f"bucket {name}", Bucket=name)

    return BucketFacts(
        name=name,
        public_access=ask("public access"),
        policy=_mapped(ask("policy"), lambda text: None if text is None else json.loads(text)),
        is_public=_mapped(
            ask("policy status"), lambda status: bool(status and status.get("IsPublic"))
        ),
        grants=ask("grants"),
        versioning=ask("versioning"),
        lock=ask("lock"),
        access_log=ask("access log"),
        lifecycle=_mapped(ask("lifecycle"), lambda rules: rules or []),
        encryption=ask("encryption"),
    )


def _group(reader: Reader, arn: str) -> LogGroupFacts:
    """A log group, its filters, and the alarms of its region with those they notify."""
    region, name = arn.split(":")[3], arn.split(":", 6)[6]
    what = f"log group {name}"
    listed = reader.ask("log groups", what, region, logGroupNamePrefix=name)
    filters = reader.ask("filters", what, region, logGroupName=name)
    alarms = reader.ask("alarms", f"alarms in {region}", region, AlarmTypes=["MetricAlarm"])
    made: Any = _mapped(
        filters, lambda all_: [_filter(reader, region, each) for each in all_ or ()]
    )
    metrics = set() if isinstance(made, Refused) else {one for each in made for one in each.metrics}
    topics = _names(
        action
        for alarm in ([] if isinstance(alarms, Refused) else alarms)
        if metrics & set(metrics_of(alarm))
        for action in alarm.get("AlarmActions") or ()
        if action.split(":")[2:3] == ["sns"]
    )
    return LogGroupFacts(
        arn=arn,
        described=_mapped(
            listed,
            lambda all_: next((each for each in all_ if each["logGroupName"] == name), None),
        ),
        filters=made,
        policies=reader.ask("resource policies", f"log policies in {region}", region),
        alarms=alarms,
        topics={
            topic: _mapped(
                reader.ask("subscriptions", f"topic {topic}", topic.split(":")[3], TopicArn=topic),
                lambda all_: all_ or [],
            )
            for topic in topics
        },
    )


def metrics_of(alarm: Reply) -> list[tuple[str, str]]:
    """Namespace and name of each metric of an alarm."""
    found = [(alarm.get("Namespace"), alarm.get("MetricName"))]
    for each in alarm.get("Metrics") or ():
        metric = each.get("MetricStat", {}).get("Metric", {})
        found.append((metric.get("Namespace"), metric.get("MetricName")))
    return [(str(namespace), str(name)) for namespace, name in found if namespace and name]


def _filter(reader: Reader, region: str, described: Reply) -> MetricFilterFacts:
    """A filter, and the monitored events that it matches: by `filter_patterns`, or by
    TestMetricFilter if the pattern is not supported there."""
    pattern, name = described.get("filterPattern") or "", described["filterName"]
    try:
        test = filter_patterns.matcher(pattern)
    except ValueError:
        matched = _asked(reader, region, name, pattern)
    else:
        matched = frozenset(label for label, event in _samples() if test(event))
    ordinary = not isinstance(matched, Refused) and any(
        label.startswith(_ORDINARY) for label in matched
    )
    return MetricFilterFacts(
        name=name,
        metrics=tuple(
            (each["metricNamespace"], each["metricName"])
            for each in described.get("metricTransformations") or ()
        ),
        matches=matched,
        counts_all=ordinary,
    )


def _samples() -> list[tuple[str, monitored.Event]]:
    """Every event of a control, and ordinary events, each with its label."""
    return [
        *monitored.events(),
        *((f"{_ORDINARY} {number}", each) for number, each in enumerate(monitored.ORDINARY)),
    ]


def _asked(reader: Reader, region: str, name: str, pattern: str) -> frozenset[str] | Refused:
    """The labels of the events that a pattern matches, by TestMetricFilter."""
    samples = _samples()
    found: set[str] = set()
    for block in batched(samples, _TOGETHER):
        matches = reader.ask(
            "test filter",
            f"metric filter {name}",
            region,
            filterPattern=pattern,
            logEventMessages=[json.dumps(event) for _, event in block],
        )
        if isinstance(matches, Refused):
            return matches
        found |= {block[each["eventNumber"] - 1][0] for each in matches}
    return frozenset(found)
