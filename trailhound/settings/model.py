"""The tree of settings, with its defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from trailhound.errors import SettingsError
from trailhound.settings.cluster import (
    ClusterSettings,
    EngineSettings,
    IndexSettings,
    RetentionSettings,
)
from trailhound.settings.detections import DetectionSettings, NotifySettings
from trailhound.settings.enrich import EnrichSettings
from trailhound.settings.environment import environment, layered
from trailhound.settings.ingest import AwsSettings, IngestSettings, RunSettings
from trailhound.settings.integrity import IntegritySettings
from trailhound.settings.investigation import InvestigationSettings
from trailhound.settings.report import DashboardsSettings, ReportSettings
from trailhound.settings.section import Section, pattern_field


def default_home() -> Path:
    """Folder of the engine's data and the spool: `$TRAILHOUND_HOME`, else `~/.trailhound`."""
    return Path(os.environ.get("TRAILHOUND_HOME") or Path.home() / ".trailhound")


def _expanded(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str | Path) else value


def _own_pattern(value: str) -> str:
    if value.startswith("cloudtrail"):
        raise ValueError("`cloudtrail-*` is the pattern of the indices without a namespace")
    return value


class Settings(Section):
    """The tree. `Settings()` reads the environment; `load()` reads a file beneath it.

    Raises `SettingsError` for a variable that should hold JSON and does not, and pydantic's
    `ValidationError`; the errors of `load` have more detail, and the place of each fault.
    """

    home: Annotated[Path, BeforeValidator(_expanded)] = Field(default_factory=default_home)
    namespace: Annotated[
        str,
        pattern_field(
            r"^([a-z0-9][a-z0-9_.-]{0,60})?$",
            "write at most 61 lower-case letters, digits, `_`, `.` or `-`, a letter or digit first",
        ),
        AfterValidator(_own_pattern),
    ] = ""
    cluster: ClusterSettings = Field(default_factory=ClusterSettings.model_construct)
    engine: EngineSettings = Field(default_factory=EngineSettings.model_construct)
    aws: AwsSettings = Field(default_factory=AwsSettings.model_construct)
    index: IndexSettings = Field(default_factory=IndexSettings.model_construct)
    retention: RetentionSettings = Field(default_factory=RetentionSettings.model_construct)
    ingest: IngestSettings = Field(default_factory=IngestSettings.model_construct)
    enrich: EnrichSettings = Field(default_factory=EnrichSettings.model_construct)
    run: RunSettings = Field(default_factory=RunSettings.model_construct)
    integrity: IntegritySettings = Field(default_factory=IntegritySettings.model_construct)
    detections: DetectionSettings = Field(default_factory=DetectionSettings.model_construct)
    notify: NotifySettings = Field(default_factory=NotifySettings.model_construct)
    investigation: InvestigationSettings = Field(
        default_factory=InvestigationSettings.model_construct
    )
    report: ReportSettings = Field(default_factory=ReportSettings.model_construct)
    dashboards: DashboardsSettings = Field(default_factory=DashboardsSettings.model_construct)
    filter: list[dict[str, Any]] = []
    """Sigma `detection` blocks; an event that matches any of them is counted, not indexed."""

    def __init__(self, **given: Any) -> None:
        variables, unreadable = environment(type(self))
        if unreadable:
            raise SettingsError(
                f"{', '.join(unreadable).upper()}: not JSON", hint="see docs/settings.md"
            )
        super().__init__(**layered([given, variables]))

    @property
    def prefix(self) -> str:
        """The prefix of every index, template, alias and policy name: `""` or `"team-"`."""
        return f"{self.namespace}-" if self.namespace else ""

    @property
    def hosts(self) -> list[str]:
        """The cluster's addresses; the local engine's where none is set."""
        return self.cluster.hosts or [f"http://127.0.0.1:{self.engine.port}"]

    @property
    def spool(self) -> Path:
        """Folder for records that the dead-letter index rejects."""
        return self.ingest.spool or self.home / "spool"
