"""Every dashboard that Trailhound ships, in the order in which they are listed."""

from __future__ import annotations

from dashboards.dashboard import Dashboard
from dashboards.pages import (
    alerts,
    data_access,
    evasion,
    identity,
    ingest,
    network,
    overview,
    principal,
    root,
)

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.PAGE,
    identity.PAGE,
    data_access.PAGE,
    network.PAGE,
    root.PAGE,
    evasion.PAGE,
    alerts.PAGE,
    principal.PAGE,
    ingest.PAGE,
)
