"""The tree of settings, with its defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from trailhound.settings.cluster import (
    ClusterSettings,
    EngineSettings,
    IndexSettings,
    RetentionSettings,
)
from trailhound.settings.detections import DetectionSettings, NotifySettings
from trailhound.settings.enrich import EnrichSettings
from trailhound.settings.ingest import AwsSettings, IngestSettings, RunSettings
from trailhound.settings.integrity import IntegritySettings
from trailhound.settings.investigation import InvestigationSettings
from trailhound.settings.report import DashboardsSettings, ReportSettings
from trailhound.settings.section import form


def default_home() -> Path:
    """Folder of the engine's data and the spool: `$TRAILHOUND_HOME`, else `~/.trailhound`."""
    return Path(os.environ.get("TRAILHOUND_HOME") or Path.home() / ".trailhound")


class Settings(BaseSettings):
    """The tree. `Settings()` reads the environment; `load()` reads a file beneath it."""

    model_config = SettingsConfigDict(
        env_prefix="TRAILHOUND_",
        env_nested_delimiter="__",
        env_parse_none_str="null",
        extra="forbid",
        frozen=True,
        defer_build=True,
    )
    """A variable that holds `null` sets what can be null to nothing, as the file does."""

    home: Path = Field(default_factory=default_home)
    namespace: Annotated[
        str,
        form(
            r"^([a-z0-9][a-z0-9_.-]{0,60})?$",
            "write at most 61 lower-case letters, digits, `_`, `.` or `-`, a letter or digit first",
        ),
    ] = ""
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    aws: AwsSettings = Field(default_factory=AwsSettings)
    index: IndexSettings = Field(default_factory=IndexSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    enrich: EnrichSettings = Field(default_factory=EnrichSettings)
    run: RunSettings = Field(default_factory=RunSettings)
    integrity: IntegritySettings = Field(default_factory=IntegritySettings)
    detections: DetectionSettings = Field(default_factory=DetectionSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    investigation: InvestigationSettings = Field(default_factory=InvestigationSettings)
    report: ReportSettings = Field(default_factory=ReportSettings)
    dashboards: DashboardsSettings = Field(default_factory=DashboardsSettings)
    filter: list[dict[str, Any]] = []
    """Sigma `detection` blocks; an event that matches any of them is counted, not indexed."""

    @field_validator("namespace")
    @classmethod
    def _own_pattern(cls, value: str) -> str:
        if value.startswith("cloudtrail"):
            raise ValueError("`cloudtrail-*` is the pattern of the indices without a namespace")
        return value

    @field_validator("home", mode="before")
    @classmethod
    def _expand_home(cls, value: Any) -> Any:
        return Path(value).expanduser() if isinstance(value, str | Path) else value

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
