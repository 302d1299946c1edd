"""One typed tree of settings: YAML file, then `TRAILHOUND_*` environment, then flags.

A later one has precedence. A nested name is written with two underscores in the environment:
`TRAILHOUND_CLUSTER__USERNAME=loader` is `cluster.username` in the file.
Secrets are `SecretStr`, so no log, error or `repr` shows them.
"""

from trailhound.settings.cluster import (
    ClusterSettings,
    EngineSettings,
    IndexSettings,
    RetentionSettings,
)
from trailhound.settings.detections import (
    ChannelSettings,
    DetectionSettings,
    HeartbeatSettings,
    NotifySettings,
    OverrideSettings,
)
from trailhound.settings.enrich import EnrichSettings, RiskSettings, ThreatListSettings
from trailhound.settings.ingest import AwsSettings, FeedSettings, IngestSettings, RunSettings
from trailhound.settings.integrity import IntegritySettings
from trailhound.settings.loading import DEFAULT_FILE, Check, load
from trailhound.settings.model import Settings, default_home
from trailhound.settings.report import DashboardsSettings, MailSettings, ReportSettings
from trailhound.settings.section import MIB, Section

__all__ = [
    "DEFAULT_FILE",
    "MIB",
    "AwsSettings",
    "ChannelSettings",
    "Check",
    "ClusterSettings",
    "DashboardsSettings",
    "DetectionSettings",
    "EngineSettings",
    "EnrichSettings",
    "FeedSettings",
    "HeartbeatSettings",
    "IndexSettings",
    "IngestSettings",
    "IntegritySettings",
    "MailSettings",
    "NotifySettings",
    "OverrideSettings",
    "ReportSettings",
    "RetentionSettings",
    "RiskSettings",
    "RunSettings",
    "Section",
    "Settings",
    "ThreatListSettings",
    "default_home",
    "load",
]
