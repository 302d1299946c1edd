"""Whether the sources that a daemon relies on exist and may be read, as `doctor` asks them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ingest.feeds.kinds import Probed, probe_feed
from ingest.sources.aws_codes import FAILURES
from trailhound.errors import SourceUnreachableError, TrailhoundError
from trailhound.settings import FeedSettings, Settings
from trailhound.threads import Deadline, OverdueError, in_order

WITHIN: Final = 20.0
"""Seconds within which a source has to answer: shorter than the retries of the AWS client."""
_AT_ONCE: Final = 8
_NAMES: Final = {"queue": "queue", "poll": "bucket", "watch": "folder"}


def source_checks(
    settings: Settings, within: float = WITHIN
) -> Iterator[tuple[str, Probed | TrailhoundError]]:
    """Each entry of `run.sources`, by its kind and place: what is there, or why it is of no use.
    They are asked beside each other. Folders that do not exist are left out, since the check of the
    settings names them. Raises nothing."""

    def look(feed: FeedSettings) -> Probed | TrailhoundError:
        try:
            return Deadline("doctor", within).run(partial(probe_feed, settings, feed))
        except TrailhoundError as error:
            return error
        except OverdueError:
            return SourceUnreachableError(
                f"{feed.place}: no answer within {within:g} s",
                hint="check the network, the region and aws.endpoint_url",
            )
        except FAILURES as error:
            # Not the error's own text: it may contain a URL.
            return SourceUnreachableError(
                f"{feed.place}: {type(error).__name__}", hint="check the settings of `aws`"
            )

    sources = [
        each
        for each in settings.run.sources
        if each.watch is None or each.watch.expanduser().is_dir()
    ]
    found = in_order(look, sources, min(_AT_ONCE, len(sources)), "doctor")
    for feed, each in zip(sources, found, strict=True):
        yield f"{_NAMES.get(feed.kind, feed.kind)} {feed.place}", each
