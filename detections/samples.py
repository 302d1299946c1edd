"""The sample events beside a rule: `<name>.samples.yml`, with `match` and `no_match`.

Each entry of a plain rule's is one event; of any other rule's it is a list of events that are
looked at together. An event may leave out what every record has (`DEFAULTS`, and its `eventID`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import yaml

from enrich.enricher import Enricher
from trailhound.errors import RecordError, RuleError
from trailhound.regular_files import irregular
from trailhound.settings import written

Event = Mapping[str, Any]
Document = dict[str, Any]

SUFFIX = ".samples.yml"
DEFAULTS: Event = MappingProxyType(
    {
        "eventVersion": "1.11",
        "eventTime": "2025-06-03T10:00:00Z",
        "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333",
        "eventType": "AwsApiCall",
    }
)
"""Default values of a sample event."""

OVERLAID = ("geolocation", "threat")
"""Added fields that come from a user's own databases: a sample may give them itself."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Trails of one event or several: each of `match` must raise an alert, no other may."""

    match: tuple[tuple[Event, ...], ...]
    no_match: tuple[tuple[Event, ...], ...]


def samples_file(rule: Path) -> Path:
    """The file with the samples of a rule's file.

    >>> samples_file(Path("persistence/user_created.yml")).name
    'user_created.samples.yml'
    """
    return rule.with_name(rule.stem + SUFFIX)


def read_samples(rule: Path) -> Samples:
    """The samples of the rule in a file. Raises `RuleError`, naming the file and its fault."""
    file = samples_file(rule)
    if kind := irregular(file):
        raise RuleError(f"{file} is {kind}, not a file", hint="give the rule samples")
    try:
        content = written.load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RuleError(
            f"{file}: the samples cannot be read: {error}", hint="give the rule samples"
        ) from None
    if not isinstance(content, dict) or set(content) != {"match", "no_match"}:
        raise RuleError(f"{file}: samples have the keys match and no_match", hint="name both")
    return Samples(*(_trails(file, content[key]) for key in ("match", "no_match")))


def documents(trail: Sequence[Event], enricher: Enricher) -> list[Document]:
    """The events of a trail as they are in the index, in order of time.

    Raises `RuleError` for an event that could not be indexed.
    """
    made = []
    for number, event in enumerate(trail):
        record = {"eventID": str(uuid5(NAMESPACE_OID, str(number))), **DEFAULTS, **event}
        try:
            added = enricher.document_fields(record)
        except RecordError as error:
            raise RuleError(f"a sample is not an event: {error}", hint=error.hint) from None
        given = {name: event[name] for name in OVERLAID if name in event}
        made.append({**record, **added, **given})
    return sorted(made, key=lambda document: str(document["@timestamp"]))


def _trails(file: Path, entries: object) -> tuple[tuple[Event, ...], ...]:
    if not isinstance(entries, list) or not entries:
        raise RuleError(f"{file}: match and no_match are lists of events", hint="give at least one")
    return tuple(_trail(file, entry) for entry in entries)


def _trail(file: Path, entry: object) -> tuple[Event, ...]:
    events = entry if isinstance(entry, list) else [entry]
    if not events or not all(isinstance(event, dict) for event in events):
        raise RuleError(
            f"{file}: an entry is neither an event nor a list of them", hint="fix the entry"
        )
    return tuple(_event(event) for event in events)


def _event(event: Any) -> Event:
    """A record as JSON would give it; of a database's values every number is one."""
    return {
        str(name): written.mapped(value, _number if name in OVERLAID else written.json_value)
        for name, value in event.items()
    }


def _number(value: written.Plain) -> Any:
    found = written.number(value)
    return written.json_value(value) if found is None else found
