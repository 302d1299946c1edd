"""The enricher that the settings describe, with a warning for each database that can't be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from enrich.enricher import Enricher
from enrich.geo import GeoDatabase, packaged_city_database
from enrich.risk import RiskTable
from enrich.threat import ThreatLists
from trailhound.errors import GeoDatabaseError, ThreatListError
from trailhound.settings import RiskSettings, Settings

Warn = Callable[[str], None]


def enricher_from(settings: Settings, warn: Warn) -> Enricher:
    """A new enricher. What cannot be opened is told to `warn`, and left out."""
    wanted = settings.enrich
    return Enricher(
        risk=risk_table(wanted.risk),
        city=_city(settings, warn),
        asn=_database(wanted.asn_database, warn) if wanted.geolocation else None,
        threats=_threats(settings, warn),
    )


def risk_table(settings: RiskSettings) -> RiskTable:
    """The risk table of the settings."""
    return RiskTable(**settings.model_dump())


def city_path(settings: Settings) -> Path | None:
    """The city database in force: the user's, else the packaged one."""
    return settings.enrich.city_database or packaged_city_database()


def _city(settings: Settings, warn: Warn) -> GeoDatabase | None:
    if not settings.enrich.geolocation:
        return None
    path = city_path(settings)
    if path is None:
        warn(
            "no GeoIP database: events get no geolocation "
            "(set enrich.city_database, or install trailhound[geo])"
        )
        return None
    return _database(path, warn)


def _database(path: Path | None, warn: Warn) -> GeoDatabase | None:
    if path is None:
        return None
    try:
        return GeoDatabase.open(path)
    except GeoDatabaseError as error:
        warn(f"{error.message}; events get no geolocation from it ({error.hint})")
        return None


def _threats(settings: Settings, warn: Warn) -> ThreatLists | None:
    lists = []
    for entry in settings.enrich.threat_lists:
        try:
            ThreatLists.load([(entry.path, entry.name)])
        except ThreatListError as error:
            warn(f"{error.message}; events go on without it ({error.hint})")
            continue
        lists.append((entry.path, entry.name))
    return ThreatLists.load(lists) if lists else None
