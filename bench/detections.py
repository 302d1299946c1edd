"""What a pack of rules finds, and what it costs its reader: recall by technique, alerts a 1,000.

Recall is measured on recorded attacks with the marks of their tools taken out, noise on a sample
in which administrators and pipelines make the sensitive calls at the rates `SampleSpec` states,
and on events that others labelled as harmless. Our own pack and, where it is there, SigmaHQ's
meet the same events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.forging import forged
from bench.recordings import DATA, enriched, harmless, ordinary, techniques, unmarked
from bench.rule_replay import Event, ReplayedPack, load_pack, replay
from bench.seasoning import CHOSEN, DAYS, month_of, seasoned
from detections.packs.loading import load_paths
from enrich.enricher import Enricher
from enrich.geo import GeoDatabase, packaged_city_database
from trailhound.settings import DetectionSettings

OURS = Path(__file__).parents[1] / "detections" / "rules"
DEFINED = ("alarms", "patterns")
"""Folders of rules that are given to the letter: reported apart, without a budget."""
BUDGET = 1.0
HIGH_SEVERITY_BUDGET = 0.1
"""Alerts a 1,000 ordinary events: all levels together, and high and critical together."""
GRAVE = ("high", "critical")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Noise:
    """Alerts of a pack on events that deserve none, by title, with the level and folder of each."""

    events: int
    alerts: Mapping[str, int]
    severe: frozenset[str]
    defined: frozenset[str]

    def rate(self, *, severe: bool = False, defined: bool = False) -> float:
        """Alerts a 1,000 events, of the defined rules or of all others; only `severe` ones."""
        wanted = [
            count
            for title, count in self.alerts.items()
            if (title in self.defined) is defined and (not severe or title in self.severe)
        ]
        return 1000 * sum(wanted) / self.events if self.events else 0.0

    def as_json(self) -> dict[str, Any]:
        """For results.json."""
        return {
            "events": self.events,
            "a_1000": self.rate(),
            "high_and_critical_a_1000": self.rate(severe=True),
            "defined_a_1000": self.rate(defined=True),
            "alerts": dict(self.alerts),
        }


def enricher() -> Enricher:
    """With the packaged city database, where it is installed."""
    path = packaged_city_database()
    return Enricher(city=GeoDatabase.open(path) if path else None)


def recall(pack: ReplayedPack, attacks: Mapping[str, Sequence[Event]]) -> dict[str, list[str]]:
    """Titles of the rules that find each technique, those of the defined folders left out."""
    rules = [rule for rule in pack.rules if rule.folder not in DEFINED]
    found = {}
    for name, events in attacks.items():
        alerts = replay(rules, events)
        found[name] = [f"{rule.title} ({rule.level})" for rule in rules if alerts[rule.id]]
    return found


def noise(pack: ReplayedPack, events: Sequence[Event]) -> Noise:
    """What the pack says of events that deserve nothing."""
    alerts = replay(pack.rules, events)
    counts = Counter({rule.title: len(alerts[rule.id]) for rule in pack.rules if alerts[rule.id]})
    return Noise(
        len(events),
        dict(counts.most_common()),
        frozenset(rule.title for rule in pack.rules if rule.level in GRAVE),
        frozenset(rule.title for rule in pack.rules if rule.folder in DEFINED),
    )


def measure(events: int, say: Say, data: Path = DATA) -> dict[str, Any]:
    """Both packs on all there is; prints as it goes, and gives the figures."""
    packs = {"ours": load_pack(OURS)}
    if (data / "sigmahq").is_dir():
        packs["sigmahq"] = load_pack(data / "sigmahq")
    shared = enricher()
    results: dict[str, Any] = {}
    quiet = list(enriched(ordinary(events), shared))
    for name, pack in packs.items():
        say(f"{name}: {len(pack.rules)} rules; not replayed, since they look back for days: "
            f"{len(pack.left_out)}")  # fmt: skip
        results[name] = {"sample": _reported(noise(pack, quiet), "ordinary sample", say)}
    if not data.is_dir():
        say(f"no recordings at {data}: recall is not measured")
        return results
    labelled = list(enriched(harmless(data), shared))
    attacks = {
        name: list(enriched(map(unmarked, records), shared))
        for name, records in techniques(data).items()
    }
    for name, pack in packs.items():
        results[name]["labelled"] = _reported(
            noise(pack, labelled), f"{name}, labelled harmless", say
        )
        found = recall(pack, attacks)
        results[name]["recall"] = found
        reached = sum(bool(titles) for titles in found.values())
        say(f"{name}: recall {reached} of {len(found)} techniques, tool marks taken out")
        for technique, titles in found.items():
            say(f"  {technique}: {'; '.join(titles) or '–'}")
    return results


def measure_forged(say: Say, data: Path = DATA) -> dict[str, list[str]]:
    """Our pack on the recorded attacks under a forged agent and forged names; prints as it goes."""
    shared = enricher()
    found = recall(
        load_pack(OURS),
        {
            name: list(enriched((forged(unmarked(each)) for each in records), shared))
            for name, records in techniques(data).items()
        },
    )
    reached = sum(map(bool, found.values()))
    say(f"ours: recall {reached} of {len(found)} techniques, agent and names forged")
    for technique, titles in found.items():
        say(f"  {technique}: {'; '.join(titles) or '–'}")
    return found


def measure_seasoned(events: int, say: Say, data: Path = DATA) -> dict[str, dict[str, list[str]]]:
    """Our pack on the recorded attacks by a pipeline's own role, after a month of so many ordinary
    events (`bench.seasoning`); prints as it goes."""
    shared = enricher()
    pack = load_paths([OURS], DetectionSettings())
    month = month_of(ordinary(events, days=DAYS), pack, shared)
    attacks = {
        name: [unmarked(each) for each in records] for name, records in techniques(data).items()
    }
    known = sum(len(days) >= CHOSEN.days for days in month.observed.values())
    say(f"{known:,} of {len(month.observed):,} patterns of rule, role, call and network are known")
    found = seasoned(month, pack, attacks, shared)
    for way, by_technique in found.items():
        reached = sum(map(bool, by_technique.values()))
        say(f"ours, {way}: {reached} of {len(by_technique)} techniques, by the pipeline's own role")
        for technique, titles in by_technique.items():
            say(f"  {technique}: {'; '.join(titles) or '–'}")
    return found


def _reported(found: Noise, what: str, say: Say) -> dict[str, Any]:
    say(
        f"  {what}, {found.events:,} events: {found.rate():.2f} alerts a 1,000 (≤ {BUDGET:g}), "
        f"high and critical {found.rate(severe=True):.3f} (≤ {HIGH_SEVERITY_BUDGET:g}); "
        f"alarms and patterns apart: {found.rate(defined=True):.2f}"
    )
    for title, count in found.alerts.items():
        mark = " *" if title in found.severe else ""
        place = " (defined)" if title in found.defined else ""
        say(f"    {count:5d}  {title}{mark}{place}")
    return found.as_json()
