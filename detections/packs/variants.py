"""Keeps variants of one pack apart from rules of another that use the same name.

Rules with one `variant_of` are read, sent and closed as one where they find the same events. Two
packs that were written independently may choose the same name: then an alert of one would keep
that of the other from being sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from detections.packs.documents import RuleFault
from detections.packs.load_faults import LoadFaults
from detections.packs.pack import Pack
from detections.packs.rule_names import PackFolders
from detections.rule import Rule


def with_variants_apart(pack: Pack, folders: PackFolders, faults: LoadFaults) -> Pack:
    """The pack, whose rules are variants only of rules of their own folder; a name that several
    folders use is a note on the rules of each but the first."""
    names: dict[str, dict[Path, list[Rule]]] = {}
    for rule in (*pack.rules, *pack.disabled):
        if rule.variant_of:
            by_folder = names.setdefault(rule.variant_of, {})
            by_folder.setdefault(folders.folder(rule.place.path), []).append(rule)
    scopes: dict[str, str] = {}
    for by_folder in names.values():
        (first, *_), *others = by_folder.values()
        for rules in others:
            # Not the folder's path: the same rules may be loaded from another one elsewhere.
            scopes |= dict.fromkeys((rule.id for rule in rules), min(rule.id for rule in rules))
            for rule in rules:
                reason = (
                    f"its `variant_of`, {rule.variant_of!r}, is also that of {first.title!r} "
                    f"({first.place}) of another pack: alerts of both are not taken for one"
                )
                hint = "choose another name, or put the rule into the folder of that pack"
                faults.add(RuleFault(rule.place, reason, hint, rule.id, stops=False, what="note"))
    if not scopes:
        return pack
    return replace(pack, rules=_scoped(pack.rules, scopes), disabled=_scoped(pack.disabled, scopes))


def _scoped(rules: Iterable[Rule], scopes: dict[str, str]) -> tuple[Rule, ...]:
    return tuple(replace(rule, variant_scope=scopes.get(rule.id, "")) for rule in rules)
