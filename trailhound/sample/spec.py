"""The specification of a sample, and the summary of what was written."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from trailhound.errors import UsageError

Layout = Literal["plain", "organization", "prefixed"]

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """A sample trail, to the last byte: the same spec gives the same records and file names.

    The records are the same on any machine and Python; the compressed bytes too, as long as the
    compressor (isal) is of the same version and for the same kind of processor.

    `events` counts distinct events, attacks included. `start` is the first UTC day. As with
    CloudTrail, a file is in the folder of the day on which it was delivered, three to eight minutes
    after its last event: events just before midnight are in the next day's folder.
    `events_per_file` of N puts whole files of exactly N into each day, account and region that gets
    any, so only the last file of each may be smaller; `None` gives the many small and few large
    files of a real trail. `duplicates` is the share of events that a second file contains too, byte
    for byte. Global services (IAM, sign-in, Organizations) are recorded in us-east-1 where that is
    among `regions`, else in the first of them.

    Who acts, as shares of all events (`activity.py` has each call's own): AWS services 79 %,
    `AWS Internal` 4 %, workloads 10.8 %, people 3 %, pipelines 2.2 %, IAM users and robots 0.8 %,
    anonymous readers of a public bucket 0.3 %, root 0.006 %.

    Ordinary administration makes sensitive calls too. Their numbers in 100,000 events, without
    attacks, most of them by Terraform in a pipeline, the rest by people:

    ==================================================== ===========
    CreateRole, AttachRolePolicy, PutRolePolicy           8, 10, 7
    CreatePolicy, CreatePolicyVersion                     4, 6
    UpdateAssumeRolePolicy, DetachRolePolicy, DeleteRole  2, 2, 2
    CreateUser, AttachUserPolicy, PutUserPolicy           1, 1, 0.4
    CreateAccessKey, CreateLoginProfile                   2, 0.6
    PutBucketPolicy, DeleteBucketPolicy                   6, 1
    AuthorizeSecurityGroupIngress, Revoke…                10, 5
    CreateNetworkAclEntry                                 0.5
    UpdateTrail, StopLogging, DeleteTrail                 0.4, 0.1, 0.1
    PutKeyPolicy, PutEventSelectors                       1, 0.5
    GetSecretValue by people, SendCommand, StartSession   20, 4, 15
    ConsoleLogin: with MFA, without, failed               32, 4, 5
    ConsoleLogin by root                                  1.5
    ==================================================== ===========

    Raises `UsageError` for a value that is not valid.
    """

    events: int = 20_000
    seed: int = 1
    start: date = date(2025, 3, 3)
    days: int = 7
    accounts: int = 3
    regions: tuple[str, ...] = ("us-east-1", "eu-west-1", "ap-southeast-2")
    events_per_file: int | None = None
    duplicates: float = 0.0
    attacks: bool = True
    layout: Layout = "plain"
    compressed: bool = True

    def __post_init__(self) -> None:
        for name in ("events", "days", "accounts"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"a sample needs at least 1 of {name}, not {getattr(self, name)}",
                    hint=f"give {name} as a positive whole number",
                )
        if self.events_per_file is not None and self.events_per_file < 1:
            raise UsageError(
                f"a file cannot hold {self.events_per_file} events",
                hint="give events_per_file as a positive whole number, or leave it out",
            )
        if not 0 <= self.duplicates <= 1:
            raise UsageError(
                f"a share of duplicates of {self.duplicates} makes no sense",
                hint="give duplicates between 0 and 1: 0.1 delivers a tenth twice",
            )
        if self.layout not in ("plain", "organization", "prefixed"):
            raise UsageError(
                f"no layout is called {self.layout!r}",
                hint="choose plain, organization or prefixed",
            )
        if not self.regions or len(set(self.regions)) < len(self.regions):
            raise UsageError(
                "a sample needs at least one region, each named once",
                hint="for example us-east-1 and eu-west-1",
            )
        for region in self.regions:
            if not _REGION.fullmatch(region):
                raise UsageError(
                    f"{region!r} is not the name of a region",
                    hint="write it as AWS does: eu-west-1",
                )

    @property
    def home_region(self) -> str:
        """Where global services' events are recorded."""
        return "us-east-1" if "us-east-1" in self.regions else self.regions[0]

    def as_json(self) -> dict[str, Any]:
        """The spec as JSON, written beside the labels."""
        return {**asdict(self), "start": self.start.isoformat(), "regions": list(self.regions)}


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an attack, by the ids of its record. `event_time` is ISO 8601, UTC."""

    event_id: str
    event_name: str
    event_time: str
    tactic: str
    technique: str
    error_code: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Under CloudTrail's names where it has one."""
        return {
            "eventID": self.event_id,
            "eventName": self.event_name,
            "eventTime": self.event_time,
            "tactic": self.tactic,
            "technique": self.technique,
            "errorCode": self.error_code,
        }


@dataclass(frozen=True, slots=True)
class AttackLabel:
    """An attack in the trail.

    `principal` is the ARN it begins with, `principals` all ARNs it acts under; `address` the
    address it begins from, `addresses` all of them. `techniques` are MITRE ATT&CK ids.
    """

    name: str
    techniques: tuple[str, ...]
    account: str
    principal: str
    principals: tuple[str, ...]
    address: str
    addresses: tuple[str, ...]
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        """As `labels.json` holds it."""
        return {
            "attack": self.name,
            "techniques": list(self.techniques),
            "account": self.account,
            "principal": self.principal,
            "principals": list(self.principals),
            "address": self.address,
            "addresses": list(self.addresses),
            "start": self.steps[0].event_time,
            "end": self.steps[-1].event_time,
            "steps": [step.as_json() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was written. `bytes` is as stored, `uncompressed_bytes` before compression.

    `distinct_addresses` counts IP addresses (service names left out), `distinct_arns` the values
    of `userIdentity.arn`: what a cache of either would have to hold. `dropped_attacks` names the
    attacks for which a sample of this size has no room; so many `events_for_attacks` have room for
    all, with the same days and accounts (0 where none is left out).
    """

    directory: Path
    events: int
    records: int
    files: int
    bytes: int
    uncompressed_bytes: int
    distinct_addresses: int
    distinct_arns: int
    attacks: tuple[AttackLabel, ...]
    dropped_attacks: tuple[str, ...]
    events_for_attacks: int = 0
