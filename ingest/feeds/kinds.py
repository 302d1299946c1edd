"""The kinds of feeds that settings can name: each feed's module registers itself.

To add a feed: a field in `FeedSettings` with its name in `FeedSettings.KINDS`, and a module in this
folder with a function under `@feed_kind(name)`; in the same or another one, a function under
`@feed_probe(name)`. Nothing else names the feeds one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from opensearchpy import OpenSearch

import ingest.feeds
from ingest.feeds.feed import Feed
from trailhound.settings import FeedSettings, Settings

OpenFeed = Callable[[Settings, FeedSettings, OpenSearch], Feed]
"""Makes a feed from the whole settings, its own entry, and a client for its checkpoints.

Makes no request. Raises `UsageError`, `SettingsError`, `SourceUnreachableError`.
"""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a look at a source found. `advice` is empty unless something about it is doubtful."""

    fact: str
    advice: str = ""


Probe = Callable[[Settings, FeedSettings], Probed]
"""Asks, from the whole settings and its own entry, whether a source exists and may be read, without
changing anything there. Raises `SourceError`, `UsageError`, `SettingsError`."""

_KINDS: dict[str, OpenFeed] = {}
_PROBES: dict[str, Probe] = {}


def feed_kind(name: str) -> Callable[[OpenFeed], OpenFeed]:
    """Register a function that opens the feeds of one kind, named as in `FeedSettings.KINDS`."""

    def register(opener: OpenFeed) -> OpenFeed:
        if name in _KINDS:
            raise ValueError(f"there are two feeds for `{name}`")
        _KINDS[name] = opener
        return opener

    return register


def feed_probe(name: str) -> Callable[[Probe], Probe]:
    """Register the function that looks at sources of one kind, for `trailhound doctor`."""

    def register(probe: Probe) -> Probe:
        _PROBES[name] = probe
        return probe

    return register


def probe_feed(settings: Settings, feed: FeedSettings) -> Probed:
    """What a look at an entry of `run.sources` finds. Raises as `Probe` does."""
    feed_kinds()
    return _PROBES[feed.kind](settings, feed)


def feed_kinds() -> dict[str, OpenFeed]:
    """All kinds by name. Imports every module of this folder, boto3 among what they need."""
    for module in iter_modules(ingest.feeds.__path__):
        import_module(f"{ingest.feeds.__name__}.{module.name}")
    return dict(_KINDS)


def open_feed(settings: Settings, feed: FeedSettings, client: OpenSearch) -> Feed:
    """The feed that an entry of `run.sources` describes. Raises as `OpenFeed` does."""
    return feed_kinds()[feed.kind](settings, feed, client)
