"""Rules of the tests' own: a plain one, a burst of failures, in a folder to be given as a pack; and
when they run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.rule_checkpoints import RuleCheckpoints

DELETED = "5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a01"
FAILURES = "5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a02"
BURST = "5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a03"

RULES = f"""\
title: Trail deleted
id: {DELETED}
level: high
logsource: {{product: aws, service: cloudtrail}}
tags: [attack.defense-evasion, attack.t1562.008]
detection:
  selection: {{eventSource: cloudtrail.amazonaws.com, eventName: DeleteTrail}}
  condition: selection
trailhound: {{interval: 1s, response: [Ask who did it]}}
---
title: A denied call
id: {FAILURES}
name: denied
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{errorCode: AccessDenied}}
  condition: selection
---
title: Many denied calls
id: {BURST}
level: medium
correlation:
  type: event_count
  rules: [denied]
  group-by: [userIdentity.arn]
  timespan: 10m
  condition: {{gte: 5}}
trailhound: {{interval: 1s}}
"""


def write_rules(folder: Path) -> Path:
    """The pack, written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(RULES)
    return folder


def due_again(client: OpenSearch, settings: Settings, **back: float) -> None:
    """Let time go by: every rule's last run, and what it has seen, were so long ago."""
    marks = RuleCheckpoints(client, settings)
    moved = []
    for mark in marks.read().values():
        changes = {
            "seen_until": mark.seen_until - timedelta(**back),
            "ran_at": mark.ran_at - timedelta(**back),
        }
        moved.append(msgspec.structs.replace(mark, **changes))
    marks.write(moved)
