"""Known automation: what is learned against brute force, who is known and from when until when,
that queries and matchers agree, and that no shipped rule leaves out what a caller chooses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigma.rule import SigmaRule

from detections.automation.learning import Pattern, known_until, learn, midnight
from detections.automation.observing import AlertDays
from detections.automation.relation import Relation, Trusted, network_of
from detections.automation.trusting import TrustingRules, asks, trusting
from detections.backend.clause import leaves
from detections.backend.compiler import MOST_CLAUSES, compile_rule
from detections.compiled import KNOWN_AUTOMATION, Compiled, Query
from detections.events.identity import ISSUER, ISSUER_NAME
from detections.matcher import SigmaMatcher
from detections.packs.chosen import admitting, chosen_tests, silencing
from detections.packs.loading import SHIPPED, load_paths
from trailhound.errors import RuleError
from trailhound.settings import DetectionSettings
from trailhound.settings.detections import KnownAutomationSettings
from trailhound.state.known_automation import KnownAutomation

START = date(2025, 3, 1)
ROLE = "arn:aws:iam::111122223333:role/ci/deploy"
PATTERN = Pattern(
    rule_id="r",
    account="111122223333",
    role=ROLE,
    role_id="AROA1",
    source="events.amazonaws.com",
    call="PutRule",
    network="10.0.0.0/24",
)
CHOSEN = KnownAutomationSettings(days=3, within_days=8, expires_days=4)
DAYS = st.sets(st.integers(0, 30).map(lambda number: START + timedelta(days=number)))
TODAY = st.integers(0, 40).map(lambda number: START + timedelta(days=number))


def compiled(*, negated: bool = True) -> Compiled:
    condition = "call and not known" if negated else "call and known"
    return compile_rule(
        SigmaRule.from_dict(
            {
                "title": "r",
                "logsource": {"product": "aws", "service": "cloudtrail"},
                "detection": {
                    "call": {"eventName": "PutRule"},
                    "known": {"history.known_automation": "true"},
                    "condition": condition,
                },
            }
        )
    )


def event(**changed: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "@timestamp": "2025-03-20T10:00:00.000Z",
        "eventSource": "events.amazonaws.com",
        "eventName": "PutRule",
        "recipientAccountId": "111122223333",
        "source": {"ip": "10.0.0.77"},
        "userIdentity": {
            "type": "AssumedRole",
            "sessionContext": {"sessionIssuer": {"arn": ROLE, "principalId": "AROA1"}},
        },
    }
    return made | changed


TRUSTED = Trusted(
    role=ROLE,
    call="PutRule",
    network="10.0.0.0/24",
    rule_id="r",
    account="111122223333",
    role_id="AROA1",
    source="events.amazonaws.com",
    since=datetime(2025, 3, 20, tzinfo=UTC),
    until=datetime(2025, 3, 21, tzinfo=UTC),
)


@given(DAYS, TODAY)
def test_a_day_is_judged_by_the_days_before_it(days: set[date], today: date) -> None:
    before = {day for day in days if day < today}
    counted = [day for day in sorted(before) if (today - day).days <= CHOSEN.within_days]
    is_known = len(counted) >= CHOSEN.days and (today - counted[-1]).days <= CHOSEN.expires_days
    end = known_until(days, today, CHOSEN)
    assert (end is not None) == is_known
    assert end == known_until(before, today, CHOSEN)  # what follows teaches nothing
    if end is not None:
        assert end == counted[-1] + timedelta(days=CHOSEN.expires_days + 1)


@given(DAYS, DAYS, st.none() | TODAY)
def test_entries_learned_day_by_day_hold_on_the_days_that_brute_force_says(
    days: set[date], alerts: set[date], forgotten: date | None
) -> None:
    """Each day is learned on as the daemon does it, then all entries are asked about each day."""
    entries: dict[str, KnownAutomation] = {}
    for number in range(45):
        today = START + timedelta(days=number)
        done = learn({PATTERN: days - alerts}, entries.values(), today, CHOSEN, {"r": "Rule"})
        entries |= {each.key: each for each in (*done.new, *done.kept, *done.ended)}
        if today == forgotten:
            entries |= {
                each.key: _forgotten(each, midnight(today) + timedelta(hours=5))
                for each in entries.values()
            }
        counted = {day for day in days - alerts if day < today}
        if forgotten is not None and today > forgotten and _was_known(days - alerts, forgotten):
            counted = {day for day in counted if day > forgotten}
        noon = midnight(today) + timedelta(hours=12)
        expected = known_until(counted, today, CHOSEN) is not None
        if today == forgotten:
            expected = False
        assert any(each.holds(noon) for each in entries.values()) == expected


def _was_known(days: set[date], at: date) -> bool:
    """Whether there is an entry to forget: one of that day, or of a day before."""
    return any(
        known_until(days, START + timedelta(days=number), CHOSEN) is not None
        for number in range((at - START).days + 1)
    )


def _forgotten(entry: KnownAutomation, when: datetime) -> KnownAutomation:
    until = max(entry.since, min(entry.until, when))
    return msgspec.structs.replace(entry, until=until, forgotten=when)


OTHERS = {
    "another call": event(eventName="DeleteRule"),
    "another service": event(eventSource="scheduler.amazonaws.com"),
    "another account": event(recipientAccountId="444455556666"),
    "another network": event(source={"ip": "10.0.1.77"}),
    "no address": event(source={}),
    "through an endpoint": event(vpcEndpointId="vpce-1"),
    "before it was known": event(**{"@timestamp": "2025-03-19T23:59:59.999Z"}),
    "when it has ended": event(**{"@timestamp": "2025-03-21T00:00:00.000Z"}),
    "another role": event(
        userIdentity={
            "sessionContext": {"sessionIssuer": {"arn": f"{ROLE}2", "principalId": "AROA1"}}
        }
    ),
    "a role made again under its name": event(
        userIdentity={"sessionContext": {"sessionIssuer": {"arn": ROLE, "principalId": "AROA2"}}}
    ),
    "a user": event(userIdentity={"type": "IAMUser", "arn": ROLE}),
}


def test_role_call_and_network_are_needed_all_three() -> None:
    relation = Relation([TRUSTED])
    assert relation.knows("r", event())
    assert not relation.knows("another rule", event())
    assert [name for name, other in OTHERS.items() if relation.knows("r", other)] == []


def test_behind_an_endpoint_the_endpoint_is_needed_too() -> None:
    relation = Relation([replace(TRUSTED, endpoint="vpce-1")])
    assert relation.knows("r", event(vpcEndpointId="vpce-1"))
    assert not relation.knows("r", event(vpcEndpointId="vpce-2"))
    assert not relation.knows("r", event())


def test_without_a_history_nothing_is_known_whatever_a_record_says() -> None:
    forged = event(history={"known_automation": True}, **{"history.known_automation": "true"})
    rule = compiled()
    assert rule.matcher is not None
    assert rule.matcher.matches(forged)
    assert rule.post_filter is None
    assert _has(rule, KNOWN_AUTOMATION)


def test_a_rule_is_asked_under_the_relation_that_is_used() -> None:
    rules = TrustingRules({"r": compiled(), "s": compile_rule(_plain())})
    assert list(rules.asking) == ["r"]
    rules.use(Relation([TRUSTED]))
    made = rules["r"]
    assert made.matcher is not None
    assert not made.matcher.matches(event())
    assert made.matcher.matches(OTHERS["another network"])
    assert made.post_filter is None  # the query is exact
    assert not _has(made, KNOWN_AUTOMATION)
    assert _has(made, {"term": {"source.ip": "10.0.0.0/24"}})
    rules.use(Relation())
    assert _has(rules["r"], KNOWN_AUTOMATION)


def _has(rule: Compiled, clause: Query) -> bool:
    return json.dumps(clause) in json.dumps(rule.query)


def _plain() -> SigmaRule:
    return SigmaRule.from_dict(
        {
            "title": "s",
            "logsource": {"product": "aws", "service": "cloudtrail"},
            "detection": {"call": {"eventName": "PutRule"}, "condition": "call"},
        }
    )


@pytest.mark.parametrize("negated", [True, False])
def test_what_is_too_much_for_a_query_is_decided_by_the_matcher(negated: bool) -> None:
    many = Relation([replace(TRUSTED, network=f"10.{number}.0.0/16") for number in range(250)])
    made = trusting(compiled(negated=negated), "r", many)
    assert leaves(made.query) <= MOST_CLAUSES
    assert made.post_filter is made.matcher is not None
    assert made.matches(event()) is not negated


def test_entries_of_other_calls_cost_a_rule_nothing() -> None:
    rule = compiled()
    assert trusting(rule, "r", Relation([replace(TRUSTED, call="DeleteRule")])) is rule


def test_days_of_alerts_count_against_the_role_and_call_that_they_name() -> None:
    alerts = AlertDays(against=True)
    session = "arn:aws:sts::111122223333:assumed-role/deploy/ci"
    span = {"first_seen": "2025-03-01T23:00:00.000Z", "last_seen": "2025-03-03T01:00:00.000Z"}
    alerts.add({**span, "entity": {"arn": [session]}, "calls": [{"name": "PutRule"}]})
    assert alerts.of(PATTERN) == {START + timedelta(days=number) for number in range(3)}
    assert not alerts.of(PATTERN._replace(call="DeleteRule"))
    assert not alerts.of(PATTERN._replace(role="arn:aws:iam::111122223333:role/other"))
    assert not alerts.of(PATTERN._replace(role="arn:aws:iam::444455556666:role/deploy"))
    alerts.add({**span, "entity": {"arn": [session] * 100}, "calls": [{"name": "DeleteRule"}]})
    assert alerts.of(PATTERN._replace(call="DeleteRule", role="arn:aws:iam::1:role/other"))


def test_an_alert_with_more_than_it_names_tells_for_nobody_else() -> None:
    """Somebody closed it as benign: that says nothing of who is not named there."""
    alerts = AlertDays(against=False)
    sessions = [f"arn:aws:sts::111122223333:assumed-role/role-{each}/ci" for each in range(100)]
    calls = [{"name": f"Call{number}"} for number in range(100)]
    span = {"first_seen": "2025-03-01T23:00:00.000Z", "last_seen": "2025-03-03T01:00:00.000Z"}
    alerts.add({**span, "entity": {"arn": sessions}, "calls": calls})
    assert not alerts.of(PATTERN)
    named = PATTERN._replace(role="arn:aws:iam::111122223333:role/role-7", call="Call7")
    assert len(alerts.of(named)) == 3
    alerts.add({**span, "entity": {"arn": sessions}})
    assert not alerts.of(PATTERN._replace(role=named.role))


@pytest.mark.parametrize("value", ["yes", "1", "null", ["true", "false"]])
def test_the_field_is_true_or_false(value: Any) -> None:
    with pytest.raises(RuleError):
        SigmaMatcher.from_detection({"known": {"history.known_automation": value}})


def test_networks_are_by_prefix_and_services_have_none() -> None:
    assert network_of("cloudformation.amazonaws.com", 24, 48) == ""
    assert network_of("203.0.113.200", 16, 48) == "203.0.0.0/16"


SILENT = [
    {"code": {"user_agent.kind": "iac"}},
    {"code": {"userAgent|contains": "Terraform"}},
    {"code": [{"userIdentity.invokedBy|exists": "true"}, {"user_agent.kind": "iac"}]},
    {"code": {"userIdentity.sessionContext.sessionIssuer.userName|contains": "deploy"}},
    {"code": {"userIdentity.arn|endswith": "/ci"}},
    {"code": {"userIdentity.arn|re": ":assumed-role/deploy/"}},
    {"code": {"userIdentity.arn|fieldref|lastpart": "requestParameters.userName"}},
    {"code": {f"{ISSUER_NAME}": "AWSServiceRoleForSSO"}},
    {"code": {"userIdentity.arn|contains": "AWSServiceRoleForConfig"}},
    # A path may hold what looks like the end of the account: role/x:role/aws-reserved/…
    {"code": {f"{ISSUER}|contains": ":role/aws-reserved/"}},
    {"code": {f"{ISSUER}": "arn:aws:iam::*:role/aws-service-role/*"}},
    {"code": {f"{ISSUER}|re": "^arn:aws:iam::.*:role/aws-service-role/"}},
    {"code": {f"{ISSUER}|re": "^arn:aws:iam::[0-9]{12}:role/aws-service-role/|deploy"}},
]
SOUND = [
    {"code": {"userIdentity.invokedBy": "cloudformation.amazonaws.com"}},
    {"code": {"user_agent.kind": "iac", "history.known_automation": "true"}},
    {"code": {"userIdentity.arn": "arn:aws:sts::111122223333:assumed-role/deploy/ci"}},
    {"code": {"userIdentity.arn|startswith": "arn:aws:sts::111122223333:assumed-role/deploy/"}},
    {"code": {f"{ISSUER}|startswith": "arn:aws:iam::111122223333:role/aws-reserved/"}},
    {"code": {f"{ISSUER}": "arn:aws:iam::????????????:role/aws-service-role/*"}},
    {
        "code": {
            f"{ISSUER}|re": "^arn:[^:]+:iam::[^:]*:role/aws-service-role/sso\\.amazonaws\\.com/"
        }
    },
    {"code": {"userIdentity.principalId|startswith": "AROADBQP57FF2AEXAMPLE:"}},
]


@pytest.mark.parametrize(
    ("code", "silent"), [*((s, True) for s in SILENT), *((s, False) for s in SOUND)]
)
def test_a_filter_by_what_a_caller_chooses_alone_is_named(
    code: dict[str, Any], silent: bool
) -> None:
    rule = {"call": {"eventName": "PutRule"}, **code, "condition": "call and not code"}
    assert bool(silencing(SigmaMatcher.from_detection(rule).root)) is silent


CHOSEN_BESIDE = {
    "Call made by an attack or scanning tool": "user_agent.name",  # another rule has that tool
    # Each of these takes something beside that AWS alone writes: a role of Identity Center, whose
    # sessions AWS names after people, or how an instance got its credentials.
    "Console sign-in link made from API credentials": "userAgent",
    "A session of a role changes a user’s console password": "userIdentity.arn",
    "Command run or session opened on an instance": "userIdentity.arn",
}


def test_no_shipped_rule_leaves_out_what_a_caller_chooses() -> None:
    """Neither alone nor beside something else, but for what is listed with its reason."""
    pack = load_paths([SHIPPED], DetectionSettings())
    titles = {rule.id: rule.title for rule in pack.rules}
    made = [(titles[name], each.matcher) for name, each in pack.compiled.items() if each.matcher]
    alone = {title for title, matcher in made if silencing(matcher.root)}
    assert alone == {"Call made by an attack or scanning tool"}
    beside = {title: each.field for title, has in made for each in chosen_tests(has.root)}
    assert beside == CHOSEN_BESIDE
    assert sum(map(asks, pack.compiled.values())) > 60


FILTERS = [
    ({"userIdentity.arn|contains": "AWSServiceRoleForConfig"}, True),
    ({f"{ISSUER}|contains": "/aws-service-role/"}, True),
    ({"userAgent|contains": "Terraform"}, True),
    ({f"{ISSUER}|startswith": "arn:aws:iam::111122223333:role/aws-service-role/"}, False),
    ({"userIdentity.arn|endswith": "/recorder", f"{ISSUER}": f"{ROLE}"}, False),
    ({"userIdentity.invokedBy": "config.amazonaws.com", "userAgent": "config*"}, False),
    ({"eventSource": "kms.amazonaws.com"}, False),
]


@pytest.mark.parametrize(("who", "named"), FILTERS)
def test_a_filter_that_takes_an_event_for_somebody_elses_is_named(
    who: dict[str, Any], named: bool
) -> None:
    block = {"reads": {"eventName|startswith": ["Get", "List"]}, "who": who}
    failed = {"failed": {"errorCode|exists": "true"}, "condition": "reads and who and not failed"}
    assert bool(admitting(SigmaMatcher.from_detection({**block, **failed}).root)) is named


def test_own_rules_that_do_are_named_and_run(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(
        "title: Own\nid: 2f0f1b52-6f0e-4d5c-9a31-5d1f7b1c0a11\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection:\n  call: {eventName: PutRule}\n  code: {user_agent.kind: iac}\n"
        "  condition: call and not code\n"
    )
    pack = load_paths([rule], DetectionSettings())
    (fault,) = pack.faults
    assert (fault.what, fault.stops) == ("note", False)
    assert "user_agent.kind" in fault.reason
    (matcher,) = (each.matcher for each in pack.compiled.values())
    assert matcher is not None
    assert not matcher.matches(event(user_agent={"kind": "iac"}))
