"""The checks of `trailhound doctor` that ask a cluster: its nodes, and what a namespace has there.

They raise opensearch-py's exceptions and `ClusterError`s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException

from ingest.bulk.days import shard_room
from ingest.deadletters.spool import SPOOL_FILE, count_spooled
from ingest.documents.day_limit import KEPT_DAYS
from trailhound.app.doctor.check import LITTLE_DISK, Check
from trailhound.app.health.readiness import ADVICE
from trailhound.app.health.shared_state import written_now
from trailhound.app.search.ledger import LedgerSearch
from trailhound.cluster import templates
from trailhound.cluster.blocks import disk_full
from trailhound.cluster.clock import seconds_apart
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.node_disks import GIB, node_disks
from trailhound.cluster.past_retention import read_past_retention
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.tiers import read_tiers
from trailhound.cluster.waiting import WAITING, dismissed
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.daemons import Daemons
from trailhound.state.jobs import Jobs

_CLOCK_SECONDS = 30


def cluster(client: OpenSearch) -> Check:
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


def plugins(client: OpenSearch, _settings: Settings) -> Check:
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


def shards(client: OpenSearch, settings: Settings) -> Check:
    """For how many more daily indices the cluster's shard limit has room."""
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


def disk(client: OpenSearch, settings: Settings) -> Check:
    """The free disk space of the fullest node, and whether the cluster blocks indices for lack of
    it."""
    if full := disk_full(client, written_now(templates.Names(settings.prefix))):
        return Check("disk", "failed", full, ADVICE["disk"])
    free = min(each.free for each in node_disks(client))
    fact = f"{free / GIB:.0f} GiB free on the fullest node"
    advice = "free disk space, or add a node: at the flood stage the cluster rejects all writes"
    return (
        Check("disk", "ok", fact) if free > LITTLE_DISK else Check("disk", "warning", fact, advice)
    )


def clock(client: OpenSearch, _settings: Settings) -> Check:
    """How far the clocks of this machine and the cluster are apart."""
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


def tiers(client: OpenSearch, settings: Settings) -> list[Check]:
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


def retention(client: OpenSearch, settings: Settings) -> list[Check]:
    """Which days a daemon's next run deletes or closes, if a number of days is kept. The one that
    midnight made too old is no warning."""
    found = read_past_retention(client, settings, datetime.now(UTC).date())
    if found is None:
        return []
    if found.routine:
        return [Check("retention", "ok", found.describe())]
    advice = "before a daemon runs, raise retention.days or remove it if they are to stay" + (
        ", or set retention.action: close" if found.action == "delete" else ""
    )
    return [Check("retention", "warning", found.describe(), advice)]


def dead_letters(client: OpenSearch, settings: Settings) -> Check:
    """How many dead letters there are, in the index and in the spool of this machine; those that
    were dismissed are counted by themselves."""
    names = templates.Names(settings.prefix)
    number = IndexReader(client, names.deadletter).count(WAITING)
    try:
        spooled = count_spooled(settings.spool)
    except OSError as error:
        return Check(
            "dead letters",
            "failed",
            f"{settings.spool / SPOOL_FILE} cannot be read: {error.strerror}",
            "check it",
        )
    left = dismissed(client, names) + spooled.dismissed
    beside = f"; {left:,} dismissed" if left else ""
    if not number + spooled.waiting:
        return Check("dead letters", "ok", f"none{' that wait' if left else ''}{beside}")
    return Check(
        "dead letters",
        "warning",
        f"{number:,} in the index, {spooled.waiting:,} in {settings.spool}{beside}",
        "see why: `trailhound deadletters list`; then run `trailhound retry-deadletters`, or "
        "`trailhound deadletters dismiss`",
    )


def messages(client: OpenSearch, settings: Settings) -> Iterator[Check]:
    """Messages of queues that name no object and that daemons left there: a single one makes
    nothing unready, so that no reason names it."""
    counts: dict[str, Counter[str]] = {}
    for daemon in Daemons(client, settings).active():
        for source in daemon.report.get("sources") or ():
            for row in source.get("unknown") or ():
                counts.setdefault(source["name"], Counter())[row["what"]] += row["number"]
    for name, found in sorted(counts.items()):
        ((why, number),) = found.most_common(1)
        what = plural(found.total(), "message or record", "messages or records")
        fact = f"{what} left on it, most of all {number:,}: {why}"
        advice = "see whoever sends to it; a redrive policy moves them to a dead-letter queue"
        yield Check(f"messages of {name}", "warning", fact, advice)


def skipped(client: OpenSearch, settings: Settings) -> Iterator[Check]:
    """What scheduled jobs left out because of internal errors: the rest went on, so that no reason
    names it."""
    for job in Jobs(client, settings).all():
        if job.skipped:
            advice = "report it, with what the daemon logs with `run.log_level: debug`"
            yield Check(f"job {job.name}", "warning", job.skipped, advice)


def objects(client: OpenSearch, settings: Settings) -> Check:
    """The objects that a daemon or a backfill could not read: a single one makes nothing unready,
    so that no reason names them."""
    search = LedgerSearch(client, settings)
    number, gone = search.number_failed(), search.number_gone()
    beside = f"; {gone:,} noted as gone" if gone else ""
    if not number:
        return Check("objects", "ok", f"none that could not be read{beside}")
    return Check(
        "objects",
        "warning",
        f"{number:,} could not be read to the end{beside}",
        "see why: `trailhound ledger list --state failed`; once the cause is fixed, run "
        "`trailhound backfill` over them, or wait for a daemon's next try; put those that are "
        "deleted away with `trailhound ledger gone`",
    )
