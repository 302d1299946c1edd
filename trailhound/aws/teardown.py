"""Remove a set-up: only what carries its tag, and the bucket only when it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from trailhound.aws.account import reply_or_none
from trailhound.aws.alarm_catalogue import ALARMS
from trailhound.aws.cis_alarms import CIS_ALARMS
from trailhound.aws.documents import NOTIFICATION
from trailhound.aws.names import TAG
from trailhound.aws.refusals import refusals
from trailhound.aws.setup_parts import tags_of
from trailhound.aws.trail_setup import Trail
from trailhound.errors import AwsError, UsageError

Verdict = Literal["remove", "keep", "absent"]


@dataclass(frozen=True)
class PartRemoval:
    """A resource of a set-up, and what `--destroy` does with it; `why`: the reason to keep it."""

    what: str
    verdict: Verdict
    why: str = ""
    remove: Callable[[], object] = lambda: None

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "action": self.verdict, "why": self.why}


def removals(trail: Trail, delete_bucket: str = "") -> list[PartRemoval]:
    """The resources of a set-up in the order of removal. Raises `UsageError` if the bucket that
    `delete_bucket` names is not the set-up's or must not be deleted, and `AwsError`."""
    return list(_removals(trail, delete_bucket))


def removed(planned: list[PartRemoval]) -> list[PartRemoval]:
    """Removes what is planned. Raises `AwsError`, which lists what was removed and what was not."""
    done: list[PartRemoval] = []
    left = [each for each in planned if each.verdict == "remove"]
    while left:
        try:
            with refusals(left[0].what):
                left[0].remove()
        except AwsError as error:
            gone = ", ".join(each.what for each in done) or "nothing"
            still = ", ".join(each.what for each in left)
            raise AwsError(
                f"{error.message}\nremoved: {gone}\nnot removed: {still}",
                hint=f"{error.hint}; then run the same command again",
            ) from error
        done.append(left.pop(0))
    return done


def _removals(trail: Trail, delete_bucket: str) -> Iterator[PartRemoval]:
    setup = trail.setup
    bucket = _bucket(trail, delete_bucket)  # first: a wrong name is refused before all else
    yield _trail(trail)
    yield from _notification(trail)
    yield _topic(trail, setup.topic_name, setup.topic_arn)
    yield _topic(trail, setup.alarm_topic_name, setup.alarm_topic_arn)
    yield from _alarms(trail)
    yield _queue(trail, setup.queue_name)
    yield _queue(trail, setup.failed_queue_name)
    yield _role(trail, setup.logs_role)
    yield _role(trail, setup.daemon_role)
    yield _log_group(trail)
    yield bucket
    yield from _key(trail)


def _tagged(
    trail: Trail,
    what: str,
    tags: Callable[[], dict[str, str] | None],
    remove: Callable[[], object],
) -> PartRemoval:
    """The removal of what has the set-up's tag; `tags` returns None where there is no such
    thing."""
    with refusals(what):
        there = tags()
    if there is None:
        return PartRemoval(what, "absent")
    if there.get(TAG) != trail.setup.name:
        return PartRemoval(what, "keep", f"it has no tag {TAG}={trail.setup.name}")
    return PartRemoval(what, "remove", "", remove)


def _trail(trail: Trail) -> PartRemoval:
    arn, cloudtrail = trail.setup.trail_arn, trail.account.client("cloudtrail")

    def tags() -> dict[str, str] | None:
        if reply_or_none(cloudtrail.get_trail, "TrailNotFoundException", Name=arn) is None:
            return None
        listed = cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
        return tags_of([tag for each in listed for tag in each["TagsList"]])

    return _tagged(
        trail, f"trail {trail.setup.name}", tags, lambda: cloudtrail.delete_trail(Name=arn)
    )


def _topic(trail: Trail, name: str, arn: str) -> PartRemoval:
    sns = trail.account.client("sns")

    def tags() -> dict[str, str] | None:
        if reply_or_none(sns.get_topic_attributes, "NotFound", TopicArn=arn) is None:
            return None
        return tags_of(sns.list_tags_for_resource(ResourceArn=arn)["Tags"])

    def delete() -> None:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        for each in [each for page in pages for each in page["Subscriptions"]]:
            if each["SubscriptionArn"].startswith("arn:"):  # not one that waits for its owner
                sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
        sns.delete_topic(TopicArn=arn)

    return _tagged(trail, f"topic {name}", tags, delete)


def _queue(trail: Trail, name: str) -> PartRemoval:
    what, sqs = f"queue {name}", trail.account.client("sqs")
    with refusals(what):
        address = trail.queue_url(name)

    def tags() -> dict[str, str] | None:
        if address is None:
            return None
        return dict(sqs.list_queue_tags(QueueUrl=address).get("Tags") or {})

    return _tagged(trail, what, tags, lambda: sqs.delete_queue(QueueUrl=address))


