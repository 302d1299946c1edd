"""An exercise: one attack in an ordinary trail, unlabelled, and what is right to answer about it.

Attack, account, day, victim, names and where the attacker stops follow from the seed. The solution
is written beside the trail, encoded, so that neither a search nor a glance shows it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from enrich.enricher import Enricher
from trailhound.errors import UsageError
from trailhound.sample.attacks import ATTACKS, COLLECTION, CREDENTIALS, EXFILTRATION, IMPACT
from trailhound.sample.attacks import PERSISTENCE as STAYING
from trailhound.sample.estate import Account, Estate, build
from trailhound.sample.incident import Incident
from trailhound.sample.plan import Bucket, quotas
from trailhound.sample.records import Record
from trailhound.sample.spec import SampleSpec, SampleSummary, Step
from trailhound.sample.write import BULK, ROOM, attack_buckets, companion_path, write_records

SEALED: Final = "exercise.sealed"
ANSWERS: Final = "answers.yaml"
_HEAD: Final = b"The solution of a Trailhound exercise: leave it alone until you are graded.\n"
"""Text, since a compressed list of calls would be read as a trail file, with the labels."""
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "backup-operator": ("svc-inventory", "it-support-02", "metrics-agent", "helpdesk-temp"),
    "aws-support-audit": ("CloudOpsReadOnly", "vendor-diagnostics", "OrgHealthCheck"),
    "s3-maintenance": ("inline-ops", "tmp-access", "legacy-policy"),
    "logs-mirror-7713": ("audit-archive-2291", "trail-copy-0417", "compliance-sync-88"),
    "node-key": ("worker-key", "build-agents", "render-farm"),
    "launch-wizard-9": ("launch-wizard-3", "ssh-temp", "nodes-public"),
    "HOW-TO-RESTORE.txt": ("READ_ME_NOW.txt", "RECOVERY-INSTRUCTIONS.txt", "warning.txt"),
    "exports/customers/part-": ("reports/payroll/", "backup/contracts/doc-", "dumps/orders-"),
    "curated/2025/ledger-": ("finance/2025/close-", "media/master-", "claims/file-"),
}
"""Names that attacks give and use, and others for them."""
_STOPS: Final[Mapping[str, float]] = {"console-brute-force": 0.93}
_STOPS_ELSE: Final = 0.65
"""After which share of its steps an attacker stops at the earliest: after something was reached."""
_AT_LEAST: Final = 10
_REACHED: Final = (IMPACT, EXFILTRATION, COLLECTION)
_ELSE: Final = (STAYING, CREDENTIALS)
"""Tactics whose calls reach what the attack was for; where none succeeded, the second."""
_MAKING: Final = ("Create", "Run", "Import", "Assume", "GetSessionToken", "GetFederationToken")
"""How the names of calls begin that make a principal, a credential or a machine."""
_LEAVES: Final = (
    *("bucket", "instance", "snapshot", "secret", "database", "function", "user", "role"),
    *("access_key", "object_key", "kms_key", "id", "arn"),
)
"""Kinds of resources, what a person would name first."""


@dataclass(frozen=True, slots=True)
class Solution:
    """What is right. `objects` are all names of what was reached, those that a person would give
    first; `steps` are all calls of the attack, in order. `names` are further names of a principal,
    by its ARN: the keys it used, the role behind a session. `made` are names of what the intruder
    made, whether it was used or not."""

    attack: str
    seed: int
    account: str
    principals: tuple[str, ...]
    addresses: tuple[str, ...]
    objects: tuple[str, ...]
    steps: tuple[Step, ...]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    made: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As the sealed file holds it."""
        return {
            "attack": self.attack,
            "seed": self.seed,
            "account": self.account,
            "principals": list(self.principals),
            "addresses": list(self.addresses),
            "objects": list(self.objects),
            "steps": [each.as_json() for each in self.steps],
            "names": {arn: list(names) for arn, names in self.names.items()},
            "made": list(self.made),
        }


def write_exercise(directory: Path, spec: SampleSpec) -> SampleSummary:
    """Write a trail with one attack, the form for the answers, and the sealed solution. Raises
    `UsageError` where the folder is not empty or can't be written, and where a trail of this size
    has no room for any attack."""
    estate = build(spec)
    planned = quotas(spec, estate)
    solution, bucket, records = _hidden(spec, estate, planned)
    text = json.dumps(solution.as_json()).encode()
    content = _HEAD + base64.encodebytes(gzip.compress(text, mtime=0))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty", hint="name a new folder")
        solved = companion_path(directory, SEALED)
        solved.parent.mkdir()
        solved.write_bytes(content)
        (directory / ANSWERS).write_text(FORM, "utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write an exercise to {directory}: {error}", hint="give a folder of your own"
        ) from None
    return write_records(directory, spec, estate, planned, {bucket: records}, (), (), None)


def read_solution(directory: Path) -> Solution:
    """The solution of an exercise. Raises `UsageError` where there is none."""
    path = companion_path(directory, SEALED)
    try:
        stored = path.read_bytes()
        if not stored.startswith(_HEAD):
            raise ValueError("it has another beginning")
        found = json.loads(gzip.decompress(base64.decodebytes(stored[len(_HEAD) :])))
        steps = tuple(
            Step(
                event_id=each["eventID"],
                event_name=each["eventName"],
                event_time=each["eventTime"],
                tactic=each["tactic"],
                technique=each["technique"],
                error_code=each["errorCode"],
            )
            for each in found["steps"]
        )
        return Solution(
            found["attack"],
            found["seed"],
            found["account"],
            tuple(found["principals"]),
            tuple(found["addresses"]),
            tuple(found["objects"]),
            steps,
            # Exercises of the last release have neither.
            {arn: tuple(names) for arn, names in found.get("names", {}).items()},
            tuple(found.get("made", ())),
        )
    except FileNotFoundError:
        raise UsageError(
            f"there is no exercise in {directory}",
            hint=f"write one: trailhound sample {directory} --exercise",
        ) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not a solution ({type(error).__name__})", hint="write the exercise again"
        ) from None


