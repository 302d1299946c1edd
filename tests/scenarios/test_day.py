"""A day of an installation: all parts at work in one namespace, disturbed, repaired, counted.

Two daemons, one after the other's violent end, follow a queue, a polled bucket and a folder, with a
filter, a threat list, own and shipped rules, a webhook, a command, a mailed report and retention.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tests.helpers.detection_rules import BURST, DELETED, write_rules
from tests.helpers.installation import (
    TERMS,
    Hook,
    Installation,
    announcement,
    key_of,
    searchable,
    stamp,
)
from tests.helpers.mail_server import mail_server
from tests.helpers.ports import free_address
from tests.helpers.processes import identity_holds
from tests.helpers.queues import Queue, until
from tests.helpers.readyz import readiness
from tests.helpers.receiver import Receiver
from tests.helpers.trails import (
    dead_letters,
    documents,
    ledger,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.jobs import Jobs, JobState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LISTED = "203.0.113.66"
SHARED = "00000000-0000-4000-8000-000000000001"
CHANGES = "d2bf4325-b891-418f-8f50-c1a706ddea87"
"""The shipped alarm CloudTrailChanges."""


def wave(now: datetime, noise: str) -> list[dict[str, Any]]:
    """Eight of a source: three plain ones, two of noise, one from a listed address, one that a rule
    is about, and one that is in every source."""
    when = stamp(now - timedelta(minutes=2))
    return [
        *(record(eventTime=when) for _ in range(3)),
        *(record(eventTime=when, eventName=noise) for _ in range(2)),
        record(eventTime=when, sourceIPAddress=LISTED),
        record(eventTime=when, eventSource="cloudtrail.amazonaws.com", eventName="DeleteTrail"),
        record(eventTime=when, eventID=SHARED),
    ]


def denied(now: datetime) -> dict[str, Any]:
    return record(eventTime=stamp(now - timedelta(minutes=3)), errorCode="AccessDenied")


def content(
    folder: Path, queue: Queue, bucket: str, endpoint: str, hook: int, mail: int
) -> dict[str, Any]:
    """The settings file; what it names is made."""
    (folder / "listed.txt").write_text(f"{LISTED}\n")
    (folder / "watched").mkdir(exist_ok=True)
    pack = write_rules(folder / "rules") / "rules.yml"
    pack.write_text(pack.read_text().replace("interval: 1s", "interval: 5s"))
    append = ["sh", "-c", 'cat >> "$0" && echo >> "$0"', str(folder / "commanded")]
    return {
        "aws": {"endpoint_url": endpoint},
        "ingest": {"batch_seconds": 0.2},
        "filter": [{"eventName": "Decrypt"}],
        "enrich": {"threat_lists": [{"name": "scanners", "path": str(folder / "listed.txt")}]},
        "retention": {"days": 30, "ism": False},
        "detections": {
            "rules": [str(folder / "rules")],
            "overrides": {CHANGES: {"interval": "5s"}},
        },
        "notify": {
            "per_minute": 1000,
            "one_message_per": "alert",
            "channels": [
                {
                    "name": "hook",
                    "kind": "webhook",
                    "url": f"http://127.0.0.1:{hook}/hook",
                    "secret": "a-secret-of-this-test",
                    "level": "low",
                },
                {"name": "command", "kind": "command", "command": append, "level": "low"},
            ],
        },
        "report": {
            "mail": {
                "to": ["security@example.org"],
                "sender": "trailhound@example.org",
                "hour": datetime.now(UTC).hour,  # due at once, and not again for 23 hours
                "host": "127.0.0.1",
                "port": mail,
                "tls": "none",
            }
        },
        "run": {
            "listen": free_address(),
            "log": "json",
            "lease_seconds": 10,  # lost after eight, of which six and more may be a halt
            "visibility_seconds": 10,
            "sources": [
                {"queue": queue.url},
                {"poll": f"s3://{bucket}/", "every": 1},
                {"watch": str(folder / "watched"), "every": 0.5},
            ],
        },
    }


def name_of(entry: dict[str, Any]) -> str:
    """What the scenario calls an object."""
    path = PurePosixPath(entry["uri"])
    if path.parent.name in ("export", "watched"):
        return "export" if path.parent.name == "export" else f"watched-{path.name.split('.')[0]}"
    return path.name.split(".")[0].split("_")[-1]


def figures(entry: dict[str, Any]) -> tuple[int, int, int, int]:
    """Read, in the index, dead-lettered and filtered."""
    inside = entry["indexed"] + entry["duplicates"]
    return entry["read"], inside, entry["dead_lettered"], entry["filtered"]


def test_a_day_of_an_installation(
    settings: Settings, tmp_path: Path, s3: S3Client, s3_endpoint: str, bucket: str
) -> None:
    now, hook = datetime.now(UTC), Hook()
    queue = Queue(s3_endpoint, receives=1000)  # no message is given up, however slow a daemon is
    pushed, client = f"{bucket}-pushed", connect(settings)
    s3.create_bucket(Bucket=pushed)
    watched, rules, home = tmp_path / "watched", tmp_path / "rules", Names(settings.prefix)

    def deliver(name: str, noise: str, *more: dict[str, Any]) -> None:
        """A wave into each of the three sources; `more` into the folder."""
        body = trail_bytes(wave(now, noise))
        s3.put_object(Bucket=pushed, Key=key_of(now, f"{name}-queued"), Body=body)
        queue.send(announcement(pushed, key_of(now, f"{name}-queued"), len(body)))
        polled = trail_bytes(wave(now, noise))
        s3.put_object(Bucket=bucket, Key=key_of(now, f"{name}-polled"), Body=polled)
        write_trail(watched, [*wave(now, noise), *more], name)

    with Receiver(hook) as receiver, mail_server() as post:
        it = Installation(
            settings,
            tmp_path,
            content(tmp_path, queue, bucket, s3_endpoint, receiver.port, post.port),
        )
        address = it.content["run"]["listen"]
        it.trailhound("init")
        # A day past retention from before there was one, and a day that takes no events.
        ancient, blocked = now - timedelta(days=45), now - timedelta(days=3)
        write_trail(tmp_path / "before", [record(eventTime=stamp(ancient))], "ancient")
        write_trail(tmp_path / "before", [record(eventTime=stamp(blocked))], "blocked")
        it.content["retention"]["days"] = None
        it.write()
        it.trailhound("backfill", tmp_path / "before")
        it.content["retention"]["days"] = 30
        it.write()
        blocked_day = home.day(f"{blocked:%Y.%m.%d}")
        client.indices.put_settings(index=blocked_day, body={"index.blocks.write": True})
        # The daemon of yesterday, which mailed its report.
        yesterday = (now - timedelta(days=1)).isoformat(timespec="milliseconds")
        Jobs(client, settings).write(
            JobState(name="report-mail", last_run=yesterday, last_success=yesterday)
        )

        hook.refuses = True
        with it.daemon() as first:
            until(lambda: readiness(address)[0] == 200, "a daemon that is ready")
            bad = record(eventTime="nonsense")
            deliver("one", "Decrypt", bad, *(denied(now) for _ in range(3)))
            late = record(eventTime=stamp(blocked))
            export = [*wave(now, "Decrypt"), late, *(denied(now) for _ in range(3))]
            write_trail(tmp_path / "export", export)
            beside = it.json("backfill", tmp_path / "export", code=1)
            assert identity_holds(beside)
            assert [beside[term] for term in TERMS][3:] == [1, 2], "one of a day that is blocked"
            ancient_day = home.day(f"{ancient:%Y.%m.%d}")
            until(lambda: not client.indices.exists(index=ancient_day), "the end of an old day")
            # Four sources of five of their own, one shared, six denied, one before.
            until(lambda: searchable(client, settings) == 4 * 5 + 1 + 6 + 1, "the first wave")
            until(lambda: len(post.taken) == 1, "the report by mail")

            # The webhook refuses, the folder goes away, a rule is spoiled: three reasons.
            until(lambda: ("channel", "hook") in readiness(address)[1], "a channel's refusal")
            watched.rename(tmp_path / "elsewhere")
            good = (rules / "rules.yml").read_text()
            (rules / "rules.yml").write_text(good + "---\ntitle: no rule\n")
            it.reload(first)
            wrong = {("channel", "hook"), ("feed", str(watched)), ("rules", "faults")}
            until(lambda: readiness(address) == (503, wrong), "three reasons")
            until(lambda: wrong <= it.reasons_of_status(), "the same in status")
            assert {"channel hook", "rules"} <= it.failed_checks()

            # All is well again, and a new filter is in force.
            hook.refuses = False
            (tmp_path / "elsewhere").rename(watched)
            (rules / "rules.yml").write_text(good)
            it.content["filter"] = [{"eventName": ["Decrypt", "GenerateDataKey"]}]
            it.reload(first)
            until(lambda: readiness(address) == (200, set()), "a daemon that is ready again")
            # The others learn it from the daemon's next sign of life.
            until(lambda: it.reasons_of_status() == set(), "the same in status")
            until(lambda: it.failed_checks() == set(), "the same in doctor")

            def raised() -> Counter[str]:
                found = it.json("alerts", "list")["alerts"]
                return Counter(each["rule"]["id"] for each in found)

            def told() -> bool:
                """Whether each alert was sent, and that is recorded: else it is sent again."""
                waiting = {each["waiting"] for each in it.json("status")["channels"]}
                return len(set(hook.accepted)) == raised().total() and waiting == {0}

            until(told, "every message about the first wave")

            # A second daemon takes over what the first one is killed over.
            it.content["run"]["listen"] = address = free_address()
            it.write()
            with it.daemon() as second:
                until(lambda: readiness(address)[0] == 200, "a second daemon")
                assert len(it.json("status")["daemons"]) == 2
                deliver("two", "GenerateDataKey")
                first.kill()
                until(lambda: searchable(client, settings) == 28 + 3 * 5, "the second wave")
                until(lambda: queue.left() == 0, "an empty queue")
                retried = it.json("retry-deadletters", "--reopen", code=1)
                assert (retried["indexed"], retried["dead_lettered"]) == (1, 1)
                ours = Counter({DELETED: 7, BURST: 1})
                until(lambda: all(raised()[each] == ours[each] for each in ours), "the alerts")
                until(told, "all delivered")
                status = it.json("status")
                assert {each["kind"] for each in status["daemons"][0]["sources"]} == {
                    "sqs",
                    "s3",
                    "folder",
                }
                jobs = {each["name"] for each in status["jobs"]}
                assert jobs >= {"detections", "retention", "housekeeping", "report-mail"}
                assert not any(each["failures"] for each in status["rules"])
                assert {each["last_error"] for each in status["jobs"]} == {""}
                until(lambda: readiness(address) == (200, set()), "a daemon that is ready")
                it.stop(second)

        # Alerts: each once, each delivered once by each channel, none raised anew by history.
        found = it.json("alerts", "list")["alerts"]
        ids = {each["id"] for each in found}
        assert Counter(hook.accepted) == dict.fromkeys(ids, 1)
        commanded = [
            json.loads(line) for line in (tmp_path / "commanded").read_text().splitlines() if line
        ]
        assert Counter(each["id"] for each in commanded) == dict.fromkeys(ids, 1)
        assert CHANGES in {each["rule"]["id"] for each in found}
        assert [each["count"] for each in found if each["rule"]["id"] == BURST] == [6]
        it.trailhound("detect", "--since", stamp(now - timedelta(hours=1)))
        again = it.json("alerts", "list", "--limit", "1000")["alerts"]
        rules_of_found = {each["rule"]["id"] for each in found}
        assert {each["id"] for each in again if each["rule"]["id"] in rules_of_found} == ids
        # From an alert to the whole story, in the same namespace.
        story = it.json(
            "timeline", next(each["id"] for each in found if each["rule"]["id"] == BURST)
        )
        assert [each["count"] for each in story["lines"] if each.get("error")] == [6]
        assert story["total"] == story["folded"] >= 6
        person = it.json("whois", "ada")
        assert person["events"] == searchable(client, settings)
        assert person["alerts_total"] == len(again)
        leads = it.json("hunt", "--since", "7d", "--report", "--folder", tmp_path)["leads"]
        assert [each["risk_score"] for each in leads] == sorted(
            (each["risk_score"] for each in leads), reverse=True
        )
        (path,) = it.json("paths", "--from", "user:ada", "--to", "user:bob")["paths"]
        assert path["path"] == ["user:ada", "user:bob"]
        first_id, *others = sorted(ids)
        it.trailhound("alerts", "ack", first_id, "--by", "ada")
        it.trailhound("alerts", "close", *others, "--by", "ada")
        every = ("--state", "acknowledged", "--state", "closed", "--limit", "1000")
        listed = it.json("alerts", "list", *every)["alerts"]
        states = {each["id"]: each["state"] for each in listed}
        assert states[first_id] == "acknowledged"
        assert {states[each] for each in others} == {"closed"}
        assert len(post.taken) == 1

    # Every record is accounted for, by object and in total.
    entries = ledger(client, settings)
    assert all(identity_holds(each) for each in entries)
    read = {
        **dict.fromkeys(["ancient", "blocked"], (1, 1, 0, 0)),
        "export": (12, 10, 0, 2),  # the late one is in since its day was reopened
        "watched-one": (12, 9, 1, 2),
        **dict.fromkeys(["watched-two", "one-queued", "two-queued"], (8, 6, 0, 2)),
        **dict.fromkeys(["one-polled", "two-polled"], (8, 6, 0, 2)),
    }
    by_name = {name_of(each): each for each in entries}
    assert {name: figures(each) for name, each in by_name.items()} == read
    # Read again by the second filter: every event is a duplicate of its first reading. A queue's
    # message comes once.
    again = {name for name, each in by_name.items() if len(each["covered"]) > 1}
    assert again == {"one-polled", "watched-one"}
    assert {by_name[name]["indexed"] for name in again} == {0}
    held = documents(client, settings).values()
    assert len(held) == 28 + 15 + 1
    came = Counter(each["trail"]["object"] for each in held)
    once = [each for name, each in by_name.items() if name not in again | {"ancient"}]
    assert {each["uri"]: each["indexed"] for each in once} == {
        each["uri"]: came[each["object"]] for each in once
    }
    assert len([each for each in held if each.get("threat")]) == 7
    assert [each["code"] for each in dead_letters(client, settings)] == ["bad_event_time"]
    it.trailhound("report", "-o", tmp_path / "report.json")
    assert "14 records of all times" in (tmp_path / "report.json").read_text()
    # The one that was killed is listed for a minute; the one that was stopped is not.
    assert len(it.json("status")["daemons"]) <= 1
