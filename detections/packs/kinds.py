"""The kinds of rule that Sigma lacks, by name.

To add a kind: a module in `detections/kinds/` with a `KIND`, and its name here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from detections.kinds import baselines, new_terms, travel
from detections.kinds.kind import OwnKind, Parser
from detections.rule import Rule, RuleKind

OWN_KINDS: Mapping[RuleKind, OwnKind] = MappingProxyType(
    {each.name: each for each in (new_terms.KIND, baselines.KIND, travel.KIND)}
)

KINDS: Mapping[RuleKind, Parser] = MappingProxyType(
    {name: each.parse for name, each in OWN_KINDS.items()}
)
"""The kind's name, which is its key under `trailhound:`, → the parser of its options."""

OPTIONS: Mapping[RuleKind, tuple[str, ...]] = MappingProxyType(
    {
        "sigma": (),
        "correlation": ("timespan", "threshold", "by_role"),
        **{name: each.options for name, each in OWN_KINDS.items()},
    }
)
"""Kind → the options that settings may override; all options of our own kinds."""

SINGLES: frozenset[RuleKind] = frozenset(
    {"sigma", *(name for name, each in OWN_KINDS.items() if each.single)}
)
"""Kinds whose findings are one event each."""


def window_of(rule: Rule) -> timedelta:
    """The length of the windows that a rule evaluates (`OwnKind.window`); zero for other rules."""
    own = OWN_KINDS.get(rule.kind)
    return own.window(rule.definition) if own else timedelta(0)


def counts_exactly(rule: Rule) -> bool:
    """Whether a finding's events are all that the rule's query finds (`OwnKind.counts_exactly`)."""
    own = OWN_KINDS.get(rule.kind)
    return own is not None and own.counts_exactly
