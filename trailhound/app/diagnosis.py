"""The checks of `trailhound doctor`: each has a result and advice."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, OpenSearchException

from detections.packs.describe import counted, problem_lines
from detections.packs.rule_paths import SETTINGS_OF_PATHS, missing, unread_paths
from enrich.geo import GeoDatabase
from ingest.bulk.days import shard_room
from ingest.deadletters.spool import SPOOL_FILE
from ingest.documents.day_limit import KEPT_DAYS
from ingest.objects import Selection
from ingest.reading.recognise import may_be_trail
from ingest.sources import is_of_aws, open_source
from trailhound.app import settings_check
from trailhound.app.channel_checks import channel_checks
from trailhound.app.check import Check, CheckVerdict, failed
from trailhound.app.detection import rules_in_force
from trailhound.app.enrichment import GEOIP, GEOIP_ASN, list_subject, load_enricher
from trailhound.app.ledger_search import LedgerSearch
from trailhound.app.not_loaded import loaded_settings
from trailhound.app.readiness import Reason
from trailhound.app.readiness_checks import joined, readiness_checks
from trailhound.app.template_checks import index_templates, indices
from trailhound.app.undetected_checks import late_events, unfinished_backfills
from trailhound.cluster import templates
from trailhound.cluster.clock import seconds_apart
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.namespaces import has_namespace
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.tiers import read_tiers
from trailhound.errors import ClusterError, TrailhoundError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.settings.provenance import Location

_STALE_DAYS = 60
"""Days after which a GeoIP database is stale: new ones are published at least monthly."""

_CLOCK_SECONDS = 30
_LITTLE_DISK = 5 * 1024**3
_MOST_LOOKED_AT = 100
"""Objects of a source that are looked at until one holds CloudTrail records."""
_HEAD_BYTES = 64 * 1024


def diagnose(client: OpenSearch, settings: Settings, source: str | None) -> Iterator[Check]:
    """The checks, one by one. Raises nothing: an unreachable cluster is a failed check."""
    found: Sequence[Reason] = ()
    try:
        yield _cluster(client)
    except ClusterError as error:
        yield failed("cluster", error)
    else:
        yield from _of_cluster(client, settings)
        checks, found = readiness_checks(client, settings)
        yield from checks
    yield from joined(_local(settings), found)
    yield _home(settings)
    yield _spool(settings)
    if source:
        if is_of_aws(source):
            yield _identity(settings)
        yield _source(source, settings)


def _of_cluster(client: OpenSearch, settings: Settings) -> Iterator[Check]:
    """Checks that ask a cluster that answers."""
    looks = [*_OF_SERVER, *(_OF_NAMESPACE if _is_there(client, settings) else ())]
    for look in looks:
        try:
            with cluster_errors(settings):
                found = look(client, settings)
                yield from [found] if isinstance(found, Check) else found
        except TrailhoundError as error:
            yield failed(look.__name__.strip("_").replace("_", " "), error)


def _local(settings: Settings) -> Iterator[Check]:
    """Checks of the settings and of what they name, from this machine."""
    yield from _enrichment(settings)
    yield from _settings(settings)
    yield from _sources(settings)
    yield rules_check(settings)
    yield from channel_checks(settings)


def _cluster(client: OpenSearch) -> Check:
    """Which cluster answers. Raises `ClusterError` where none does, or where it refuses the login;
    a role may lack the right to ask for the version."""
    dialect = dialect_of(client)
    if not dialect.version:
        with cluster_errors(), suppress(AuthorizationException):
            client.info()
    if dialect.is_older:
        oldest = ".".join(map(str, dialect.oldest))
        advice = f"the oldest tested version is {oldest}: upgrade the cluster"
        return Check("cluster", "warning", dialect.name, advice)
    return Check("cluster", "ok", dialect.name)


def _plugins(client: OpenSearch, _settings: Settings) -> Check:
    """Which parts every node has: OpenSearch's are plugins, Elasticsearch's are modules."""
    wanted = "nodes.*.plugins.name,nodes.*.modules.name"
    reply = client.nodes.info(metric="plugins", params={"filter_path": wanted})
    have = [
        {part["name"] for kind in ("plugins", "modules") for part in node.get(kind) or ()}
        for node in (reply.get("nodes") or {}).values()
    ]
    known = [
        f"{label}: {'yes' if have and all(name in each for each in have) else 'no'}"
        for label, name in dialect_of(client).parts
    ]
    return Check("plugins", "ok", ", ".join(known))


def _shards(client: OpenSearch, settings: Settings) -> Check:
    room = shard_room(client)
    if room is None:
        return Check("shards", "ok", "the cluster shows no shard limit")
    days = room // (settings.index.shards * (1 + (settings.index.replicas or 0)))
    advice = "raise cluster.max_shards_per_node, or add a node" if days < 90 else ""
    if days <= KEPT_DAYS:
        advice += (
            "; events delivered now, of days that have no index and are longer ago, wait in the "
            "dead letters"
        )
    return Check(
        "shards", "warning" if advice else "ok", f"room for {plural(days, 'more day')}", advice
    )


def _disk(client: OpenSearch, _settings: Settings) -> Check:
    stats = client.nodes.stats(metric="fs", params={"filter_path": "nodes.*.fs.total"})
    free = min(node["fs"]["total"]["available_in_bytes"] for node in stats["nodes"].values())
    fact = f"{free / 1024**3:.0f} GiB free on the fullest node"
    advice = "free disk space, or add a node: at the flood stage the cluster rejects all writes"
    return (
        Check("disk", "ok", fact) if free > _LITTLE_DISK else Check("disk", "warning", fact, advice)
    )


def _clock(client: OpenSearch, _settings: Settings) -> Check:
    apart = seconds_apart(client)
    fact = f"{apart:.0f} s apart from the cluster's"
    if apart <= _CLOCK_SECONDS:
        return Check("clock", "ok", fact)
    return Check(
        "clock",
        "warning",
        fact,
        "synchronize both by NTP: event.ingested is taken from this machine's clock",
    )


def _tiers(client: OpenSearch, settings: Settings) -> list[Check]:
    """Which tier each day is in, if the settings have tiers."""
    found = read_tiers(client, settings, datetime.now(UTC).date())
    if found is None:
        return []
    fact = "; ".join([found.describe(), *found.problems()])
    if found.failed:
        advice = "fix the cause; ISM: POST _plugins/_ism/retry/INDEX, ILM: POST INDEX/_ilm/retry"
        return [Check("tiers", "failed", fact, advice)]
    if found.late:
        advice = "a running daemon moves days once an hour; dead letters hold a day back"
        return [Check("tiers", "warning", fact, advice)]
    return [Check("tiers", "ok", fact)]


def _dead_letters(client: OpenSearch, settings: Settings) -> Check:
    index = templates.Names(settings.prefix).deadletter
    number = IndexReader(client, index).count({"match_all": {}})
    spool = settings.spool / SPOOL_FILE
    try:
        spooled = sum(1 for _ in spool.open("rb")) if spool.exists() else 0
    except OSError as error:
        return Check(
            "dead letters", "failed", f"{spool} cannot be read: {error.strerror}", "check it"
        )
    fact = f"{number:,} in the index, {spooled:,} in {spool.parent}"
    if not number + spooled:
        return Check("dead letters", "ok", "none")
    return Check(
        "dead letters",
        "warning",
        fact,
        "see why: `trailhound deadletters list`; then run `trailhound retry-deadletters`",
    )


def _objects(client: OpenSearch, settings: Settings) -> Check:
    """The objects that a daemon or a backfill could not read: a single one makes nothing unready,
    so that no reason names them."""
    number = LedgerSearch(client, settings).number_failed()
    if not number:
        return Check("objects", "ok", "none that could not be read")
    return Check(
        "objects",
        "warning",
        f"{number:,} could not be read to the end",
        "see why: `trailhound ledger list --state failed`; once the cause is fixed, run "
        "`trailhound backfill` over them, or wait for a daemon's next try",
    )


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


def _settings(settings: Settings) -> Iterator[Check]:
    """Every setting that a daemon would not start with, or that would leave it without work."""
    faults = list(_faults(settings))
    for location, said in faults:
        yield Check(f"setting {'.'.join(map(str, location))}", "failed", said, "fix the setting")
    if not faults:
        yield Check("settings", "ok", "no fault in the filter, the sources and the named files")


def _sources(settings: Settings) -> Iterator[Check]:
    """Whether each of `run.sources` exists and may be read."""
    if not settings.run.sources:
        return
    from trailhound.app.source_checks import source_checks  # with the AWS client: rarely needed

    for what, found in source_checks(settings):
        if isinstance(found, TrailhoundError):
            yield failed(what, found)
        else:
            yield Check(what, "warning" if found.advice else "ok", found.fact, found.advice)


def _faults(settings: Settings) -> Iterator[tuple[Location, str]]:
    yield from settings_check.check(settings)
    yield from settings_check.missing_folders(settings)
    for each in unread_paths(settings.detections):
        yield ("detections", each.setting), f"{each.reason}: {each.path}"


def rules_check(settings: Settings) -> Check:
    """Whether every rule, exception, override and placeholder of the settings is used. Paths that
    cannot be read are left out: `_settings` names them."""
    there = {}
    for name in SETTINGS_OF_PATHS:
        absent = {each.given for each in missing(settings.detections, name)}
        there[name] = [path for path in getattr(settings.detections, name) if path not in absent]
    present = settings.detections.model_copy(update=there)
    try:
        pack = rules_in_force(settings.model_copy(update={"detections": present}))
    except TrailhoundError as error:
        return failed("rules", error)
    fact = counted(pack)
    if not pack.problems:
        return Check("rules", "ok", fact)
    stops = any(fault.stops for fault in pack.problems)
    fact = "; ".join([fact, *problem_lines(pack)])
    return Check("rules", "failed" if stops else "warning", fact, "run `trailhound rules check`")


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


def _geoip(what: str, database: GeoDatabase) -> Check:
    age = (datetime.now(UTC).date() - database.build_date).days
    fact = f"{database.type_name}, {database.build_date} ({plural(age, 'day')} old)"
    if age <= _STALE_DAYS:
        return Check(what, "ok", fact)
    return Check(what, "warning", fact, "replace it with a current MaxMind or DB-IP file")


def _home(settings: Settings) -> Check:
    folder: Path = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    fact = f"{settings.home}: {free / 1024**3:.0f} GiB free"
    if free > _LITTLE_DISK:
        return Check("home", "ok", fact)
    return Check("home", "warning", fact, "free some, or set TRAILHOUND_HOME")


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
    """Whether a trail file of it can be read: not the first object, which may be a note."""
    try:
        opened = open_source(source, settings)
        first = list(islice(opened.objects(Selection()), _MOST_LOOKED_AT))
        for each in first:
            if may_be_trail(opened.head(each, _HEAD_BYTES)):
                return Check("source", "ok", f"{each.uri} is readable")
    except TrailhoundError as error:
        return failed("source", error)
    of = f" among its first {len(first):,} objects" if len(first) == _MOST_LOOKED_AT else ""
    return Check("source", "warning", f"{source}: no trail files{of}", "check the prefix")


def _is_there(client: OpenSearch, settings: Settings) -> bool:
    """Whether there is the namespace; True if that cannot be read, so that each check says why."""
    try:
        return has_namespace(client, settings.prefix)
    except OpenSearchException:
        return True


_OF_SERVER = (_plugins, index_templates, _shards, _disk, _clock)
_OF_NAMESPACE = (
    indices,
    _tiers,
    _dead_letters,
    _objects,
    late_events,
    unfinished_backfills,
    loaded_settings,
)
"""Left out where there is no ledger, since nothing that they read is known: readiness names it."""
