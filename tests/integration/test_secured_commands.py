"""The commands themselves, over TLS, as a user who has the shipped role and no other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.processes import LONGEST, identity_holds, printed, run, start
from tests.helpers.queues import until
from tests.helpers.roles import least_privilege_role
from tests.helpers.secured import SecuredEngine
from tests.helpers.trails import record, write_trail
from trailhound.settings import Settings

NAMESPACE = "night"
PASSWORD = "c0rrect-Horse-battery"


@pytest.fixture
def settings(secured_engine: SecuredEngine, tmp_path: Path) -> Settings:
    return secured_engine.settings(NAMESPACE).model_copy(update={"home": tmp_path / "home"})


@pytest.fixture
def login(secured_engine: SecuredEngine) -> Mapping[str, str]:
    """The environment of a user with the shipped role."""
    secured_engine.create_user("keeper", PASSWORD)
    secured_engine.create_role("keeper", least_privilege_role(NAMESPACE), ["keeper"])
    return {
        "TRAILHOUND_CLUSTER__CA_BUNDLE": str(secured_engine.authority.bundle),
        "TRAILHOUND_CLUSTER__USERNAME": "keeper",
        "TRAILHOUND_CLUSTER__PASSWORD": PASSWORD,
    }


def test_every_command_works_with_the_shipped_role(
    settings: Settings, login: Mapping[str, str], tmp_path: Path
) -> None:
    kept = record()
    forged = kept | {"eventName": "DeleteUser"}
    repaired = record(requestParameters={"policyDocument": "x" * 40_000})
    trail = write_trail(tmp_path / "trail", [kept, forged, repaired, record(eventTime="never")])

    def command(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
        done = run(settings, *arguments, "--json", env=login)
        said = done.stderr.decode()
        assert done.returncode == code, said + done.stdout.decode()
        assert PASSWORD not in said
        return printed(done.stdout)

    assert run(settings, "init", env=login).returncode == 0
    first = command("backfill", trail, code=1)  # one dead letter
    assert (first["indexed"], first["dead_lettered"]) == (3, 1), first
    assert command("backfill", trail)["skipped_objects"] == 1
    forced = command("backfill", trail, "--force", "--workers", "2", code=1)
    assert forced["duplicates"] == 3, forced
    assert identity_holds(forced)
    assert command("retry-deadletters", code=1)["dead_lettered"] >= 1
    assert command("detect", "--since", "2025-03-01", "--until", "2025-03-01")
    verdicts = {each["verdict"] for each in command("doctor")["findings"]}
    assert "failed" not in verdicts
    assert command("status")
    page = tmp_path / "report.html"
    written = run(settings, "report", "--compliance", "cis", "-o", page, env=login)
    assert written.returncode == 0, written.stderr.decode()
    assert page.is_file()


def test_the_daemon_works_with_the_shipped_role(
    settings: Settings, login: Mapping[str, str], secured_engine: SecuredEngine, tmp_path: Path
) -> None:
    """Ledger, lease, jobs, daemon status and retention, none of them refused."""
    write_trail(tmp_path / "trail", [record(eventTime=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")])
    assert run(settings, "init", env=login).returncode == 0
    # The role sees no other namespaces, which are named where there is nothing in this one: as
    # here, or where the retention has removed all days.
    secured_engine.administer("DELETE", f"/{NAMESPACE}-cloudtrail-*")
    assert printed(run(settings, "status", "--json", env=login).stdout)["events"] == 0
    more = {"TRAILHOUND_RUN__LISTEN": "127.0.0.1:0", "TRAILHOUND_RETENTION__DAYS": "30"}
    process = start(settings, "run", "--watch", tmp_path / "trail", env={**login, **more})
    try:

        def works() -> bool:
            assert process.poll() is None
            daemons = printed(run(settings, "status", "--json", env=login).stdout)["daemons"]
            return any(each["indexed"] == 1 and each["leads"] for each in daemons)

        until(works, "an event indexed by a daemon that leads")
    finally:
        process.terminate()
        _, said = process.communicate(timeout=LONGEST)
    assert process.returncode == 0
    assert b"permission" not in said, said.decode()
    assert b"failed" not in said, said.decode()
    assert PASSWORD.encode() not in said


def test_without_a_role_a_command_says_what_is_missing(
    settings: Settings, login: Mapping[str, str], secured_engine: SecuredEngine, tmp_path: Path
) -> None:
    secured_engine.create_user("stranger", PASSWORD)
    trail = write_trail(tmp_path / "trail", [record()])
    done = run(
        settings, "backfill", trail, env={**login, "TRAILHOUND_CLUSTER__USERNAME": "stranger"}
    )
    said = done.stderr.decode()
    assert done.returncode != 0
    assert "stranger lacks the permission" in said
    assert "Traceback" not in said
    assert PASSWORD not in said


def test_a_refused_login_is_not_ready_and_one_fault(
    settings: Settings, login: Mapping[str, str]
) -> None:
    wrong = {**login, "TRAILHOUND_CLUSTER__PASSWORD": "another"}
    done = run(settings, "status", "--json", env=wrong)
    report = printed(done.stdout)
    assert (done.returncode, report["error"]["kind"]) == (3, "AccessDeniedError")
    assert (report["ready"], report["reasons"][0]["code"]) == (False, "state")
    checked = run(settings, "doctor", "--json", env=wrong)
    findings = printed(checked.stdout)["findings"]
    refused = [each["what"] for each in findings if "refused the login" in each["fact"]]
    assert (checked.returncode, refused) == (3, ["cluster"])
    assert {each["what"]: each["verdict"] for each in findings}["cluster"] == "failed"
