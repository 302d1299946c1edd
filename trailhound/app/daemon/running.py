"""What a daemon's process runs, and by which settings."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from detections.running.scheduler import JobRuns
from ingest.daemon.daemon import Daemon
from ingest.daemon.status import DaemonStatus
from trailhound.app.daemon.scheduled_jobs import ScheduledJobs
from trailhound.app.detection.scheduled_detections import ScheduledDetections
from trailhound.app.enrichment import LoadedEnricher
from trailhound.settings import Settings


@dataclass(slots=True)
class Running:
    """A reload replaces settings and enricher while other threads read them."""

    settings: Settings
    loaded: LoadedEnricher
    daemon: Daemon | None = None
    """None until the cluster answers; so are the jobs."""
    jobs: ScheduledJobs | None = None
    reload_error: str = ""
    """Why the last reload took nothing; empty if it succeeded."""
    needs_restart: tuple[str, ...] = ()
    """The settings that the last reload found changed, and that only a restart applies."""
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def detections(self) -> ScheduledDetections | None:
        """The scheduled rules; None while this process has none."""
        return self.jobs.detections if self.jobs is not None else None

    def status(self) -> DaemonStatus | None:
        """What the daemon reads; None before it started."""
        return self.daemon.status() if self.daemon is not None else None

    def leads(self) -> Mapping[str, bool]:
        """The scheduled jobs of the settings, and whether this daemon is the one to run them."""
        return self.jobs.leads() if self.jobs is not None else {}

    def led(self) -> list[str]:
        """The scheduled jobs that this daemon is the one to run."""
        return sorted(name for name, leads in self.leads().items() if leads)

    def job_runs(self) -> dict[str, JobRuns]:
        """Numbers of runs by job, since the start of this process."""
        return self.jobs.runs() if self.jobs is not None else {}
