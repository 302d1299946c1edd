"""Alerts about trail files that are not, or no longer, what CloudTrail delivered.

Verifications by CloudTrail's digests raise them, not rules. Otherwise they are ordinary alerts,
which are joined, sent, triaged and reported. Their id is derived from the finding, so a further
verification with the same finding writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from opensearchpy import OpenSearch

from detections.alerts.burst import Burst, moment
from detections.alerts.document import Document, counting, raised
from detections.alerts.facts import LONGEST_VALUE
from detections.alerts.merging import alert_id, group_key
from detections.alerts.text import one_line
from detections.incidents.document import DUE
from detections.rule import SEVERITIES, Attack, FilePosition, Rule
from trailhound.batching import batched
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import Write, existing, write_many
from trailhound.plural import plural
from trailhound.settings import Settings

RULE_ID: Final = "trailhound-trail-file"
KIND: Final = "integrity"
"""`rule.kind` of these alerts; it is not a kind of rule."""
_AT_ONCE: Final = 500
_GUIDE: Final = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/"

RULE: Final = Rule(
    id=RULE_ID,
    title="Trail file tampered with or missing",
    kind="sigma",  # the rule's own; the alerts say `KIND`
    level="critical",
    definition=None,
    place=FilePosition(Path(__file__)),
    severity=SEVERITIES["critical"],
    description=(
        "A file of the trail is not what CloudTrail delivered, or is gone: its signed digest says "
        "so. Somebody who can write to the bucket may be hiding what they did."
    ),
    attack=Attack(("defense-evasion", "impact"), ("T1070", "T1565.001")),
    references=(
        _GUIDE + "cloudtrail-log-file-validation-intro.html",
        "https://attack.mitre.org/techniques/T1070/",
        "https://attack.mitre.org/techniques/T1565/001/",
    ),
    falsepositives=("A lifecycle rule that deletes or archives files while they are verified.",),
    response=(
        "Keep the file and its versions: copy them where nobody else can write.",
        "Find who wrote to it: the bucket's data events, its versions and server access logs.",
        "Restore the version that the digest names, and read it with `trailhound backfill`.",
        "Run `trailhound verify` over a wider time.",
    ),
    lower_attempts=False,
)

UNCOVERED: Final = replace(
    RULE,
    id="trailhound-trail-uncovered",
    title="Trail files or hours that no digest covers",
    level="high",
    severity=SEVERITIES["high"],
    description=(
        "CloudTrail's digests do not cover all of the trail. Files that none of them lists may "
        "have been added; hours without one may have been deleted, or logging was off."
    ),
    falsepositives=("Log file validation was switched off for a while, or is off for one trail.",),
)


@dataclass(frozen=True, slots=True)
class WrongFile:
    """A log file or digest: its address, a sentence about what is wrong, and what the digests
    expect and what was found. `events`: how many of its events are indexed."""

    object: str
    detail: str
    expected: str
    found: str
    account: str = ""
    region: str = ""
    events: int = 0
    uncovered: bool = False
    """No digest covers it. Such alerts have a lower level than those about a file that differs from
    its digest."""


def record(
    client: OpenSearch, settings: Settings, wrong: Iterable[WrongFile], now: datetime
) -> set[str]:
    """Raise an alert for each file. Returns the ids of new alerts. Raises `RequestFailedError` and
    opensearch-py's exceptions."""
    index = Names(settings.prefix).alerts
    documents = {_id(each): _document(each, now) for each in wrong}
    made: set[str] = set()
    for part in batched(list(documents), _AT_ONCE):
        there = existing(client, index, part)
        writes = {name: Write(documents[name], None) for name in part if name not in there}
        made |= write_many(client, index, writes).keys()
    return made


def _id(wrong: WrongFile) -> str:
    """The id of an alert. For the files in a folder that no digest lists, it does not depend on
    their number."""
    about = wrong.found if wrong.uncovered else wrong.object
    rule = _rule(wrong)
    return alert_id(rule.id, (("object", about),), f"{wrong.expected}\n{wrong.found}")


def _rule(wrong: WrongFile) -> Rule:
    return UNCOVERED if wrong.uncovered else RULE


def _document(wrong: WrongFile, now: datetime) -> Document:
    name, expected, found = (
        one_line(text, LONGEST_VALUE) for text in (wrong.object, wrong.expected, wrong.found)
    )
    rule, group = _rule(wrong), (("object", wrong.object),)
    entities = {
        "account": frozenset({wrong.account} - {""}),
        "region": frozenset({wrong.region} - {""}),
        "resource": frozenset({name}),
    }
    burst = Burst(
        moment(now),
        moment(now),
        0,
        frozenset(),
        entities={kind: values for kind, values in entities.items() if values},
        detail=one_line(f"{wrong.detail}; expected: {expected}; found: {found}", 4 * LONGEST_VALUE),
    )
    document = raised(rule, group, group_key(rule.id, group), now)
    document |= counting(burst, "", Names("").days)
    document["rule"] = document["rule"] | {"kind": KIND}
    events = ""
    if wrong.events:
        number = plural(wrong.events, "event")
        events = f"; of it {number} {'is' if wrong.events == 1 else 'are'} indexed"
    return document | {
        "level": rule.level,
        "severity": rule.severity,
        "attempt": False,  # of no event, none failed
        "outcome": "",
        "before": {"count": 0, "relation": "eq"},
        "file": {"object": name, "expected": expected, "found": found},
        "summary": f"{name}: {one_line(wrong.detail, LONGEST_VALUE)}{events}",
        DUE: True,
    }
