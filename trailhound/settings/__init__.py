"""One typed tree of settings: YAML file, then `TRAILHOUND_*` environment, then flags.

The later the stronger. A nested name is written with two underscores in the environment:
`TRAILHOUND_CLUSTER__USERNAME=loader` is `cluster.username` in the file.
Secrets are `SecretStr`, so no log, error or `repr` shows them.
"""

from trailhound.settings.cluster import (
    ClusterSettings,
    EngineSettings,
    IndexSettings,
    RetentionSettings,
)
from trailhound.settings.detecting import (
    ChannelSettings,
    DetectionSettings,
    NotifySettings,
    OverrideSettings,
)
from trailhound.settings.enriching import EnrichSettings, RiskSettings, ThreatListSettings
from trailhound.settings.ingest import AwsSettings, FeedSettings, IngestSettings, RunSettings
from trailhound.settings.loading import DEFAULT_FILE, Check, load
from trailhound.settings.section import MIB, Section
from trailhound.settings.showing import DashboardsSettings, MailSettings, ReportSettings
from trailhound.settings.tree import Settings, default_home

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
    "IndexSettings",
    "IngestSettings",
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
