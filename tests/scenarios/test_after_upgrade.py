"""A day that begins on what the last release left, with its rules switched off by `run --poll`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.helpers import last_release as old
from tests.helpers.detection_rules import BURST, DELETED, write_rules
from tests.helpers.installation import TERMS, Hook, Installation, searchable, stamp
from tests.helpers.ports import free_address
from tests.helpers.processes import identity_holds
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.receiver import Receiver
from tests.helpers.trails import dead_letters, ledger, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

DELETION = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"}
ANOMALIES = "a378c706-16eb-4739-88e9-c1a3c72b8c30"
"""The shipped pattern anomalous_activity."""


def missed(moment: datetime) -> dict[str, Any]:
    """An event that the last release indexed while no rule ran, as it wrote one."""
    made = record(eventTime=stamp(moment), **DELETION)
    return made | {
        "@timestamp": made["eventTime"],
        "risk_score": 8,
        "event_category": "logging",
        "user_type": "iam_user",
        "user": {"name": "ada"},
        "trail": {"object": f"{old.FOLDER}x.json.gz", "position": 0, "integrity": "unverified"},
        "event": {"outcome": "success", "ingested": f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"},
    }


def test_a_day_after_the_upgrade(settings: Settings, tmp_path: Path) -> None:
    now, client, names = datetime.now(UTC), connect(settings), Names(settings.prefix)
    before = (now - timedelta(days=2)).date()
    old.restore(client, settings, before)
    lost = now - timedelta(hours=30)
    old_day, lost_day = names.day(f"{before:%Y.%m.%d}"), names.day(f"{lost:%Y.%m.%d}")
    event = missed(lost)
    old.store(client, lost_day, [(event["eventID"], event)])
    old.store(client, names.ledger, [old.feed_mark(old.FOLDER, lost), old.failing_job(now)])

    hook, address, watched = Hook(), free_address(), tmp_path / "watched"
    pack = write_rules(tmp_path / "rules") / "rules.yml"
    pack.write_text(pack.read_text().replace("interval: 1s", "interval: 5s"))
    with Receiver(hook) as receiver:
        it = Installation(
            settings,
            tmp_path,
            {
                "ingest": {"batch_seconds": 0.2},
                "filter": [{"eventName": "Decrypt"}],
                "detections": {
                    "rules": [str(tmp_path / "rules")],
                    # As the last release named it.
                    "overrides": {ANOMALIES: {"least": 5}},
                },
                "notify": {
                    "one_message_per": "alert",
                    "channels": [
                        {
                            "name": "hook",
                            "kind": "webhook",
                            "url": f"http://127.0.0.1:{receiver.port}/hook",
                            "secret": "a-secret-of-this-test",
                            "level": "low",
                        }
                    ],
                },
                "run": {
                    "listen": address,
                    "lease_seconds": 10,  # of the last release's daemon, which holds it still
                    "sources": [{"watch": str(watched), "every": 0.5}],
                },
            },
        )
        assert "account" not in _trail_fields(client, old_day)
        it.json("status")
        made = it.trailhound("init").decode()
        assert "switched off the scheduled rules" in made
        assert "account" in _trail_fields(client, old_day), "old days take the new fields"
        assert b"switched off" not in it.trailhound("init")
        assert {each["id"] for each in it.json("alerts", "list")["alerts"]} == set(old.RAISED)

        watched.mkdir()
        when = stamp(now - timedelta(minutes=2))
        with it.daemon() as daemon:

            def ours() -> list[dict[str, Any]]:
                found = it.json("alerts", "list", "--limit", "100")["alerts"]
                return [each for each in found if each["rule"]["id"] in (DELETED, BURST)]

            def caught_up() -> bool:
                catch_up = it.json("status")["catch_up"]
                return catch_up is None or bool(catch_up.get("done"))

            until(caught_up, "every rule caught up")
            until(lambda: hook.kinds["digest"] == 1, "the digest")
            assert len(ours()) == 3, "what was missed"
            made_today = [record(eventTime=when), record(eventTime=when, eventName="Decrypt")]
            write_trail(watched, [*made_today, record(eventTime=when, **DELETION)], "today")
            until(lambda: searchable(client, settings) == 7 + 1 + 2, "today's events")
            until(lambda: len(ours()) == 4, "what is new")
            live = set(old.RAISED) | {each["id"] for each in ours() if not each.get("catch_up")}
            until(lambda: live <= set(hook.accepted), "the messages")
            until(lambda: readiness(address) == (200, set()), "a daemon that is ready")
            until(lambda: it.failed_checks() == set(), "a doctor that finds nothing")
            it.stop(daemon)

        found = ours()
        assert Counter(each["rule"]["id"] for each in found) == {DELETED: 3, BURST: 1}
        assert set(old.RAISED) <= {each["id"] for each in found}, "raised once, under their ids"
        (late,) = [each for each in found if each.get("catch_up")]
        assert late["evidence"]["event_id"] == [event["eventID"]]
        assert hook.kinds["digest"] == 1, "one digest"
        delivered = Counter(each for each in hook.accepted if each in {one["id"] for one in found})
        assert delivered == dict.fromkeys(live, 1), (
            "each alert once, what was caught up in a digest"
        )

        it.trailhound("alerts", "ack", old.RAISED[0], "--by", "ada")
        it.trailhound("alerts", "close", old.RAISED[1], "--by", "ada")

    entries = ledger(client, settings)
    assert all(identity_holds(each) for each in entries)
    totals = {term: sum(each[term] for each in entries) for term in TERMS}
    assert totals == {
        "read": 9 + 3,
        "indexed": 7 + 2,
        "duplicates": 0,
        "dead_lettered": 1,
        "filtered": 1 + 1,
    }
    retried = it.json("retry-deadletters", code=1)
    assert (retried["read"], retried["dead_lettered"]) == (1, 1)
    assert [each["code"] for each in dead_letters(client, settings)] == ["bad_event_time"]
    it.trailhound("report", "-o", tmp_path / "report.json")
    assert it.json("status")["daemons"] == []


def _trail_fields(client: Any, day: str) -> set[str]:
    mapping = client.indices.get_mapping(index=day)[day]["mappings"]
    return set(mapping["properties"]["trail"]["properties"])
