"""Fields that rules use and no event has, and fields that events have and no rule uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch

from detections.backend.clause import any_of
from detections.backend.strings import present
from detections.event_fields import LEAVES, fields_at, is_unsearched
from detections.matcher.known_automation import KNOWN
from detections.packs.pack import Pack
from detections.rule import Rule
from trailhound.batching import batched
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.settings.cluster import UNSEARCHED

SAMPLE = 1_000
"""Newest events that are looked through for fields inside free-form objects."""
A_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Usage:
    """`unsearched`: not in the index's mapping; `unseen`: in it, and in no event; both field →
    titles of the rules that ask. `unasked`: in events, and in no rule."""

    unsearched: Mapping[str, tuple[str, ...]]
    unseen: Mapping[str, tuple[str, ...]]
    unasked: tuple[str, ...]


def usage(client: OpenSearch, settings: Settings, pack: Pack) -> Usage:
    """Of every rule in force, against all events of the index. Raises `ClusterError`."""
    asked = _asked(pack)
    searched = {path: titles for path, titles in asked.items() if not is_unsearched(path)}
    reader = IndexReader(client, Names(settings.prefix).days)
    with cluster_errors(settings):
        seen = _present(client, reader, {*searched, *LEAVES})
        inside = _inside(reader)
    # Elasticsearch finds values at a path, and not what is below it.
    seen |= {path for path in searched if any(each.startswith(f"{path}.") for each in inside)}
    return Usage(
        {path: titles for path, titles in asked.items() if path not in searched},
        {path: titles for path, titles in searched.items() if path not in seen},
        tuple(sorted(path for path in (seen & set(LEAVES)) | inside if not _is_asked(path, asked))),
    )


def kept_apart(pack: Pack, unsearched: Iterable[str]) -> list[str]:
    """What rules lose by the setting `index.unsearched`: a sentence for each rule and field.

    Of the fields that it lists by default none: rules that ask for these read each event.
    """
    paths = set(unsearched) - set(UNSEARCHED)
    return [
        f"{rule.labelled}: asks for {path}, which `index.unsearched` keeps from being searched: "
        "remove it from that setting, or the rule misses events"
        for rule in pack.rules
        for path in _fields(pack, rule)
        if path in paths
    ]


def _asked(pack: Pack) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for rule in pack.rules:
        for path in _fields(pack, rule):
            found.setdefault(path, []).append(rule.title)
    return {path: tuple(titles) for path, titles in sorted(found.items())}


def _fields(pack: Pack, rule: Rule) -> Iterable[str]:
    compiled = pack.compiled.get(rule.id)
    read = compiled.matcher.fields if compiled and compiled.matcher else frozenset()
    return sorted((read - {KNOWN}) | set(rule.group_by))


def _is_asked(path: str, asked: Iterable[str]) -> bool:
    """Whether a rule uses the field, a parent of it, or a child of it."""
    return any(
        path == each or path.startswith(f"{each}.") or each.startswith(f"{path}.") for each in asked
    )


def _present(client: OpenSearch, reader: IndexReader, paths: set[str]) -> set[str]:
    """Those of `paths` that any event has a value at."""
    found: set[str] = set()
    dialect = dialect_of(client)
    ordered = sorted(paths)
    for some in batched(ordered, A_REQUEST):
        bodies: list[dict[str, Any]] = []
        for path in some:
            moved = {"term": {"trail.repaired": {"value": path}}}  # by a repair, from there
            held = [dict(dialect.presence(at.path, present(at))) for at in fields_at(path)]
            query = any_of([moved, *held])
            bodies.append({"terminate_after": 1, "track_total_hits": 1, "query": query})
        found |= {
            path
            for path, reply in zip(some, reader.searches(bodies), strict=True)
            if reply["hits"]["total"]["value"]
        }
    return found


def _inside(reader: IndexReader) -> set[str]:
    """Paths inside free-form objects, of the newest events."""
    roots = [path for path, kind in LEAVES.items() if kind == "flat"]
    newest = {"size": SAMPLE, "sort": [{"@timestamp": "desc"}], "_source": roots}
    reply = reader.search({**newest, "track_total_hits": False})
    found: set[str] = set()
    waiting = [("", hit["_source"]) for hit in reply["hits"]["hits"]]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}" if path else key, each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(path, each) for each in value]
        elif value is not None:
            found.add(path)
    return found
