"""Selects the accounts and reads them at the same time; one that fails does not affect the
others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Final, Protocol

from trailhound.aws import account as aws_account
from trailhound.aws.posture.collect import collect
from trailhound.aws.posture.facts import AccountFacts, Refused, known
from trailhound.aws.posture.read_calls import Reader
from trailhound.errors import AwsError, TrailhoundError, UsageError
from trailhound.posture import CheckedAccount, Unreached

_AT_ONCE: Final = 8


class Stage(Protocol):
    """Called with a text on the progress, the number of accounts done, and the number of all."""

    def __call__(self, what: str, done: int, total: int, /) -> None: ...


@dataclass(frozen=True)
class Target:
    """An account to read; `closed`: the reason why it can't be read, by Organizations."""

    id: str
    name: str = ""
    closed: str = ""


@dataclass
class Read:
    """The accounts that were read, in the order of the targets, and those that could not be."""

    accounts: list[AccountFacts] = field(default_factory=list)
    named: list[CheckedAccount] = field(default_factory=list)
    unreached: list[Unreached] = field(default_factory=list)


def targets(
    own: aws_account.Account, *, organisation: bool, only: Sequence[str], role: str
) -> list[Target]:
    """The accounts of the organisation, or the named ones, or the own one.

    Raises `AwsError` where the organisation can't be read, `UsageError` for accounts that are not
    of it, or that no role was given for.
    """
    found = [Target(each) for each in dict.fromkeys(only)] or [Target(own.id)]
    if organisation:
        listed = Reader(own).ask("accounts", "the organisation's accounts")
        if isinstance(listed, Refused):
            raise AwsError(
                listed.reason,
                hint=f"{listed.hint}; ask with the management account or a delegated administrator",
            )
        members = {
            each["Id"]: Target(
                each["Id"],
                str(each.get("Name") or ""),
                "" if each.get("Status") == "ACTIVE" else f"the account is {each.get('Status')}",
            )
            for each in listed
        }
        strangers = [each for each in only if each not in members]
        if strangers:
            raise UsageError(
                f"--account {strangers[0]}: the organisation has no such account",
                hint="leave out --organisation to check an account by its role alone",
            )
        found = [members[each.id] for each in found] if only else list(members.values())
    if not role and any(each.id != own.id and not each.closed for each in found):
        raise UsageError(
            "other accounts are read by a role in each of them, and none is named",
            hint="--role NAME; `trailhound aws check --policy` prints what it needs",
        )
    return found


def read_all(
    own: aws_account.Account,
    found: Sequence[Target],
    *,
    role: str,
    regions: Sequence[str],
    stage: Stage,
    buckets: Sequence[str] = (),
) -> Read:
    """Reads the targets, some at a time. `buckets` are those named by `--bucket`."""
    by_id: dict[str, AccountFacts] = {}
    why: dict[str, Unreached] = {
        each.id: Unreached(account=each.id, reason=each.closed, closed=True)
        for each in found
        if each.closed
    }
    due = [each for each in found if not each.closed]
    done = 0

    def progress(what: str) -> None:
        stage(what, done, len(due))

    def one(target: Target) -> AccountFacts:
        there = own if target.id == own.id else own.in_role(target.id, role)
        return collect(Reader(there), regions, progress, buckets)

    with ThreadPoolExecutor(_AT_ONCE, "account") as pool:
        waiting = {pool.submit(one, each): each for each in due}
        for future in as_completed(waiting):
            target = waiting[future]
            try:
                by_id[target.id] = future.result()
            except TrailhoundError as error:
                why[target.id] = Unreached(account=target.id, reason=error.message, hint=error.hint)
            done += 1
            progress(f"account {target.id}")
    read = Read()
    for each in found:
        if each.id in by_id:
            read.accounts.append(by_id[each.id])
            read.named.append(CheckedAccount(account=each.id, name=each.name))
            read.unreached += _disabled(by_id[each.id], regions)
        else:
            read.unreached.append(why[each.id])
    return read


def _disabled(account: AccountFacts, regions: Sequence[str]) -> list[Unreached]:
    """Requested regions that the account has not enabled."""
    enabled = known(account.enabled, regions)
    return [
        Unreached(
            account=account.id,
            region=region,
            reason="the account has not enabled the region",
            closed=True,
        )
        for region in regions
        if region not in enabled
    ]
