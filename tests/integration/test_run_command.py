"""`trailhound run` as a process: what it shows while it runs, how it reloads, how it stops."""

from __future__ import annotations

import json
import signal
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml
from opensearchpy import OpenSearch
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.proxy import Answer, Fault, Proxy, Request
from tests.helpers.ports import free_address
from tests.helpers.processes import LONGEST, printed, run, start
from tests.helpers.queues import until
from tests.helpers.trails import documents, own_settings, record, write_trail
from trailhound.settings import Settings


def metrics(address: str) -> dict[tuple[str, ...], float]:
    """Samples by name and label values; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics") as reply:
            text = reply.read().decode()
    except (OSError, HTTPException):
        return {}
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def lines(said: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]


def test_a_daemon_tells_how_it_does_and_takes_new_settings(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    trail, address, file = tmp_path / "trail", free_address(), tmp_path / "trailhound.yaml"
    threats = tmp_path / "threats.txt"
    threats.write_text("198.51.100.7\n", encoding="utf-8")  # what `record` comes from
    content: dict[str, Any] = {
        "ingest": {"batch_seconds": 0.2},
        "enrich": {"threat_lists": [{"path": str(threats)}]},
        "run": {
            "sources": [{"watch": str(trail), "every": 0.3}],
            "listen": address,
            "log": "json",
        },
    }
    file.write_text(yaml.safe_dump(content))
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    write_trail(trail, [record(eventTime=now), record(eventTime=now)], "a")
    process = start(settings, "run", "--config", file)

    def value(*name: str) -> float:
        return metrics(address).get(name, -1)

    def there(number: int) -> bool:
        return len(documents(client, settings)) == number  # it refreshes the days

    try:
        until(lambda: there(2), "two events")
        until(lambda: value("trailhound_delivery_to_searchable_seconds_count") == 1, "found")
        until(lambda: value("trailhound_job_runs_total", "housekeeping") >= 1, "a job's run")
        until(lambda: value("trailhound_event_lag_seconds") >= 0, "a look at the newest event")
        until(lambda: value("trailhound_leader", "detections") == 1, "a leader")
        assert value("trailhound_job_failures_total", "housekeeping") == 0

        # What it writes of itself comes some seconds later.
        told = (
            "newest event",
            "runs the jobs detections, housekeeping, known automation",
            *("last success", "last arrival", "from delivery to searchable"),
        )

        def tells_all() -> bool:
            shown = run(settings, "status").stdout.decode()
            return all(each in shown for each in told)

        until(tells_all, "a status with all of it")
        report = printed(run(settings, "status", "--json").stdout)
        jobs = {job["name"]: job for job in report["jobs"]}
        assert jobs["housekeeping"]["last_success"]
        assert "detections" in report["daemons"][0]["jobs"]
        assert [each["name"] for each in report["daemons"][0]["sources"]] == [str(trail)]

        content["filter"] = [{"eventName": "Decrypt"}]
        content["cluster"] = {"timeout": 5}
        file.write_text(yaml.safe_dump(content))
        threats.unlink()
        process.send_signal(signal.SIGHUP)
        for number in range(100):  # until one is read under the new settings
            write_trail(trail, [record(eventName="Decrypt"), record()], f"b{number}")
            awaited = 2 + number
            until(lambda: value("trailhound_objects_total", "done") == awaited, "the object")  # noqa: B023
            if value("trailhound_events_total", "filtered") > 0:
                break
        assert value("trailhound_events_total", "filtered") > 0

        content["filter"] = [{"eventName|nonsense": "x"}]
        file.write_text(yaml.safe_dump(content))
        process.send_signal(signal.SIGHUP)
        done = value("trailhound_objects_total", "done")
        write_trail(trail, [record(eventName="Decrypt")], "c")
        until(lambda: value("trailhound_objects_total", "done") == done + 1, "one object more")
        until(lambda: b"settings not reloaded" in process.written(1), "a refusal")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LONGEST)
    finally:
        process.kill()
    assert process.returncode == 0, said.decode()
    messages = [line["message"] for line in lines(said)]
    (kept,) = [message for message in messages if str(threats) in message]
    assert "its entries from before the reload stay active" in kept
    assert all("threat" in each for each in documents(client, settings).values())
    (taken,) = [message for message in messages if message.startswith("settings reloaded: ")]
    assert {"enrich", "filter", "retention", "run.log_level"} <= set(taken[19:].split(", "))
    assert "changed, but needs a restart: cluster.timeout" in messages
    (refused,) = [message for message in messages if message.startswith("settings not reloaded")]
    assert "filter.0" in refused
    assert f"{file}:" in refused
    assert printed(run(settings, "status", "--json").stdout)["daemons"] == []


def test_a_second_signal_ends_it_at_once(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    """The cluster takes nothing, and the deadline is far away."""

    def script(request: Request) -> Fault | None:
        return Answer(429) if request.number else None

    write_trail(tmp_path / "trail", [record()], "a")
    env = {
        "TRAILHOUND_RUN__STOP_SECONDS": "600",
        "TRAILHOUND_INGEST__BATCH_SECONDS": "0.2",
        "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0",
    }
    with Proxy(settings.hosts[0], script) as proxy:
        far = own_settings(proxy.url, settings.namespace, tmp_path / "home")
        process = start(far, "run", "--watch", tmp_path / "trail", env=env)
        try:
            until(lambda: any(each.number for each, _ in proxy.seen), "a request of events")
            process.send_signal(signal.SIGTERM)
            refused = len(proxy.seen)
            until(lambda: len(proxy.seen) > refused + 1, "another try after the first signal")
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LONGEST)
        finally:
            process.kill()
    assert process.returncode == 130
    assert documents(client, settings) == {}


def test_settings_that_do_not_fit_are_told_at_once_and_nothing_starts(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "trailhound.yaml"
    file.write_text("run:\n  sources: [{queue: q}]\n  colour: blue\nindex:\n  shards: none\n")
    ended = run(settings, "run", "--config", file, env={"TRAILHOUND_ENGINE__PORT": "1"})
    assert ended.returncode == 2
    said = ended.stderr.decode()
    for place in (f"{file}:3", f"{file}:5", "TRAILHOUND_ENGINE__PORT"):
        assert f"({place})" in said
