"""What a rule found, before it is an alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

EVIDENCE = 10_000
"""The most event ids that a finding keeps, the earliest; `count` is exact nevertheless."""

Group = tuple[tuple[str, str], ...]
"""Fields and the values they share, in the rule's own order; empty where a rule groups by none."""
GroupKey = tuple[str, ...]
"""The values of a rule's group-by fields alone, in its order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One event of a plain rule, or one burst of a group.

    `events` are `_id`s of documents, the earliest first: the first one, with rule and group, is
    what an alert's id is made of. `first_seen` and `last_seen` are event times. `detail` is a
    sentence that a person should read first, where the rule alone does not give it. `learning`: a
    clause on the history before it, where the index has too little to know what is usual.
    """

    rule_id: str
    events: tuple[str, ...]
    count: int
    first_seen: datetime
    last_seen: datetime
    group: Group = ()
    detail: str = ""
    learning: str = ""
