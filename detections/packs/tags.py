"""Tags of ATT&CK that do not exist: by them, nobody who selects by tactic or technique finds the
rule's alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from detections.suggestions import nearest
from detections.tactics import TACTICS, tagged

_NAMESPACE: Final = "attack."
_TECHNIQUE: Final = re.compile(r"t[01]\d{3}(\.\d{3})?")
"""The form of a technique's id. Which exist changes with each release of ATT&CK, so there is no
list of them; none begins with another digit."""
_OTHERS: Final = re.compile(r"[gs]\d{4}")
"""Groups and software, which Sigma's tags may name."""
_TACTICS: Final = (*TACTICS, "stealth", "defense-impairment")
"""With those by which ATT&CK 19 replaces Defense Evasion."""


def unknown_tags(content: Mapping[str, Any], node: yaml.Node | None) -> Iterator[tuple[Any, ...]]:
    """The place, the reason and a hint for each tag of a rule's `tags` at `node` that ATT&CK does
    not have.

    >>> found = unknown_tags({"tags": ["attack.t9999", "attack.persistance", "attack.t1098"]}, None)
    >>> for _, reason, hint in found: print(f"{reason}: {hint}")
    ATT&CK has no technique 't9999': write its id as in `attack.t1098.001`
    ATT&CK has no tactic 'persistance': did you mean `attack.persistence`?
    """
    tags = content.get("tags")
    places = node.value if isinstance(node, yaml.SequenceNode) else []
    for number, tag in enumerate(tags if isinstance(tags, list) else ()):
        if not isinstance(tag, str) or not tag.lower().startswith(_NAMESPACE):
            continue
        name = tag.lower().removeprefix(_NAMESPACE)
        if tagged(name) in _TACTICS or _TECHNIQUE.fullmatch(name) or _OTHERS.fullmatch(name):
            continue
        place = places[number] if number < len(places) else node
        if any(each.isdigit() for each in name):
            hint = "write its id as in `attack.t1098.001`"
            yield place, f"ATT&CK has no technique {name!r}", hint
            continue
        near = nearest(name, _TACTICS)
        hint = f"did you mean `attack.{near}`?" if near else f"there are: {', '.join(TACTICS)}"
        yield place, f"ATT&CK has no tactic {name!r}", hint
