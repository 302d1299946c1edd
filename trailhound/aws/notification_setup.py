"""Topics, queues and the bucket's notifications, read and written by AWS's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trailhound.aws import documents
from trailhound.aws.account import reply_or_none
from trailhound.aws.parts import EXISTS, Part, Value, by, members, statements
from trailhound.aws.setup_parts import SetupParts, pairs_of, part_of, tags_of

_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


@dataclass(frozen=True)
class NotificationParts(SetupParts):
    """The notifications from bucket to topic to queue, and the topic for alarms."""

    def _notification_parts(self) -> Iterator[Part]:
        s3, sns, setup = self.account.client("s3"), self.account.client("sns"), self.setup
        topic, alarms = f"topic {setup.topic_name}", f"topic {setup.alarm_topic_name}"
        yield from self._topic(
            topic, setup.topic_name, setup.topic_arn, documents.topic_policy(setup)
        )
        yield from self._topic(
            alarms,
            setup.alarm_topic_name,
            setup.alarm_topic_arn,
            documents.alarm_topic_policy(setup),
        )
        yield from self._queues()
        yield part_of(
            f"subscription of queue {setup.queue_name}",
            {"Protocol": "sqs", "Endpoint": setup.queue_arn},
            lambda: self._subscribed(setup.topic_arn, "sqs", setup.queue_arn),
            lambda _then, _now: sns.subscribe(
                TopicArn=setup.topic_arn,
                Protocol="sqs",
                Endpoint=setup.queue_arn,
                Attributes={"RawMessageDelivery": "true"},
            ),
            needs=topic,
        )
        if setup.subscriber:
            protocol = "email" if "@" in setup.subscriber else "https"
            yield part_of(
                f"subscription of {setup.subscriber}",
                {"Protocol": protocol, "Endpoint": setup.subscriber},
                lambda: self._subscribed(setup.alarm_topic_arn, protocol, setup.subscriber),
                lambda _then, _now: sns.subscribe(
                    TopicArn=setup.alarm_topic_arn,
                    Protocol=protocol,
                    Endpoint=setup.subscriber,
                ),
                needs=alarms,
            )
        wanted = {"TopicConfigurations": [documents.notification(setup)]}

        def merged(now: Value, _wanted: Value) -> Value:
            now = now or {}
            topics = by("Id")(now.get("TopicConfigurations"), wanted["TopicConfigurations"])
            return {**now, "TopicConfigurations": topics}

        yield part_of(
            f"bucket {setup.bucket_name}: notifications",
            wanted,
            self.notifications,
            lambda then, _now: s3.put_bucket_notification_configuration(
                **self._own(), NotificationConfiguration=then
            ),
            merged,
            needs=f"bucket {setup.bucket_name}",
        )

    def notifications(self) -> Value:
        """The bucket's whole configuration; None where it is empty."""
        reply = self.account.client("s3").get_bucket_notification_configuration(**self._own())
        whole = {name: value for name, value in reply.items() if name != "ResponseMetadata"}
        for each in whole.get("TopicConfigurations", ()):
            for rule in each.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
                rule["Name"] = rule["Name"].lower()  # S3 gives back `Prefix`
        return whole or None

    def _subscribed(self, topic: str, protocol: str, endpoint: str) -> Value:
        sns = self.account.client("sns")
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        for page in pages:
            for each in page["Subscriptions"]:
                if (each["Protocol"], each["Endpoint"]) == (protocol, endpoint):
                    return {"Protocol": protocol, "Endpoint": endpoint}
        return None

    def _topic(self, what: str, name: str, arn: str, wanted: Value) -> Iterator[Part]:
        sns, setup = self.account.client("sns"), self.setup

        def read() -> Value:
            if reply_or_none(sns.get_topic_attributes, "NotFound", TopicArn=arn) is None:
                return None
            return self._ours(what, tags_of(sns.list_tags_for_resource(ResourceArn=arn)["Tags"]))

        yield part_of(
            what,
            EXISTS,
            read,
            lambda _then, _now: sns.create_topic(Name=name, Tags=pairs_of(setup.tags)),
        )
        yield part_of(
            f"{what}: policy",
            wanted,
            lambda: json.loads(
                sns.get_topic_attributes(TopicArn=arn)["Attributes"].get("Policy", "null")
            ),
            lambda then, _now: sns.set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(then)
            ),
            statements,
            needs=what,
        )
        if setup.kms:
            yield part_of(
                f"{what}: encryption",
                setup.key_arn,
                lambda: sns.get_topic_attributes(TopicArn=arn)["Attributes"].get("KmsMasterKeyId"),
                lambda then, _now: sns.set_topic_attributes(
                    TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue=then
                ),
                needs=what,
            )

    def queue_url(self, name: str) -> str | None:
        """The queue's URL; None if there is no such queue."""
        reply = reply_or_none(self.account.client("sqs").get_queue_url, *_NO_QUEUE, QueueName=name)
        return None if reply is None else str(reply["QueueUrl"])

    def _queues(self) -> Iterator[Part]:
        setup = self.setup
        kept = {"MessageRetentionPeriod": "1209600"}
        encrypted = {"KmsMasterKeyId": setup.key_arn} if setup.kms else {}
        redrive = {"deadLetterTargetArn": setup.failed_queue_arn, "maxReceiveCount": 5}
        yield from self._queue(setup.failed_queue_name, kept | encrypted)
        yield from self._queue(
            setup.queue_name,
            kept
            | encrypted
            | {
                "VisibilityTimeout": "300",
                "ReceiveMessageWaitTimeSeconds": "20",
                "RedrivePolicy": redrive,
            },
        )
        what = f"queue {setup.queue_name}"
        yield part_of(
            f"{what}: policy",
            documents.queue_policy(setup),
            lambda: self._queue_attributes(setup.queue_name, ("Policy",)).get("Policy"),
            lambda then, _now: self._set_queue(setup.queue_name, {"Policy": then}),
            statements,
            needs=what,
        )

    def _queue(self, name: str, wanted: dict[str, Any]) -> Iterator[Part]:
        sqs, setup = self.account.client("sqs"), self.setup
        what = f"queue {name}"

        def read() -> Value:
            address = self.queue_url(name)
            if address is None:
                return None
            tags = sqs.list_queue_tags(QueueUrl=address).get("Tags") or {}
            return self._ours(what, tags)

        yield part_of(
            what,
            EXISTS,
            read,
            lambda _then, _now: sqs.create_queue(QueueName=name, tags=setup.tags),
        )
        yield part_of(
            f"{what}: attributes",
            wanted,
            lambda: self._queue_attributes(name, tuple(wanted)),
            lambda then, _now: self._set_queue(name, then),
            members,
            needs=what,
        )

    def _queue_attributes(self, name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
        """The attributes that a set-up sets; policies are parsed."""
        reply = self.account.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_url(name), AttributeNames=["All"]
        )
        there = reply.get("Attributes", {})
        made = {key: there[key] for key in wanted if there.get(key)}
        for key in ("Policy", "RedrivePolicy"):
            if key in made:
                made[key] = json.loads(made[key])
        if "RedrivePolicy" in made:
            made["RedrivePolicy"]["maxReceiveCount"] = int(made["RedrivePolicy"]["maxReceiveCount"])
        return made

    def _set_queue(self, name: str, attributes: dict[str, Any]) -> None:
        self.account.client("sqs").set_queue_attributes(
            QueueUrl=self.queue_url(name),
            Attributes={
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in attributes.items()
            },
        )
