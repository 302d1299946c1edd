"""What all parts of a set-up share: whose they are, and refusals that name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trailhound.aws.account import Account
from trailhound.aws.names import TAG, TrailSetup
from trailhound.aws.parts import EXISTS, Part, Value, replaced
from trailhound.aws.refusals import refusals
from trailhound.errors import AwsError


def pairs_of(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{key: name, value: text} for name, text in tags.items()]


def tags_of(listed: list[dict[str, str]]) -> dict[str, str]:
    """The same as AWS gives them back."""
    return {each["Key"]: each["Value"] for each in listed}


@dataclass(frozen=True)
class SetupParts:
    """One set-up in one account. Objects that exist without our tag are adopted if asked for, and
    then not removed later."""

    account: Account
    setup: TrailSetup
    adopt: bool = False

    def _part(
        self,
        name: str,
        wanted: Value,
        read: Callable[[], Value],
        write: Callable[[Value, Value], None],
        merge: Callable[[Value, Value], Value] = replaced,
        needs: str = "",
    ) -> Part:
        """With refusals as sentences that name the part."""

        def reading() -> Value:
            with refusals(name):
                return read()

        def writing(then: Value, now: Value) -> None:
            with refusals(name):
                write(then, now)

        return Part(name, wanted, reading, writing, merge, needs)

    def _ours(self, what: str, tags: dict[str, str]) -> Value:
        """That a thing is there, and by whom; raises `AwsError` for one that is not ours."""
        if tags.get(TAG) == self.setup.name or self.adopt:
            return EXISTS
        raise AwsError(
            f"{what} exists already, and was not made by this set-up (it has no tag "
            f"{TAG}={self.setup.name})",
            hint="give another name with --name or --bucket; or --adopt to change it, merged with "
            "what it has (it is then never deleted by --destroy)",
        )

    def _own(self) -> dict[str, str]:
        """Names the bucket, and that it must be this account's."""
        return {"Bucket": self.setup.bucket_name, "ExpectedBucketOwner": self.setup.account}
