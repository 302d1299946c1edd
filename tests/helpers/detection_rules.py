"""Rules of the tests' own: a plain one, a burst of failures, in a folder to be given as a pack."""

from __future__ import annotations

from pathlib import Path

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