def _hidden(
    spec: SampleSpec, estate: Estate, planned: dict[Bucket, int]
) -> tuple[Solution, Bucket, list[Record]]:
    rng = Random(f"exercise {spec.seed}")
    names = sorted(ATTACKS, key=lambda _: rng.random())
    homes = sorted(attack_buckets(spec, planned), key=lambda _: rng.random())
    for name in names:
        for bucket in homes:
            incident = Incident(
                rng=Random(f"exercise {spec.seed} {name} {bucket}"),
                estate=estate,
                account=_varied(estate.accounts[bucket.account], rng),
                bucket=bucket,
                second=int(rng.random() * 18 * 3600),
                bulk=min(int(20 + rng.random() * (BULK - 20)), spec.events // 160),
            )
            ATTACKS[name](incident)
            low = _STOPS.get(name, _STOPS_ELSE)
            kept = max(_AT_LEAST, round(len(incident.steps) * (low + rng.random() * (1 - low))))
            if min(kept, len(incident.steps)) <= planned[bucket] * ROOM:
                records = _renamed(incident.records[:kept], rng)
                return _solution(name, spec, incident, records), bucket, records
    raise UsageError(
        f"a trail of {spec.events:,} events has no room for an attack",
        hint="give more events: --events 20000",
    )


def _varied(account: Account, rng: Random) -> Account:
    """The account with its victims in another order."""

    def order(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(sorted(values, key=lambda _: rng.random()))

    return replace(
        account,
        users=order(account.users),
        robots=order(account.robots),
        buckets=order(account.buckets),
    )


def _renamed(records: list[Record], rng: Random) -> list[Record]:
    names = [(old, others[int(rng.random() * len(others))]) for old, others in _NAMES.items()]
    made = []
    for second, record in records:
        text = record
        for old, new in names:
            text = text.replace(old.encode(), new.encode())
        made.append((second, text))
    return made


def _solution(name: str, spec: SampleSpec, incident: Incident, records: list[Record]) -> Solution:
    decoded = [json.loads(record) for _, record in records]
    steps = incident.steps[: len(records)]
    # Whoever had a password tried without success has done nothing.
    succeeded = [
        each for each in decoded if not each.get("errorCode") and not each.get("errorMessage")
    ]
    names: dict[str, list[str]] = {}
    for each in succeeded:
        if arn := each["userIdentity"].get("arn"):
            names.setdefault(arn, []).extend(_names_of(each["userIdentity"]))
    return Solution(
        attack=name,
        seed=spec.seed,
        account=incident.account.id,
        principals=tuple(names),
        addresses=tuple(dict.fromkeys(each["sourceIPAddress"] for each in decoded)),
        objects=_reached(decoded, steps),
        steps=tuple(steps),
        names={arn: tuple(dict.fromkeys(several)) for arn, several in names.items()},
        made=_made(succeeded),
    )


def _names_of(identity: Mapping[str, Any]) -> Iterator[str]:
    """What else an identity is called: its access key, and the role behind its session."""
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    for name in (identity.get("accessKeyId"), issuer.get("arn"), issuer.get("userName")):
        if name:
            yield name


def _made(records: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Every name of what calls made: users, roles, access keys, instances."""
    enricher = Enricher()
    found: dict[str, None] = {}
    for record in records:
        if not record["eventName"].startswith(_MAKING):
            continue
        found |= dict.fromkeys(_keys_in(record.get("responseElements")))
        resource = enricher.document_fields(record).get("resource") or {}
        found |= dict.fromkeys(value for values in resource.values() for value in values)
    return tuple(found)


def _keys_in(value: object) -> Iterator[str]:
    """The access keys anywhere in what a call answered."""
    if isinstance(value, Mapping):
        if isinstance(key := value.get("accessKeyId"), str):
            yield key
        for each in value.values():
            yield from _keys_in(each)


def _reached(records: list[dict[str, Any]], steps: list[Step]) -> tuple[str, ...]:
    """Every name of what calls that succeeded reached."""
    enricher = Enricher()
    for tactics in (_REACHED, _ELSE, tuple({each.tactic for each in steps})):
        found: dict[str, list[str]] = {}
        for record, step in zip(records, steps, strict=True):
            if step.tactic not in tactics or step.error_code or record.get("errorMessage"):
                continue
            resource = enricher.document_fields(record).get("resource") or {}
            for leaf, values in resource.items():
                found.setdefault(leaf, []).extend(values)
        ordered = [value for leaf in _LEAVES for value in found.get(leaf, ())]
        if ordered:
            return tuple(dict.fromkeys(ordered))
    return ()


FORM: Final = """\
# What happened here? One intruder is in this trail. Write down what you found, then:
#
#   trailhound sample DIR --grade DIR/answers.yaml
#
# A list may have any number of entries: [one, two]. Wrong ones cost their share of the points.

# Who acted: ARNs, or the names at their end; an access key stands for whoever used it. What the
# intruder made, as a user or a key, may be named too: unless it acted, that changes no points.
who: []
# From which addresses.
from: []
# The eventID of the first call of the attack: the entry. Of several in that second, any.
first: ""
# The eventID of the last call of the attack. Of several in that second, any.
last: ""
# What was reached in the end: a bucket, an instance, a user.
objects: []
# The names of the attack's calls, as GetObject.
calls: []
"""
"""The form for the answers, before they are given."""
