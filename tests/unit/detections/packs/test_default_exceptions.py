"""The exceptions that ship: what they leave out, and how each is switched off."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detections.packs.describe import counted
from detections.packs.loading import load
from detections.packs.pack import Pack
from enrich.enricher import Enricher
from trailhound.cli.main import app
from trailhound.settings import DetectionSettings
from trailhound.settings.detections import OverrideSettings

ROOT = Path(__file__).parents[4]
SIGN_IN = "c38bb2f1-7b97-40c1-9ad8-7a3edc37a1bf"
REFUSED = "8c0eac4c-ae51-4e2a-8863-4320024a53ca"
ISSUER = "arn:aws:iam::111122223333:role/{}AWSReservedSSO_Admin_0a1b"


def sign_in(path: str) -> dict[str, Any]:
    session = {"sessionIssuer": {"type": "Role", "arn": ISSUER.format(path)}}
    return {
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "userIdentity": {"type": "AssumedRole", "sessionContext": session},
        "additionalEventData": {"MFAUsed": "No"},
    }


def refused(identity: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "errorCode": "AccessDenied",
        "userIdentity": identity,
    }


PERMISSION_SET = sign_in("aws-reserved/sso.amazonaws.com/eu-west-1/")
NAMED_LIKE_ONE = sign_in("")
SERVICE = refused({"type": "AWSService", "invokedBy": "cloudtrail.amazonaws.com"})
USER = refused({"type": "IAMUser", "userName": "ada"})


def finds(pack: Pack, rule: str, record: dict[str, Any]) -> bool:
    whole = {"eventTime": "2025-06-03T10:00:00Z", **record}
    matcher = pack.compiled[rule].matcher
    assert matcher is not None
    return matcher.matches({**whole, **Enricher().document_fields(whole)})


def test_they_leave_out_what_they_name_and_no_more() -> None:
    pack = load(DetectionSettings())
    assert not finds(pack, SIGN_IN, PERMISSION_SET)
    assert finds(pack, SIGN_IN, NAMED_LIKE_ONE), "anybody may choose a name"
    assert not finds(pack, REFUSED, SERVICE)
    assert finds(pack, REFUSED, USER)
    assert [(each.default, each.active) for each in pack.exceptions] == [(True, True)] * 2


@pytest.mark.parametrize("name", ["Calls of AWS services", "5F2F6A0F-2D0E-4A43-8F0E-8D0B0C5D7C02"])
def test_each_is_switched_off_alone(name: str) -> None:
    pack = load(DetectionSettings(disabled_exceptions=[name]))
    assert pack.problems == ()
    assert finds(pack, REFUSED, SERVICE)
    assert not finds(pack, SIGN_IN, PERMISSION_SET)


def test_a_name_that_switches_nothing_off_is_reported() -> None:
    pack = load(DetectionSettings(disabled_exceptions=["Calls of AWS service"]))
    (problem,) = pack.problems
    assert "no exception has the id or title 'Calls of AWS service'" in problem.reason
    assert "Calls of AWS services" in problem.hint


def test_rules_list_names_them() -> None:
    off = {"TRAILHOUND_DETECTIONS__DISABLED_EXCEPTIONS": '["Calls of AWS services"]'}
    listed = CliRunner().invoke(app, ["rules", "list", "--json"], env=off)
    states = {each["title"]: each["state"] for each in json.loads(listed.stdout)["exceptions"]}
    assert states == {
        "Calls of AWS services": "off",
        "Console sessions of Identity Center": "on",
    }
    shown = CliRunner().invoke(app, ["rules", "list"]).output
    assert "exception on: Calls of AWS services (shipped, " in shown


def test_rules_are_counted_by_what_they_are_for() -> None:
    first = load(DetectionSettings()).rules[0]
    pack = load(DetectionSettings(overrides={first.id: OverrideSettings(enabled=False)}))
    found = [int(each.replace(",", "")) for each in re.findall(r"[\d,]*\d", counted(pack))]
    assert found[0] == sum(found[1:]) == len(load(DetectionSettings()).rules)
    assert found[3] == 1


def test_no_page_says_how_many_rules_ship() -> None:
    """It would be wrong with the next rule: `rules list` says it."""
    ships = sum(rule.alerts for rule in load(DetectionSettings()).rules)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text("utf-8")
        for least in re.findall(r"more than (\d{3}) Sigma rules", text):
            assert ships > int(least)
        counts = r"(?<!more than )(?:\b\d{3} (?:valid |shipped )?rules\b(?! over)|none of \d)"
        assert re.findall(counts, text) == [], page.name
