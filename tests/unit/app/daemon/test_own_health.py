"""The reasons that only a daemon's own process knows."""

from __future__ import annotations

from ingest.daemon.status import DaemonStatus
from ingest.feeds.feed import FeedStatus
from trailhound.app.daemon.own_health import daemon_reasons
from trailhound.threads import ThreadStatus


def test_what_a_daemon_knows_alone() -> None:
    status = DaemonStatus(
        started=1.0,
        waiting_for="busy",
        failing="internal error",
        stuck="s3://b/k",
        deferred=2,
        deferred_for="no room",
        feeds=[
            FeedStatus("q", "sqs", failing="denied"),
            FeedStatus("p", "s3", last_error="denied an hour ago"),
        ],
        unreachable={"w": "no such bucket"},
        refused="no event gets in",
    )
    threads = [ThreadStatus("watch", 2, "ValueError: x"), ThreadStatus("poll", 1)]
    made = daemon_reasons(status, threads, cluster_answers=True)
    assert [(each.code, each.subject) for each in made] == [
        ("thread", "watch"),
        ("cluster", "cluster"),
        ("session", "ingest"),
        ("stuck", "s3://b/k"),
        ("deferred", "spool"),
        ("feed", "q"),
        ("feed", "w"),
        ("refused", "events"),
    ]
    assert daemon_reasons(DaemonStatus(started=1.0), [], cluster_answers=True) == []
    (away,) = daemon_reasons(None, [], cluster_answers=False)
    assert away.code == "cluster"
