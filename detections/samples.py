"""Sample events beside a rule: `x.yml` has them in `x.samples.yml`, those that must match and not.

An entry is one event, or, for a rule that looks at several events together, a list of them. An
event may be partial: what every CloudTrail record has is filled in, all else stays as written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from detections.packs.documents import SAMPLES, SUFFIXES, Fault
from detections.rule import Place, Rule

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""When an event happened that doesn't say; the events of a list are a second apart."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Events, and whether the rule must fire on them. `name` says which of the file's it is."""

    rule: Rule
    name: str
    events: tuple[dict[str, Any], ...]
    matches: bool

    @property
    def ids(self) -> tuple[str, ...]:
        """The events' ids, which are those of their documents."""
        return tuple(str(event["eventID"]) for event in self.events)


def samples_file(rule: Rule) -> Path:
    """Where a rule's samples are, if it has any."""
    path = rule.place.path
    return path.with_name(f"{path.stem}{SAMPLES}{path.suffix}")


def read_samples(rules: Iterable[Rule]) -> tuple[list[Sample], list[Fault]]:
    """The samples of all `rules`, and what is wrong with their files.

    In a file of several rules the samples stand under `rules:`, by rule id; else they are those
    of the one rule in it that alerts.
    """
    found: list[Sample] = []
    faults: list[Fault] = []
    by_file: dict[Path, list[Rule]] = {}
    for rule in rules:
        if rule.alerts:
            by_file.setdefault(samples_file(rule), []).append(rule)
    for file, own in by_file.items():
        if file.is_file() and file.suffix in SUFFIXES:
            for each in _of_file(file, own):
                (faults if isinstance(each, Fault) else found).append(each)  # type: ignore[arg-type]
    ids: set[str] = set()
    for sample in found:
        for name in sample.ids:
            if name in ids:
                place = Place(samples_file(sample.rule))
                faults.append(Fault(place, f"the eventID {name!r} stands twice", "leave it out"))
            ids.add(name)
    return found, faults


def _of_file(file: Path, rules: list[Rule]) -> Iterator[Sample | Fault]:
    place = Place(file)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        yield Fault(Place(file, line), f"the samples cannot be read: {error}", "mend the file")
        return
    if not isinstance(content, dict):
        yield Fault(place, "the samples are no mapping", "give `match:` and `no_match:`")
        return
    for rule in rules:
        own = content
        if isinstance(content.get("rules"), dict):
            own = content["rules"].get(rule.id) or {}
        elif len(rules) > 1:
            yield Fault(place, "several rules stand in one file", "put samples under `rules: ID:`")
            return
        unknown = set(own) - {"match", "no_match"}
        if unknown:
            yield Fault(
                place, f"unknown key {sorted(unknown)[0]!r}", "give `match:` and `no_match:`"
            )
        for key in ("match", "no_match"):
            entries = own.get(key) or []
            for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
                yield _sample(rule, f"{key}[{number}]", entry, place, matches=key == "match")


def _sample(rule: Rule, name: str, entry: Any, place: Place, *, matches: bool) -> Sample | Fault:
    events = entry if isinstance(entry, list) else [entry]
    if not events or not all(isinstance(event, dict) for event in events):
        return Fault(place, f"{name} holds no event", "write an event as a mapping", rule.id)
    if rule.kind == "sigma" and len(events) != 1:
        return Fault(place, f"{name} is a list", "a plain rule looks at one event", rule.id)
    return Sample(
        rule, name, tuple(filled(event, second) for second, event in enumerate(events)), matches
    )


def filled(event: dict[str, Any], second: int = 0) -> dict[str, Any]:
    """The event as a whole record: what it lacks of the usual is added.

    >>> filled({"eventName": "DeleteTrail"})["eventType"]
    'AwsApiCall'
    """
    usual = {
        "eventVersion": "1.11",
        "eventTime": (NOON + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "awsRegion": "us-east-1",
        "recipientAccountId": "111122223333",
        "eventType": "AwsApiCall",
        "eventID": str(uuid.uuid4()),
    }
    made = {key: _plain(value) for key, value in event.items()}
    return made | {key: value for key, value in usual.items() if made.get(key) is None}


def _plain(value: Any) -> Any:
    """YAML's dates as the texts they were meant as."""
    if isinstance(value, datetime):
        at = value if value.tzinfo is None else value.astimezone(UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
