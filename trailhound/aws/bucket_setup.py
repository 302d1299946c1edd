"""The bucket and the key of a set-up, read and written by AWS's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from ingest.sources.s3_errors import code_of
from trailhound.aws import documents
from trailhound.aws.account import reply_or_none
from trailhound.aws.parts import EXISTS, Part, Value, by, statements
from trailhound.aws.setup_parts import SetupParts, pairs_of, part_of, tags_of
from trailhound.errors import AwsError

_NO_BUCKET = ("404", "NoSuchBucket")


@dataclass(frozen=True)
class BucketParts(SetupParts):
    """The KMS key, and the bucket with all that is set on it."""

    def _key(self) -> dict[str, Any] | None:
        kms = self.account.client("kms")
        reply = reply_or_none(kms.describe_key, "NotFoundException", KeyId=self.setup.key_alias)
        return None if reply is None else dict(reply["KeyMetadata"])

    def _key_parts(self) -> Iterator[Part]:
        kms, setup = self.account.client("kms"), self.setup
        name = f"key {setup.key_alias}"

        def read() -> Value:
            key = self._key()
            if key is None:
                return None
            listed = kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            return self._ours(name, {each["TagKey"]: each["TagValue"] for each in listed})

        def create(_then: Value, _now: Value) -> None:
            made = kms.create_key(
                Description=f"CloudTrail's files of {setup.name}",
                Policy=json.dumps(documents.key_policy(setup)),
                Tags=pairs_of(setup.tags, "TagKey", "TagValue"),
            )["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=setup.key_alias, TargetKeyId=made)

        yield part_of(name, EXISTS, read, create)
        yield part_of(
            f"{name}: rotation",
            True,
            lambda: kms.get_key_rotation_status(KeyId=self._key_id())["KeyRotationEnabled"],
            lambda _then, _now: kms.enable_key_rotation(KeyId=self._key_id()),
            needs=name,
        )
        yield part_of(
            f"{name}: policy",
            documents.key_policy(setup),
            lambda: json.loads(
                kms.get_key_policy(KeyId=self._key_id(), PolicyName="default")["Policy"]
            ),
            lambda then, _now: kms.put_key_policy(
                KeyId=self._key_id(), PolicyName="default", Policy=json.dumps(then)
            ),
            statements,
            needs=name,
        )

    def _key_id(self) -> str:
        key = self._key()
        return str(key["KeyId"]) if key else self.setup.key_alias

    def bucket_tags(self) -> dict[str, str] | None:
        """Its tags; None where there is no such bucket. Raises `AwsError` for another account's."""
        s3, bucket = self.account.client("s3"), self.setup.bucket_name
        try:
            if reply_or_none(s3.head_bucket, *_NO_BUCKET, Bucket=bucket) is None:
                return None
            reply = reply_or_none(s3.get_bucket_tagging, "NoSuchTagSet", **self._own())
        except ClientError as error:
            if code_of(error) not in ("403", "AccessDenied"):
                raise
            raise AwsError(
                f"bucket {bucket}: it belongs to another account, or looking at it is denied",
                hint="give another name with --bucket; if it is yours, grant s3:ListBucket and "
                "s3:GetBucketTagging",
            ) from None
        return tags_of(reply["TagSet"]) if reply else {}

    def _bucket_parts(self) -> Iterator[Part]:
        s3, setup, own = self.account.client("s3"), self.setup, self._own()
        name = f"bucket {setup.bucket_name}"

        def read() -> Value:
            tags = self.bucket_tags()
            return None if tags is None else self._ours(name, tags)

        def create(_then: Value, _now: Value) -> None:
            where = (
                {}
                if setup.region == "us-east-1"
                else {"CreateBucketConfiguration": {"LocationConstraint": setup.region}}
            )
            s3.create_bucket(
                Bucket=setup.bucket_name,
                ObjectLockEnabledForBucket=bool(setup.object_lock_days),
                **where,
            )
            s3.put_bucket_tagging(**own, Tagging={"TagSet": pairs_of(setup.tags)})

        yield part_of(name, EXISTS, read, create)
        part = partial(part_of, needs=name)
        yield part(
            f"{name}: versioning",
            "Enabled",
            lambda: s3.get_bucket_versioning(**own).get("Status"),
            lambda then, _now: s3.put_bucket_versioning(
                **own, VersioningConfiguration={"Status": then}
            ),
        )
        yield part(
            f"{name}: encryption",
            documents.encryption(setup),
            self._encryption,
            lambda then, _now: s3.put_bucket_encryption(
                **own, ServerSideEncryptionConfiguration=then
            ),
        )
        yield part(
            f"{name}: public access",
            dict.fromkeys(
                (
                    "BlockPublicAcls",
                    "IgnorePublicAcls",
                    "BlockPublicPolicy",
                    "RestrictPublicBuckets",
                ),
                True,
            ),
            lambda: (
                reply_or_none(
                    s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", **own
                )
                or {"PublicAccessBlockConfiguration": None}
            )["PublicAccessBlockConfiguration"],
            lambda then, _now: s3.put_public_access_block(
                **own, PublicAccessBlockConfiguration=then
            ),
        )
        yield part(
            f"{name}: policy",
            documents.bucket_policy(setup),
            self._bucket_policy,
            lambda then, _now: s3.put_bucket_policy(**own, Policy=json.dumps(then)),
            statements,
        )
        yield part(
            f"{name}: lifecycle",
            [documents.lifecycle_rule(setup)],
            lambda: (
                reply_or_none(
                    s3.get_bucket_lifecycle_configuration,
                    "NoSuchLifecycleConfiguration",
                    **own,
                )
                or {"Rules": None}
            )["Rules"],
            lambda then, _now: s3.put_bucket_lifecycle_configuration(
                **own, LifecycleConfiguration={"Rules": then}
            ),
            by("ID"),
        )
        if setup.object_lock_days:
            yield part(
                f"{name}: object lock",
                documents.object_lock(setup),
                self._object_lock,
                lambda then, _now: s3.put_object_lock_configuration(
                    **own, ObjectLockConfiguration=then
                ),
            )

    def _object_lock(self) -> Value:
        """The configuration, without a retention of 0 years or 0 days."""
        reply = reply_or_none(
            self.account.client("s3").get_object_lock_configuration,
            "ObjectLockConfigurationNotFoundError",
            **self._own(),
        )
        if reply is None:
            return None
        lock: dict[str, Any] = reply["ObjectLockConfiguration"]
        if retention := lock.get("Rule", {}).get("DefaultRetention"):
            lock["Rule"]["DefaultRetention"] = {
                key: value for key, value in retention.items() if value
            }
        return lock

    def _bucket_policy(self) -> Value:
        s3 = self.account.client("s3")
        reply = reply_or_none(s3.get_bucket_policy, "NoSuchBucketPolicy", **self._own())
        return None if reply is None else json.loads(reply["Policy"])

    def _encryption(self) -> Value:
        """The default encryption, without members that the set-up does not set."""
        s3 = self.account.client("s3")
        reply = reply_or_none(
            s3.get_bucket_encryption,
            "ServerSideEncryptionConfigurationNotFoundError",
            **self._own(),
        )
        if reply is None:
            return None
        rules = reply["ServerSideEncryptionConfiguration"]["Rules"]
        known = ("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled")
        return {"Rules": [{name: each[name] for name in known if each.get(name)} for each in rules]}
