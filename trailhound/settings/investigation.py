"""Settings of hunts and of searches for paths."""

from __future__ import annotations

from trailhound.settings.section import Section


class InvestigationSettings(Section):
    """Hunts and paths."""

    crown_jewels: list[str] = []
    """Nodes that paths lead to by default, as `s3:payroll` or `secret:prod/*`."""
    suspicious_countries: list[str] = []
    """Countries, as in `geolocation.country`, from which an address is suspicious."""
