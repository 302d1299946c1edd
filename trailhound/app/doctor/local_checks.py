"""The checks of `trailhound doctor` that need no cluster: the settings and what they name, this
machine, and a source."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detections.packs.describe import counted, problem_lines
from detections.packs.lacking import absent_data, lacking, sentence
from detections.packs.pack import Pack
from detections.packs.rule_paths import SETTINGS_OF_PATHS, missing, unread_paths
from enrich.geo import GeoDatabase
from ingest.sources import is_of_aws, open_source
from trailhound.app import settings_check
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.doctor.channel_checks import channel_checks
from trailhound.app.doctor.check import LITTLE_DISK, Check, CheckVerdict, failed
from trailhound.app.enrichment import GEOIP, GEOIP_ASN, list_subject, load_enricher
from trailhound.errors import TrailhoundError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.settings.provenance import Location

_STALE_DAYS = 60
"""Days after which a GeoIP database is stale: new ones are published at least monthly."""
_MOST_LOOKED_AT = 100
"""Objects of a source that are looked at until one holds CloudTrail records."""


def local_checks(settings: Settings) -> Iterator[Check]:
    """The settings and what they name."""
    yield from _enrichment(settings)
    yield from _settings(settings)
    yield from _sources(settings)
    yield from rules_checks(settings)
    yield from channel_checks(settings)


def machine_checks(settings: Settings) -> Iterator[Check]:
    """Where Trailhound keeps its own files."""
    yield _home(settings)
    yield _spool(settings)


def named_source_checks(source: str, settings: Settings) -> Iterator[Check]:
    """Whether a source that a user names can be read, and as whom in AWS."""
    if is_of_aws(source):
        yield _identity(settings)
    yield _source(source, settings)


def _enrichment(settings: Settings) -> Iterator[Check]:
    """The databases and threat lists of `enrich`, loaded as a daemon loads them."""
    loaded = load_enricher(settings)
    for each in loaded.problems:
        verdict: CheckVerdict = "failed" if each.unusable else "warning"
        yield Check(each.subject, verdict, each.message, each.hint)
    if not settings.enrich.geolocation:
        yield Check(GEOIP, "ok", "not used: enrich.geolocation is false")
    enricher = loaded.enricher
    for what, database in ((GEOIP, enricher.city), (GEOIP_ASN, enricher.asn)):
        if database is not None:
            yield _geoip(what, database)
    faulty = {each.subject for each in loaded.problems}
    for source in enricher.threats.lists if enricher.threats else ():
        if (what := list_subject(settings, source.path)) not in faulty:
            yield Check(
                what, "ok", f"{plural(source.entries, 'entry', 'entries')} of {source.modified}"
            )


def _geoip(what: str, database: GeoDatabase) -> Check:
    age = (datetime.now(UTC).date() - database.build_date).days
    fact = f"{database.type_name}, {database.build_date} ({plural(age, 'day')} old)"
    if age <= _STALE_DAYS:
        return Check(what, "ok", fact)
    return Check(what, "warning", fact, "replace it with a current MaxMind or DB-IP file")


def _settings(settings: Settings) -> Iterator[Check]:
    """Every setting that a daemon would not start with, or that would leave it without work."""
    faults = list(_faults(settings))
    for location, message in faults:
        yield Check(f"setting {'.'.join(map(str, location))}", "failed", message, "fix the setting")
    for location, message in settings_check.settings_warnings(settings):
        yield Check(f"setting {'.'.join(map(str, location))}", "warning", message)
    if not faults:
        yield Check("settings", "ok", "no fault in the filter, the sources and the named files")


def _faults(settings: Settings) -> Iterator[tuple[Location, str]]:
    yield from settings_check.check(settings)
    yield from settings_check.missing_folders(settings)
    for each in unread_paths(settings.detections):
        yield ("detections", each.setting), f"{each.reason}: {each.path}"


def _sources(settings: Settings) -> Iterator[Check]:
    """Whether each of `run.sources` exists and may be read."""
    if not settings.run.sources:
        return
    from trailhound.app.doctor.source_checks import (
        source_checks,  # with the AWS client: rarely needed
    )

    for what, found in source_checks(settings):
        if isinstance(found, TrailhoundError):
            yield failed(what, found)
        else:
            yield Check(what, "warning" if found.advice else "ok", found.fact, found.advice)


def rules_checks(settings: Settings) -> Iterator[Check]:
    """Whether every rule, exception, override and placeholder of the settings is used, and whether
    events have what rules ask for. Paths that cannot be read are left out: `_settings` names
    them."""
    there = {}
    for name in SETTINGS_OF_PATHS:
        absent = {each.given for each in missing(settings.detections, name)}
        there[name] = [path for path in getattr(settings.detections, name) if path not in absent]
    present = settings.detections.model_copy(update=there)
    try:
        pack = rules_in_force(settings.model_copy(update={"detections": present}))
    except TrailhoundError as error:
        yield failed("rules", error)
        return
    yield _rules(pack)
    unset = absent_data(settings.enrich)
    if lack := sentence(pack, unset):
        wanted = dict.fromkeys(name for each in lacking(pack, unset).values() for name in each)
        yield Check("data of rules", "warning", lack, f"set {' and '.join(wanted)}")


def _rules(pack: Pack) -> Check:
    fact = counted(pack)
    if not pack.problems:
        if not pack.alerting:
            return Check("rules", "warning", f"none raises alerts ({fact})", "add or enable rules")
        return Check("rules", "ok", fact)
    stops = any(fault.stops for fault in pack.problems)
    fact = "; ".join([fact, *problem_lines(pack)])
    return Check("rules", "failed" if stops else "warning", fact, "run `trailhound rules check`")


def _home(settings: Settings) -> Check:
    folder: Path = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    fact = f"{settings.home}: {free / 1024**3:.0f} GiB free"
    if free > LITTLE_DISK:
        return Check("home", "ok", fact)
    return Check("home", "warning", fact, "free some, or set TRAILHOUND_HOME")


def _spool(settings: Settings) -> Check:
    """Whether the spool folder can be written."""
    folder = settings.spool
    advice = "fix its permissions, or set ingest.spool to another folder"
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        fact = f"{settings.spool} cannot be written: {error.strerror}"
        return Check("spool", "failed", fact, advice)
    return Check("spool", "ok", f"{settings.spool} can be written")


def _identity(settings: Settings) -> Check:
    from ingest.sources.session import aws_session

    try:
        session = aws_session(settings.aws)
        client: Any = session.create_client("sts", endpoint_url=settings.aws.endpoint_url)
        return Check("AWS identity", "ok", client.get_caller_identity()["Arn"])
    except TrailhoundError as error:
        return failed("AWS identity", error)
    except Exception as error:  # noqa: BLE001 - botocore's errors share no useful base
        return Check("AWS identity", "failed", str(error), "check the AWS credentials")


def _source(source: str, settings: Settings) -> Check:
    """Whether a trail file of it can be read, and each account's folder be listed."""
    from ingest.sources.readable import look_at  # with the AWS client

    try:
        found = look_at(open_source(source, settings), _MOST_LOOKED_AT)
    except TrailhoundError as error:
        return failed("source", error)
    if found.readable:
        return Check("source", "ok", found.fact())
    of = f" among its first {found.objects:,} objects" if found.objects == _MOST_LOOKED_AT else ""
    return Check("source", "warning", f"{source}: no trail files{of}", "check the prefix")