def _role(trail: Trail, name: str) -> PartRemoval:
    iam = trail.account.client("iam")

    def tags() -> dict[str, str] | None:
        if reply_or_none(iam.get_role, "NoSuchEntity", RoleName=name) is None:
            return None
        return tags_of(iam.list_role_tags(RoleName=name)["Tags"])

    def delete() -> None:
        policy = trail.setup.name
        reply_or_none(iam.delete_role_policy, "NoSuchEntity", RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)

    return _tagged(trail, f"role {name}", tags, delete)


def _log_group(trail: Trail) -> PartRemoval:
    setup, logs = trail.setup, trail.account.client("logs")

    def tags() -> dict[str, str] | None:
        if trail.log_group() is None:
            return None
        return dict(logs.list_tags_for_resource(resourceArn=setup.log_group_arn)["tags"])

    def delete() -> None:
        logs.delete_log_group(logGroupName=setup.log_group)

    return _tagged(trail, f"log group {setup.log_group}", tags, delete)


def _key(trail: Trail) -> Iterator[PartRemoval]:
    """The key, if there is one: never removed."""
    alias, kms = trail.setup.key_alias, trail.account.client("kms")
    with refusals(f"key {alias}"):
        reply = reply_or_none(kms.describe_key, "NotFoundException", KeyId=alias)
    if reply is not None:
        yield PartRemoval(
            f"key {alias}", "keep", "without it no file that it encrypted can be read"
        )


def _alarms(trail: Trail) -> Iterator[PartRemoval]:
    """The alarms of the set-up; their filters are deleted with the log group."""
    setup, cloudwatch = trail.setup, trail.account.client("cloudwatch")
    names = [each.alarm_name for each in (*ALARMS, *CIS_ALARMS)]
    with refusals("alarms"):
        for each in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]:
            listed = cloudwatch.list_tags_for_resource(ResourceARN=each["AlarmArn"])["Tags"]
            name = each["AlarmName"]
            if tags_of(listed).get(TAG) == setup.name:
                yield PartRemoval(
                    f"alarm {name}",
                    "remove",
                    "",
                    lambda name=name: cloudwatch.delete_alarms(AlarmNames=[name]),  # type: ignore[misc]
                )


def _notification(trail: Trail) -> Iterator[PartRemoval]:
    """Removes only the set-up's notification from the bucket's configuration."""
    setup, s3 = trail.setup, trail.account.client("s3")
    what = f"bucket {setup.bucket_name}: notifications"
    with refusals(what):
        tags = trail.bucket_tags()
        now = trail.notifications() if tags is not None else None
    topics = (now or {}).get("TopicConfigurations", [])
    if not any(each.get("Id") == NOTIFICATION for each in topics):
        return
    if (tags or {}).get(TAG) != setup.name:
        yield PartRemoval(what, "keep", f"the bucket has no tag {TAG}={setup.name}")
        return
    rest = [each for each in topics if each.get("Id") != NOTIFICATION]
    then = {**(now or {}), "TopicConfigurations": rest}
    yield PartRemoval(
        what,
        "remove",
        "",
        lambda: s3.put_bucket_notification_configuration(
            Bucket=setup.bucket_name,
            ExpectedBucketOwner=setup.account,
            NotificationConfiguration=then,
        ),
    )


def _bucket(trail: Trail, named: str) -> PartRemoval:
    setup, s3 = trail.setup, trail.account.client("s3")
    what = f"bucket {setup.bucket_name}"
    with refusals(what):
        tags = trail.bucket_tags()
    if tags is None:
        return PartRemoval(what, "absent")
    if not named:
        return PartRemoval(what, "keep", f"--delete-bucket {setup.bucket_name} deletes it")
    if named != setup.bucket_name:
        raise UsageError(
            f"--delete-bucket {named}: the bucket of this set-up is {setup.bucket_name}",
            hint="give that name, or the --name and --bucket of the set-up that you mean",
        )
    if tags.get(TAG) != setup.name:
        raise UsageError(
            f"{what} is not deleted: it has no tag {TAG}={setup.name}",
            hint="it was not made by this set-up; delete it yourself, if it is to go",
        )
    with refusals(what):
        lock = reply_or_none(
            s3.get_object_lock_configuration,
            "ObjectLockConfigurationNotFoundError",
            Bucket=setup.bucket_name,
        )
    if lock is not None:
        raise UsageError(
            f"{what} is not deleted: it has object lock",
            hint="its files are kept on purpose; wait until their retention has ended",
        )

    return PartRemoval(f"{what} and all of its files", "remove", "", lambda: _delete_bucket(trail))


def _delete_bucket(trail: Trail) -> None:
    """With every version of every file. Raises `AwsError`."""
    name, s3 = trail.setup.bucket_name, trail.account.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        each = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for entry in page.get(kind, ())
        ]
        if not each:
            continue
        reply = s3.delete_objects(Bucket=name, Delete={"Objects": each, "Quiet": True})
        if reply.get("Errors"):
            first = reply["Errors"][0]
            raise AwsError(
                f"bucket {name}: {first['Key']} can't be deleted ({first['Code']})",
                hint="grant s3:DeleteObjectVersion",
            )
    s3.delete_bucket(Bucket=name)
