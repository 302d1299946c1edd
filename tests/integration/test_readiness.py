"""What is not known is not ready: whatever keeps `status` from reading it, and who says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.telemetry.endpoint import Endpoint, Health
from ingest.telemetry.metrics import Metrics
from tests.helpers.ports import free_address, own_port
from tests.helpers.processes import printed, run, start
from tests.helpers.queues import until
from tests.helpers.readyz import answer
from tests.helpers.trails import own_settings, prepared
from trailhound.app.health.local_daemon import identity
from trailhound.cluster.templates import Names
from trailhound.settings import Settings


def status(settings: Settings, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Exit code and object of `status --json`, and what `status` says to people."""
    done = run(settings, "status", "--json", env=environment)
    shown = run(settings, "status", env=environment)
    assert shown.returncode == done.returncode
    return done.returncode, printed(done.stdout), shown.stdout.decode()


def test_an_engine_that_does_not_run_is_not_ready(tmp_path: Path) -> None:
    """The waiting daemon, `/readyz` and `status` say the same."""
    address = free_address()
    with own_port() as port:
        settings = own_settings(f"http://127.0.0.1:{port}", "", tmp_path / "home")
        local = {
            "TRAILHOUND_CLUSTER__HOSTS": "[]",
            "TRAILHOUND_ENGINE__PORT": str(port),
            "TRAILHOUND_RUN__LISTEN": address,
        }
        code, report, shown = status(settings, **local)
        assert (code, report["state"], report["ready"]) == (3, "stopped", False)
        assert [each["code"] for each in report["reasons"]] == ["cluster"]
        assert report["local_daemon"]["state"] == "none"
        assert "unready  the local OpenSearch is not running" in shown
        assert f"daemon   none answers at {address}" in shown

        (tmp_path / "trail").mkdir()
        process = start(settings, "run", "--watch", str(tmp_path / "trail"), env=local)
        try:
            until(lambda: answer(address)[0] == 503, "a daemon that waits for its cluster")
            _, report, shown = status(settings, **local)
            daemon = report["local_daemon"]
            assert (report["ready"], daemon["state"]) == (False, "not_ready")
            answered = json.loads(answer(address)[1])
            assert {each["code"] for each in daemon["reasons"]} == {
                each["code"] for each in answered["details"]
            }
            assert answered["daemon"]["pid"] == process.pid
            assert f" {process.pid} runs, and is not ready" in shown
            assert {"cluster", "state"} == {each["code"] for each in report["reasons"]}

            elsewhere = local | {"TRAILHOUND_NAMESPACE": "another"}
            _, report, shown = status(settings, **elsewhere)
            assert report["local_daemon"]["state"] == "other"
            assert f"the one at {address} is of no namespace" in shown
        finally:
            process.kill()
            process.communicate()


def test_a_cluster_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    with own_port() as port:
        settings = own_settings(f"http://127.0.0.1:{port}", "", tmp_path / "home")
        code, report, shown = status(settings, TRAILHOUND_RUN__LISTEN=free_address())
    assert (code, report["error"]["exit_code"], report["ready"]) == (3, 3, False)
    assert [each["code"] for each in report["reasons"]] == ["cluster"]
    assert shown.startswith("unready  ")


@pytest.mark.parametrize("index", ["ledger", "alerts"])
def test_an_index_that_is_closed_is_not_ready(
    index: str, engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    before = status(settings)[1]
    assert (before["ready"], before["reasons"]) == (True, [])
    client.indices.close(index=getattr(Names(settings.prefix), index))
    code, report, _ = status(settings)
    assert (code, report["ready"], bool(report["reasons"])) == (3, False, True)


def test_a_ledger_that_is_gone_is_not_ready(engine: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    names = Names(settings.prefix)
    client.index(
        index=names.day("2025.03.01"),
        body={"eventID": "x"},
        refresh=True,
    )
    client.indices.delete(index=names.ledger)
    code, report, _ = status(settings)
    assert (code, report["ready"]) == (0, False)
    assert ("state", "ledger") in {(e["code"], e["subject"]) for e in report["reasons"]}
    findings = printed(run(settings, "doctor", "--json").stdout)["findings"]
    verdicts = {each["what"]: each["verdict"] for each in findings}
    assert verdicts["health: state ledger"] == "failed"
    assert verdicts.keys().isdisjoint({"objects", "late events", "dead letters", "daemons"})


def test_a_daemon_that_has_written_nothing_is_known_all_the_same(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """Its page answers, as that of a daemon does whose role cannot write to the ledger."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    denied = {"code": "thread", "subject": "status", "message": "the thread status failed: denied"}
    metrics = Metrics(lambda: None, tuple, dict)
    page = Endpoint("127.0.0.1:0", metrics, lambda: Health((denied,)), identity(settings))
    page.start()
    try:
        listen = page.url.removeprefix("http://")
        code, report, shown = status(settings, TRAILHOUND_RUN__LISTEN=listen)
    finally:
        page.close()
    assert (code, report["ready"], report["reasons"]) == (0, False, [denied])
    assert report["local_daemon"]["state"] == "not_ready"
    assert "runs, and is not ready; it has not written its state to the cluster" in shown
    assert "none is running" not in shown
