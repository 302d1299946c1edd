"""What all parts of a set-up share: an owner by tag, and errors that name the part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trailhound.aws.account import Account
from trailhound.aws.names import TAG, TrailSetup
from trailhound.aws.parts import EXISTS, Part, Value, replaced
from trailhound.aws.refusals import refusals
from trailhound.errors import AwsError


def pairs_of(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as lists of pairs, the form of most services."""
    return [{key: name, value: text} for name, text in tags.items()]


def tags_of(listed: list[dict[str, str]]) -> dict[str, str]:
    """Tags from a list of pairs, as AWS returns them."""
    return {each["Key"]: each["Value"] for each in listed}


def part_of(
    name: str,
    wanted: Value,
    read: Callable[[], Value],
    write: Callable[[Value, Value], object],
    merge: Callable[[Value, Value], Value] = replaced,
    needs: str = "",
) -> Part:
    """A part whose `read` and `write` raise `AwsError`, naming the part, if AWS refuses."""

    def reading() -> Value:
        with refusals(name):
            return read()

    def writing(then: Value, now: Value) -> None:
        with refusals(name):
            write(then, now)

    return Part(name, wanted, reading, writing, merge, needs)


@dataclass(frozen=True)
class SetupParts:
    """One set-up in one account. Resources that exist without its tag are changed with `adopt`,
    and then not removed by `--destroy`."""

    account: Account
    setup: TrailSetup
    adopt: bool = False

    def _ours(self, what: str, tags: dict[str, str]) -> Value:
        """`EXISTS` for a resource of this set-up; raises `AwsError` for one of somebody else."""
        if tags.get(TAG) == self.setup.name or self.adopt:
            return EXISTS
        raise AwsError(
            f"{what} exists already, and was not made by this set-up (it has no tag "
            f"{TAG}={self.setup.name})",
            hint="give another name with --name or --bucket; or --adopt to change it, merged with "
            "what it has (it is then never deleted by --destroy)",
        )

    def _own(self) -> dict[str, str]:
        """Arguments that name the bucket and require that this account owns it."""
        return {"Bucket": self.setup.bucket_name, "ExpectedBucketOwner": self.setup.account}
