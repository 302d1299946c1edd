"""The enricher that the settings describe, and which of its files could not be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from enrich.enricher import Enricher
from enrich.geo import GeoDatabase, packaged_city_database
from enrich.risk import RiskTable
from enrich.threat import ThreatList, ThreatLists
from trailhound.errors import GeoDatabaseError
from trailhound.settings import RiskSettings, Settings

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EnrichmentProblem:
    """A file of `enrich` that is not used, or not all of it.

    `kind` is `GeoIP database` or `threat list`; `message` says what is wrong with which file and
    what becomes of events, `hint` what to do; `previous` is true where a reload keeps what the
    file held before.
    """

    kind: str
    message: str
    hint: str
    previous: bool = False

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def enricher_from(settings: Settings, warn: Warn, previous: Enricher | None = None) -> Enricher:
    """A new enricher. `warn` is called with a sentence for each file that cannot be used.

    Of a file that cannot be read, what `previous` (the enricher before a reload) had is kept.
    """
    enricher, problems = _load(settings, previous)
    for problem in problems:
        warn(str(problem))
    return enricher


def enrichment_problems(settings: Settings) -> list[EnrichmentProblem]:
    """Which databases and threat lists of the settings cannot be used, checked now."""
    return _load(settings, None)[1]


def risk_table(settings: RiskSettings) -> RiskTable:
    """The risk table of the settings."""
    return RiskTable(**settings.model_dump())


def city_path(settings: Settings) -> Path | None:
    """The city database in use: the user's, else the packaged one."""
    return settings.enrich.city_database or packaged_city_database()


def _load(
    settings: Settings, previous: Enricher | None
) -> tuple[Enricher, list[EnrichmentProblem]]:
    problems: list[EnrichmentProblem] = []
    wanted = settings.enrich
    city = asn = None
    if wanted.geolocation:
        path = city_path(settings)
        if path is None:
            problems.append(
                EnrichmentProblem(
                    "GeoIP database",
                    "no GeoIP database: events get no geolocation",
                    "set enrich.city_database, or install trailhound[geo]",
                )
            )
        before = previous.city if previous else None
        city = _database(path, "enrich.city_database", before, problems)
        before = previous.asn if previous else None
        asn = _database(wanted.asn_database, "enrich.asn_database", before, problems)
    lists = ThreatLists.load(
        [(entry.path, entry.name) for entry in wanted.threat_lists],
        previous=previous.threats if previous else None,
    )
    problems += _list_problems(lists)
    enricher = Enricher(risk=risk_table(wanted.risk), city=city, asn=asn, threats=lists)
    return enricher, problems


def _database(
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
                f"{error.message}; {effect}",
                f"download it again, or change {setting}",
                previous=kept is not None,
            )
        )
        return kept


def _list_problems(lists: ThreatLists) -> list[EnrichmentProblem]:
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
            EnrichmentProblem("threat list", f"{error.message}; {effect}", error.hint, previous)
        )
    return found + [
        _incomplete(source)
        for source in lists.lists
        if source not in lists.kept and (source.skipped or not source.entries)
    ]


def _incomplete(source: ThreatList) -> EnrichmentProblem:
    hint = "an entry is an address, a CIDR (/8 and narrower, /16 of IPv6), a range or a domain"
    if not source.skipped:
        return EnrichmentProblem(
            "threat list", f"the threat list {source.path} holds no entry", hint
        )
    named = ", ".join(f"{each.number} ({each.text!r})" for each in source.examples)
    more = ", …" if source.skipped > len(source.examples) else ""
    return EnrichmentProblem(
        "threat list",
        f"the threat list {source.path}: {source.skipped:,} of {source.skipped + source.entries:,} "
        f"entries are not recognised and not used: entry or line {named}{more}",
        hint,
    )
