"""A daemon in a thread of the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.daemon.daemon import Daemon
from ingest.feeds.feed import Feed
from tests.helpers.queues import PATIENCE
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.settings import Settings


@contextmanager
def running(settings: Settings, feed: Feed) -> Iterator[Daemon]:
    """A daemon that follows a feed; stopped at the end, and its error raised."""
    daemon = Daemon(connect, settings, enricher_from(settings, lambda _: None), [feed])
    failures: list[BaseException] = []

    def work() -> None:
        try:
            daemon.run()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if failures:
        raise failures[0]
