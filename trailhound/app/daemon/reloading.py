"""New settings for a running daemon: on SIGHUP the file is read again, and what can be is used."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pydantic import BaseModel

from trailhound.app.daemon.running import Running
from trailhound.app.enrichment import LoadedEnricher
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.app.service")
RELOADED = (
    *("enrich", "filter", "retention", "detections", "notify"),
    *("integrity", "investigation", "report", "dashboards"),
)
"""Sections that SIGHUP reloads, and `run.log_level`. Other changes are logged as needing a restart.
"""

Load = Callable[[], tuple[Settings, LoadedEnricher]]
"""Reads the settings again. Raises `SettingsError`."""


class Reloading:
    """`start` may be called from a signal handler."""

    def __init__(self, running: Running, load: Load) -> None:
        self._running = running
        self._load = load
        self.lock = threading.Lock()
        """One reload at a time: the last one reads the file last, and what it read stays. Whoever
        makes, starts or stops the jobs holds it too."""

    def start(self) -> None:
        """Reload the settings file in a thread of its own, and use the sections in `RELOADED`."""
        threading.Thread(target=self._reload, name="reload", daemon=True).start()

    def _reload(self) -> None:
        with self.lock:
            self._take()

    def _take(self) -> None:
        running = self._running
        try:
            settings, loaded = self._load()
            kept = {name: getattr(settings, name) for name in RELOADED}
            taken = running.settings.model_copy(update=kept)
            if running.daemon is not None:
                running.daemon.reload(taken, loaded.enricher)
            if running.jobs is not None and not running.stopping.is_set():
                running.jobs.take(taken)
            running.settings, running.loaded = taken, loaded
        except Exception as error:  # noqa: BLE001 - logged; the old settings stay active
            LOG.error("settings not reloaded: %s", error)
            running.reload_error = str(error)
            return
        running.reload_error = ""
        logging.getLogger("trailhound").setLevel(settings.run.log_level.upper())
        LOG.info("settings reloaded: %s, run.log_level", ", ".join(RELOADED))
        running.needs_restart = tuple(sorted(changed(taken, settings) - {"run.log_level"}))
        if waiting := running.needs_restart:
            LOG.warning("changed, but needs a restart: %s", ", ".join(waiting))


def changed(before: BaseModel, after: BaseModel, path: str = "") -> set[str]:
    """The settings that differ, by their dotted names."""
    names: set[str] = set()
    for name in type(before).model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, BaseModel) and isinstance(other, BaseModel):
            names |= changed(one, other, f"{path}{name}.")
        elif one != other:
            names.add(path + name)
    return names
