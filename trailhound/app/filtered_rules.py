"""Blocks of `filter` that drop what shipped rules look for, found by the rules' own samples.

A filtered event is counted, but no rule looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from detections.packs.loading import SHIPPED
from detections.samples import DEFAULTS, SUFFIX, Event, Samples, read_samples
from ingest.documents.noise_filter import NoiseFilter
from trailhound.errors import RuleError, SettingsError
from trailhound.plural import plural

_NAMED = 3


def filtered_rules(blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    """(position, sentence) for each block that drops all that some of the shipped rules look for. A
    faulty block is passed over: `filter_faults` names it."""
    samples = dict(_shipped_samples())
    for position, block in enumerate(blocks):
        try:
            drops = NoiseFilter([block]).drops
        except SettingsError:
            continue
        blind = [name for name, each in samples.items() if _all_dropped(each, drops)]
        if blind:
            named = ", ".join(blind[:_NAMED]) + (", …" if len(blind) > _NAMED else "")
            yield (
                position,
                (
                    f"it leaves nothing to find for {plural(len(blind), 'shipped rule')}: {named} "
                    "(name fewer calls, or whose)"
                ),
            )


def _all_dropped(samples: Samples, drops: Callable[[Event], str | None]) -> bool:
    """Whether each event of each trail that a rule should find is dropped."""
    return all(drops({**DEFAULTS, **event}) for trail in samples.match for event in trail)


def _shipped_samples() -> Iterator[tuple[str, Samples]]:
    for file in sorted(SHIPPED.rglob(f"*{SUFFIX}")):
        rule = Path(file.parent) / f"{file.name.removesuffix(SUFFIX)}.yml"
        try:
            found = read_samples(rule)
        except RuleError:
            continue
        if found.match:
            yield f"{rule.parent.name}/{rule.stem}", found
