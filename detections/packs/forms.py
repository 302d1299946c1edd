"""The form of a rule: what it finds, as a short text that changes when that does.

A rule that got another condition, threshold, exception or placeholder has not looked at what came
before, although it has the same id. Titles, levels and advice are no part of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sigma.correlations import SigmaCorrelationRule

from detections.correlations.correlation import Correlation
from detections.matcher.placeholders import SHIPPED
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule
from trailhound.errors import RuleError

_OF_FILTER: Final = re.compile(r"_filt_[a-z]{10}_")
"""pySigma names the selections of an exception at random."""
_PLACEHOLDER: Final = re.compile(r"%([^%\s]+)%")


def forms_of(pack: Pack, placeholders: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The form of each rule that raises alerts, by its id. `placeholders` are those of the
    settings."""
    known = {rule.id: rule for rule in (*pack.rules, *pack.disabled)}
    return {rule.id: _digest(_parts(rule, known), placeholders) for rule in pack.alerting}


def _parts(rule: Rule, known: Mapping[str, Rule]) -> Iterator[Any]:
    """What decides what a rule finds: its own options, and the selections of its events."""
    if isinstance(rule.definition, SigmaCorrelationRule):
        yield rule.definition.to_dict()["correlation"]
        yield rule.by_role
        try:
            leaves = [rule_id(leaf) for leaf in Correlation.of(rule.definition).leaves()]
        except RuleError:
            leaves = []
        events = [known[name].events for name in leaves if name in known]
    else:
        if not rule.is_plain:
            yield repr(rule.definition)
        events = [rule.events]
    for each in events:
        if each is not None:
            yield each.detection.to_dict()


def _digest(parts: Iterator[Any], placeholders: Mapping[str, Sequence[str]]) -> str:
    made = json.dumps(list(parts), default=str)  # in order: names are random
    text = _OF_FILTER.sub("", made)
    names = sorted(set(_PLACEHOLDER.findall(text)))
    values = {name: list(placeholders.get(name, SHIPPED.get(name, ()))) for name in names}
    whole = f"{text}{json.dumps(values, sort_keys=True, default=str)}"
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
