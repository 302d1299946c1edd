"""Enrichment: what is added to a record."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from enrich.conditions import Own
from enrich.risk import DEFAULT_RISK
from trailhound.settings.section import Section


class RiskSettings(Section):
    """How `risk_score` is computed: the summands, the highest score, and the high-risk calls."""

    base: int = DEFAULT_RISK.base
    high_risk_call: int = DEFAULT_RISK.high_risk_call
    root: int = DEFAULT_RISK.root
    external: int = DEFAULT_RISK.external
    error: int = DEFAULT_RISK.error
    cap: int = DEFAULT_RISK.cap
    high_risk_calls: frozenset[str] = DEFAULT_RISK.high_risk_calls


class ThreatListSettings(Section):
    """A local list of addresses, CIDRs and domains, or a STIX 2 bundle."""

    path: Path
    name: str | None = None
    """Default: the file's name."""


class EnrichSettings(Section):
    """What is added to a record."""

    city_database: Path | None = None
    """`.mmdb`, City or Country. Default: the packaged one, where its extra is installed."""
    asn_database: Path | None = None
    geolocation: bool = True
    threat_lists: list[ThreatListSettings] = []
    own: list[str] = []
    """Ids of organisations, VPCs, VPC endpoints, users and roles, canonical ids of accounts, and
    networks that are one's own: `grants.unknown` leaves them out."""
    risk: RiskSettings = Field(default_factory=RiskSettings.model_construct)

    @field_validator("own")
    @classmethod
    def _known_forms(cls, given: list[str]) -> list[str]:
        Own(given)
        return given
