"""A ledger index as the release before `kind` left it: its mapping, and a document of every kind.

The forms are those that release wrote (commit 44fc787).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.settings import Settings

Document = dict[str, Any]

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
MAPPING: Mapping[str, Any] = {
    "_meta": {"trailhound": {"kind": "ledger", "fingerprint": "of-the-last-release"}},
    "dynamic": False,
    "properties": {
        **dict.fromkeys(("uri", "etag", "state", "worker", "reason"), _KEYWORD),
        **{name: {"type": "date"} for name in ("claimed_at", "finished_at", "heartbeat")},
        **{
            name: {"type": "long"}
            for name in (
                "size",
                "bytes",
                "read",
                "indexed",
                "duplicates",
                "dead_lettered",
                "filtered",
            )
        },
    },
}
FOLDER = "s3://trail/AWSLogs/111122223333/CloudTrail/us-east-1/"


def make_ledger(client: OpenSearch, settings: Settings) -> str:
    """The empty ledger index; its name."""
    index = Names(settings.prefix).ledger
    client.indices.create(
        index=index, body={"settings": {"number_of_shards": 1}, "mappings": MAPPING}
    )
    return index


def store(client: OpenSearch, index: str, documents: Iterable[tuple[str, Document]]) -> None:
    """Write documents by their `_id`s, and make them searchable."""
    lines = b"".join(
        json.dumps({"index": {"_id": identifier}}).encode()
        + b"\n"
        + json.dumps(document).encode()
        + b"\n"
        for identifier, document in documents
    )
    reply = client.bulk(index=index, body=lines, params={"refresh": "true"})
    assert not reply["errors"]


def object_entry(number: int, **changes: Any) -> tuple[str, Document]:
    """An object's entry, done by default."""
    uri = f"{FOLDER}2025/03/01/{number:07}.json.gz"
    entry = {
        "uri": uri,
        "etag": f"etag-{number}",
        "size": 10,
        "state": "done",
        "worker": "",
        "claimed_at": "2025-03-01T12:00:00.123456+00:00",
        "read": 3,
        "indexed": 3,
        "duplicates": 0,
        "dead_lettered": 0,
        "filtered": 0,
        "bytes": 100,
        "finished_at": "2025-03-01T12:00:01.123456+00:00",
        "reason": None,
    }
    return _sha(uri), entry | changes


def worker(name: str, heartbeat: datetime, host: str = "h") -> tuple[str, Document]:
    return f"worker-{name}", {
        "state": "worker",
        "heartbeat": heartbeat.isoformat(),
        "host": host,
        "boot": "b",
        "pid": 4_000_000,
    }


def daemon(name: str, heartbeat: datetime) -> tuple[str, Document]:
    return f"daemon-{name}", {
        "state": "daemon",
        "heartbeat": heartbeat.isoformat(),
        "host": "h",
        "pid": 4_000_000,
        "started": heartbeat.isoformat(timespec="seconds"),
        "read": 600,
        "indexed": 4,
        "duplicates": 0,
        "dead_lettered": 0,
        "filtered": 596,
        "objects": {"done": 2},
        "bytes": 10,
        "retries": 0,
        "in_flight": 0,
        "events_per_second": 1.5,
        "last_error": "",
        "last_error_at": None,
        "sources": [],
        "leads": True,
        "event_lag_seconds": None,
        "searchable_seconds": None,
    }


def feed_mark(folder: str, mark: datetime) -> tuple[str, Document]:
    moment = mark.isoformat(timespec="seconds")
    return f"mark-{_sha(folder)}", {"uri": folder, "state": "mark", "mark": moment}


def rule_mark(rule_id: str, seen_until: datetime, **changes: Any) -> tuple[str, Document]:
    return f"mark-{rule_id}", {
        "state": "mark",
        "rule_id": rule_id,
        "title": f"Rule {rule_id}",
        "seen_until": seen_until.isoformat(),
        "ran_at": (seen_until + timedelta(minutes=5)).isoformat(),
        "seconds": 0.5,
        "found": 2,
        "failures": 0,
        "last_error": "",
        "resting": False,
    } | changes


def lease(owner: str, term: int) -> tuple[str, Document]:
    return "lease-scheduler", {"state": "lease", "owner": owner, "term": term}


