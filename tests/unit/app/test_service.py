"""The daemon's service, without a cluster: what it says of the settings that it takes."""

from __future__ import annotations

import threading
from pathlib import Path

from enrich.enricher import Enricher
from tests.helpers.trails import own_settings
from trailhound.app.enrichment import LoadedEnricher
from trailhound.app.service import Service
from trailhound.errors import SettingsError
from trailhound.settings import Settings


def test_two_signals_at_once_leave_what_the_second_one_read(tmp_path: Path) -> None:
    """The first reload is slow; the second one reads a file that is refused."""
    settings = own_settings(
        "http://127.0.0.1:1",
        "x",
        tmp_path,
        run={"sources": [{"watch": str(tmp_path)}], "listen": None},
    )
    loaded = LoadedEnricher(Enricher())
    reading, written, second = threading.Event(), threading.Event(), threading.Event()

    def load() -> tuple[Settings, LoadedEnricher]:
        if not reading.is_set():
            reading.set()
            assert written.wait(60)
            return settings, loaded
        second.set()
        raise SettingsError("filter: not a list")

    service = Service(settings, loaded, load)
    service.reload()
    assert reading.wait(60)
    service.reload()
    second.wait(0.5)  # it must not come: the file is read by one reload at a time
    written.set()
    for thread in threading.enumerate():
        if thread.name == "reload":
            thread.join(60)
    assert second.is_set()
    assert ("settings", "reload") in {(each.code, each.subject) for each in service._reasons()}
