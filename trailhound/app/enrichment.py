"""The enricher that the settings describe, and which of its files could not be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from enrich.conditions import Own
from enrich.enricher import Enricher
from enrich.geo import GeoDatabase, packaged_city_database
from enrich.risk import RiskTable
from enrich.threat import ThreatList, ThreatLists
from trailhound.errors import GeoDatabaseError
from trailhound.settings import RiskSettings, Settings

Warn = Callable[[str], None]

GEOIP = "GeoIP"
GEOIP_ASN = "GeoIP ASN"


@dataclass(frozen=True, slots=True)
class EnrichmentProblem:
    """A file of `enrich` that is not used, or not completely.

    `kind` is `GeoIP database` or `threat list`, `subject` one of `GEOIP`, `GEOIP_ASN` and
    `threat list NAME`. `message` says what is wrong with which file and what becomes of events,
    `hint` what to do. `unusable`: the file cannot be used as it is; `previous`: a reload keeps the
    previous content of the file.
    """

    kind: str
    subject: str
    message: str
    hint: str
    unusable: bool = True
    previous: bool = False

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class LoadedEnricher:
    """An enricher, and the files of the settings that it cannot use."""

    enricher: Enricher
    problems: tuple[EnrichmentProblem, ...] = ()


def enricher_from(settings: Settings, warn: Warn, previous: Enricher | None = None) -> Enricher:
    """A new enricher. `warn` is called with a sentence for each file that cannot be used.

    If a file cannot be read, its content in `previous` (the enricher before a reload) is kept.
    """
    loaded = load_enricher(settings, previous)
    for problem in loaded.problems:
        warn(str(problem))
    return loaded.enricher


def risk_table(settings: RiskSettings) -> RiskTable:
    """The risk table of the settings."""
    return RiskTable(**settings.model_dump())


def city_path(settings: Settings) -> Path | None:
    """The city database in use: the user's, else the packaged one."""
    return settings.enrich.city_database or packaged_city_database()


def load_enricher(settings: Settings, previous: Enricher | None = None) -> LoadedEnricher:
    """A new enricher, and which databases and threat lists of the settings cannot be used.

    If a file cannot be read, its content in `previous` (the enricher before a reload) is kept.
    """
    problems: list[EnrichmentProblem] = []
    wanted = settings.enrich
    city = asn = None
    if wanted.geolocation:
        path = city_path(settings)
        if path is None:
            problems.append(
                EnrichmentProblem(
                    "GeoIP database",
                    GEOIP,
                    "no GeoIP database: events get no geolocation",
                    "set enrich.city_database, or install trailhound[geo]",
                    unusable=False,
                )
            )
        before = previous.city if previous else None
        city = _database(GEOIP, path, "enrich.city_database", before, problems)
        before = previous.asn if previous else None
        asn = _database(GEOIP_ASN, wanted.asn_database, "enrich.asn_database", before, problems)
    lists = ThreatLists.load(
        [(entry.path, entry.name) for entry in wanted.threat_lists],
        previous=previous.threats if previous else None,
    )
    problems += _list_problems(lists, settings)
    enricher = Enricher(
        risk=risk_table(wanted.risk), city=city, asn=asn, threats=lists, own=Own(wanted.own)
    )
    return LoadedEnricher(enricher, tuple(problems))


def list_subject(settings: Settings, path: Path) -> str:
    """How messages name a threat list: by its name in the settings, or else by its path."""
    names = {Path(entry.path): entry.name for entry in settings.enrich.threat_lists}
    return f"threat list {names.get(path) or path}"


def _database(
    subject: str,
    path: Path | None,
    setting: str,
    before: GeoDatabase | None,
    problems: list[EnrichmentProblem],
) -> GeoDatabase | None:
    if path is None:
        return None
    try:
        return GeoDatabase.open(path, mapped=path == packaged_city_database())
    except GeoDatabaseError as error:
        kept = before if before is not None and before.path == path else None
        effect = (
            f"the one of {kept.build_date} that was open stays active"
            if kept
            else "events get no geolocation from it"
        )
        problems.append(
            EnrichmentProblem(
                "GeoIP database",
                subject,
                f"{error.message}; {effect}",
                f"download it again, or change {setting}",
                previous=kept is not None,
            )
        )
        return kept


def _list_problems(lists: ThreatLists, settings: Settings) -> list[EnrichmentProblem]:
    kept = {source.path for source in lists.kept}
    found = []
    for error in lists.problems:
        previous = error.path in kept
        effect = (
            "its entries from before the reload stay active"
            if previous
            else "no event is marked by it"
        )
        found.append(
            EnrichmentProblem(
                "threat list",
                list_subject(settings, error.path),
                f"{error.message}; {effect}",
                error.hint,
                previous=previous,
            )
        )
    return found + [
        _incomplete(source, list_subject(settings, source.path))
        for source in lists.lists
        if source not in lists.kept and (source.skipped or not source.entries)
    ]


def _incomplete(source: ThreatList, subject: str) -> EnrichmentProblem:
    hint = "an entry is an address, a CIDR (/8 and narrower, /16 of IPv6), a range or a domain"
    if not source.skipped:
        message = f"the threat list {source.path} holds no entry"
        return EnrichmentProblem("threat list", subject, message, hint, unusable=False)
    named = ", ".join(f"{each.number} ({each.text!r})" for each in source.examples)
    more = ", …" if source.skipped > len(source.examples) else ""
    return EnrichmentProblem(
        "threat list",
        subject,
        f"the threat list {source.path}: {source.skipped:,} of {source.skipped + source.entries:,} "
        f"entries are not recognised and not used: entry or line {named}{more}",
        hint,
        unusable=not source.entries,
    )