def failing_job(now: datetime) -> tuple[str, Document]:
    """The detections of an installation that polls a bucket."""
    return "job-detections", {
        "last_error": "KeyError: 'seen_until'",
        "failures": 17,
        "state": "job",
        "name": "detections",
        "last_run": now.isoformat(timespec="milliseconds"),
    }


def channel(name: str) -> tuple[str, Document]:
    return f"channel-{name}", {
        "state": "channel",
        "name": name,
        "minute": 29_000_000,
        "sent": 3,
        "waiting": 2,
        "last_delivery": "2025-03-01T12:00:00.000Z",
    }


def alert_group(key: str, last: datetime) -> tuple[str, Document]:
    times = {"first": (last - timedelta(hours=1)).isoformat(), "last": last.isoformat()}
    return f"alert-group-{key}", {
        "state": "alert-group",
        "rule": "r1",
        "alerts": [{"id": "a1", **times, "into": "a2"}, {"id": "a2", **times}],
        "forgotten": (last - timedelta(days=9)).isoformat(),
    }


def of_every_kind(now: datetime | None = None) -> dict[str, Document]:
    """A document of every kind, by `_id`; its processes live, however long a test takes."""
    now = now or datetime.now(UTC)
    later = datetime.now(UTC) + timedelta(minutes=30)
    return dict(
        [
            object_entry(1),
            object_entry(2, state="done", read=600, indexed=4, filtered=596),
            object_entry(3, state="failed", reason="gzip breaks off"),
            object_entry(4, state="claimed", worker="w1", finished_at=None),
            object_entry(5, state="released"),
            worker("w1", later),
            daemon("d1", later),
            feed_mark(FOLDER, now - timedelta(minutes=7)),
            rule_mark("r1", now - timedelta(minutes=9)),
            rule_mark("r2", now - timedelta(days=3), resting=True, failures=2, last_error="x"),
            lease("d1", 7),
            failing_job(now),
            channel("hook"),
            alert_group("g1", now - timedelta(hours=2)),
        ]
    )


def old_rule_marks(client: OpenSearch, settings: Settings) -> dict[str, Document]:
    """What the rule runner of that release reads; a `KeyError` or `TypeError` where it fails."""
    fields = set(rule_mark("r", datetime.now(UTC))[1])
    index = Names(settings.prefix).ledger
    client.indices.refresh(index=index)
    body = {"size": 10_000, "query": {"term": {"state": "mark"}}}
    found = {}
    for hit in client.search(index=index, body=body)["hits"]["hits"]:
        source = hit["_source"]
        if more := source.keys() - fields:
            raise TypeError(f"unexpected keywords {more}")
        datetime.fromisoformat(source["seen_until"])
        datetime.fromisoformat(source["ran_at"])
        found[source["rule_id"]] = source
    return found


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# A whole installation, as a daemon of that release left it.

STATE = Path(__file__).with_name("last_release_state.json")
"""Templates, indices and documents recorded from that release: a daemon that watched a folder with
one file, two rules and a webhook that could not be reached."""
RECORDED_ON = date(2026, 11, 28)
RAISED = ("c06e751ad7b1a4104e969339", "ef00005f36c0c78d74f2e650")
"""Its alerts, of the rules `DELETED` and `BURST`; neither was delivered."""


def restore(client: OpenSearch, settings: Settings, day: date) -> None:
    """Make it on a cluster as if it had been recorded on this day (UTC)."""
    text = STATE.read_text().replace("NAMESPACE-", settings.prefix)
    state = json.loads(_moved(text, day))
    names = Names(settings.prefix)
    for name, body in state["templates"].items():
        client.indices.put_index_template(name=names.prefix + name, body=body)
    for name, index in state["indices"].items():
        client.indices.create(index=names.prefix + name, body=index["body"])
        if index["documents"]:
            store(client, names.prefix + name, index["documents"].items())


def _moved(text: str, day: date) -> str:
    """The recorded state with its dates so many days later or earlier, times of day unchanged."""
    for separator in ("-", "."):
        written = f"%Y{separator}%m{separator}%d"
        text = text.replace(f"{RECORDED_ON:{written}}", f"{day:{written}}")
    return text
