"""A daemon of which the cluster refuses every event is not one that works."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from opensearchpy import OpenSearch

from tests.helpers.installation import stamp
from tests.helpers.ports import free_address
from tests.helpers.processes import printed, run, start
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.trails import (
    dead_letters,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.cluster.templates import Names
from trailhound.settings import Settings


def test_a_daemon_whose_events_are_all_refused_is_not_ready(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings, address = own_settings(engine, namespace, tmp_path / "home"), free_address()
    client, folder, now = prepared(settings), tmp_path / "trail", datetime.now(UTC)
    names, file = Names(settings.prefix), tmp_path / "trailhound.yaml"
    day = names.day(f"{now:%Y.%m.%d}")
    content = {
        "run": {"sources": [{"watch": str(folder), "every": 0.3}], "listen": address},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"scheduled": False},
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def put(name: str) -> str:
        event = record(eventTime=stamp(now))
        write_trail(folder, [event], name)
        return str(event["eventID"])

    def refused(number: int) -> bool:
        return len(dead_letters(client, settings)) == number

    name = names.template("events")
    (found,) = client.indices.get_index_template(name=name)["index_templates"]
    template = found["index_template"]
    # Elasticsearch returns when it was written, and takes no such member.
    template = {member: template[member] for member in template if "_date" not in member}
    changed = deepcopy(template)
    mapping = changed["template"]["mappings"]
    mapping["dynamic"] = "strict"
    del mapping["properties"]["risk_score"]
    client.indices.put_index_template(name=name, body=changed)
    client.indices.create(index=day)
    put("a")
    process = start(settings, "run", "--config", file)
    try:
        changes = (503, {("template", "index templates")})
        until(lambda: readiness(address) == changes, "that the next day would be such a day")
        client.indices.put_index_template(name=name, body=template)
        until(lambda: refused(1), "one dead letter")
        put("b")
        until(lambda: refused(2), "two dead letters")
        until(lambda: readiness(address) == (200, set()), "a daemon with two such objects")
        put("c")
        until(lambda: readiness(address) == (503, {("refused", "events")}), "no event gets in")

        def messages() -> list[str]:
            said = printed(run(settings, "status", "--config", file, "--json").stdout)
            return [each["message"] for each in said["reasons"] if each["code"] == "refused"]

        until(lambda: bool(messages()), "the same in status")
        (message,) = messages()
        assert "3 dead letters, most of all strict_dynamic" in message
        assert "risk_score" in message
        checks = printed(run(settings, "doctor", "--config", file, "--json").stdout)["findings"]
        (check,) = [it for it in checks if it["what"] == "health: refused events"]
        assert (check["verdict"], message) == ("failed", check["fact"])
        assert "retry-deadletters" in check["advice"]

        process.kill()
        process.communicate()
        process = start(settings, "run", "--config", file)
        until(lambda: readiness(address) == (503, {("refused", "events")}), "as before")
        said = {each.partition(": ")[2] for each in messages()}  # the killed one is still listed
        assert said == {message.partition(": ")[2]}

        done = run(settings, "deadletters", "dismiss", "--all", "--yes", "--config", file)
        assert done.returncode == 0, done.stderr
        until(lambda: readiness(address) == (200, set()), "that nothing waits any more")
        for name in ("e", "f", "g"):
            put(name)
        until(lambda: readiness(address) == (503, {("refused", "events")}), "no event gets in")

        client.indices.put_mapping(index=day, body={"dynamic": False})
        event = put("d")
        until(lambda: event in documents(client, settings), "an event that gets in")
        until(lambda: readiness(address) == (200, set()), "a daemon that works")
    finally:
        process.kill()
        process.communicate()


def test_a_daemon_whose_objects_cannot_be_read_or_whose_days_are_not_ours_is_not_ready(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings, address = own_settings(engine, namespace, tmp_path / "home"), free_address()
    client, foreign = prepared(settings), f"{settings.prefix}foreign"
    folder = tmp_path / "trail"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.json.gz").write_bytes(trail_bytes([record()])[:40])  # cut off
    file = tmp_path / "trailhound.yaml"
    content = {
        "run": {"sources": [{"watch": str(folder), "every": 0.3}], "listen": address},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"scheduled": False},
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    process = start(settings, "run", "--config", file)
    unready = (503, {("refused", "events")})
    try:
        until(lambda: readiness(address) == unready, "no object can be read")
        process.kill()
        process.communicate()
        process = start(settings, "run", "--config", file)
        until(lambda: readiness(address) == unready, "as before, by the ledger")
        write_trail(folder, [record(eventTime=stamp(datetime.now(UTC)))], "d")
        until(lambda: readiness(address) == (200, set()), "a daemon that works")
        tried = [each["finished_at"] for each in broken(client, settings)]
        process.terminate()  # else its last report would count for a minute
        process.communicate()
        process = start(settings, "run", "--config", file)
        until(
            lambda: min(each["finished_at"] for each in broken(client, settings)) > max(tried),
            "all broken objects tried again",
        )
        until(lambda: readiness(address) == (200, set()), "a daemon that works all the same")

        patterns = {"index_patterns": [Names(settings.prefix).days], "priority": 90_000}
        client.indices.put_index_template(name=foreign, body=patterns)
        until(
            lambda: readiness(address) == (503, {("template", "index templates")}),
            "that new days would not be ours",
        )
        client.indices.delete_index_template(name=foreign)
        until(lambda: readiness(address) == (200, set()), "a daemon that works")
    finally:
        client.indices.delete_index_template(name=foreign, params={"ignore": 404})
        process.kill()
        process.communicate()


def broken(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    """The entries of objects that could not be read."""
    return [each for each in ledger(client, settings) if each.get("state") == "failed"]
