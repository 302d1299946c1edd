"""A report on a real engine: every figure against plain counting over the same documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts.burst import Fact, burst_of
from detections.alerts.document import counting, levelled, raised
from detections.finding import Finding
from detections.packs.loading import load
from detections.rule import Attack, FilePosition, Rule
from tests.helpers.engines import remove_documents
from tests.helpers.namespaces import own_namespace
from tests.helpers.reports import HOSTILE
from tests.helpers.trails import backfill, documents, own_settings, prepared, record, write_trail
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.errors import NoEventsIndexError, ReportError, RequestFailedError, UsageError
from trailhound.report.collect import query
from trailhound.report.collect.compose import compose
from trailhound.report.collect.query import ReportWindow
from trailhound.report.render.page import as_html
from trailhound.report.value import Ranking, Report
from trailhound.sample import SampleSpec, write_sample
from trailhound.settings import DetectionSettings, Settings
from trailhound.settings.detections import OverrideSettings
from trailhound.state.rule_checkpoints import RuleCheckpoint

ROOT = Path(__file__).parents[2]
NOW = datetime(2025, 3, 20, tzinfo=UTC)
OWN_ACCOUNT = "111122223333"
NO_DATA = "No data events of objects, items or functions"
TEXT = HOSTILE.replace("\x00", "").replace("\ud800", "")
"""What a JSON file can hold of it, and an index keep as it is."""


@dataclass(frozen=True, slots=True)
class Trail:
    settings: Settings
    client: OpenSearch
    events: dict[str, dict[str, Any]]


def hand_made() -> list[dict[str, Any]]:
    """A hostile user, root, a sign-in without MFA, a stopped trail, a group open to the world."""
    at = "2025-03-12T10:00:0{}Z"
    who = {"type": "IAMUser", "arn": f"arn:aws:iam::1:user/{TEXT}", "userName": TEXT}
    login = {"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin"}
    opened = {"ipPermissions": {"items": [{"ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}}
    return [
        record(
            eventTime=at.format(0),
            userIdentity=who,
            userAgent=TEXT,
            errorCode=TEXT,
            eventName=TEXT,
            requestParameters={"userName": TEXT, "bucketName": TEXT},
        ),
        record(
            eventTime=at.format(1),
            userIdentity={"type": "Root", "arn": f"arn:aws:iam::{OWN_ACCOUNT}:root"},
            eventName="CreateAccessKey",
        ),
        record(
            eventTime=at.format(2),
            responseElements={"ConsoleLogin": "Success"},
            additionalEventData={"MFAUsed": "No"},
            **login,
        ),
        record(
            eventTime=at.format(3), eventSource="cloudtrail.amazonaws.com", eventName="StopLogging"
        ),
        record(
            eventTime=at.format(4),
            eventSource="ec2.amazonaws.com",
            eventName="AuthorizeSecurityGroupIngress",
            requestParameters=opened,
        ),
    ]


@pytest.fixture(scope="module")
def trail(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    folder = tmp_path_factory.mktemp("report")
    with own_namespace(engine, folder / "home") as settings:
        client = connect(settings)
        spec = SampleSpec(events=1_500, seed=3, days=2, events_per_file=200)
        write_sample(folder / "trail", spec)
        write_trail(folder / "own", [*hand_made(), record(eventTime="never")])
        backfill(settings, folder / "trail", folder / "own")
        client.indices.refresh(index=f"{settings.prefix}*")
        yield Trail(settings, client, documents(client, settings))


@pytest.fixture(scope="module")
def report(trail: Trail) -> Report:
    frameworks = ("cis", "pci", "soc2", "nist")
    return compose(trail.client, trail.settings, ReportWindow(), frameworks=frameworks, now=NOW)


def field(source: dict[str, Any], path: str) -> Any:
    value: Any = source
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def counted(events: dict[str, dict[str, Any]], path: str) -> Counter[str]:
    return Counter(str(value) for each in events.values() if (value := field(each, path)))


RANKINGS = {
    "principals": "user.name",
    "addresses": "source.ip",
    "countries": "geolocation.country",
}


def check(found: Ranking, events: dict[str, dict[str, Any]], path: str) -> None:
    """Values, counts, their order, and what is told beside, by plain counting."""
    counts = counted(events, path)
    assert found.distinct == len(counts)
    assert found.events == sum(counts.values())
    expected = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:15]
    assert [(row.value, row.events) for row in found.rows] == expected
    for row in found.rows:
        of = [each for each in events.values() if str(field(each, path)) == row.value]
        assert row.failed == sum(field(each, "event.outcome") == "failure" for each in of)
        assert row.high_risk == sum(each["risk_score"] >= 8 for each in of)
        assert row.last == max(datetime.fromisoformat(each["@timestamp"]) for each in of)


def test_every_figure_is_what_counting_gives(trail: Trail, report: Report) -> None:
    events = trail.events
    totals = report.totals
    assert totals.events == len(events) == 1_505
    assert totals.failed == sum(
        field(each, "event.outcome") == "failure" for each in events.values()
    )
    assert totals.high_risk == sum(each["risk_score"] >= 8 for each in events.values())
    assert totals.accounts == len(counted(events, "recipientAccountId"))
    assert totals.regions == len(counted(events, "awsRegion"))
    for name, path in RANKINGS.items():
        check(getattr(report, name), events, path)
        assert getattr(totals, name, 0) in (0, getattr(report, name).distinct)
    failed = {
        key: each for key, each in events.items() if field(each, "event.outcome") == "failure"
    }
    check(report.errors, failed, "errorCode")
    scores = Counter(each["risk_score"] for each in events.values())
    assert {bar.score: bar.events for bar in report.risk if bar.events} == scores
    slots = report.timeline.slots
    assert sum(slot.success + slot.failure + slot.other for slot in slots) == len(events)
    assert sum(slot.failure for slot in slots) == totals.failed
    wide = timedelta(seconds=report.timeline.seconds)
    assert all(after.start - before.start == wide for before, after in pairwise(slots))
    by_country = counted(events, "geolocation.country")
    assert {spot.country: spot.events for spot in report.spots} == by_country
    outside = sum("external_address" in each.get("risk_reasons", ()) for each in events.values())
    unknown = outside - sum(by_country.values())
    assert (report.places.mapped, report.places.unknown) == (sum(by_country.values()), unknown)
    assert report.places.inside == len(events) - outside
    assert [event.risk for event in report.riskiest] == sorted(
        (each["risk_score"] for each in events.values()), reverse=True
    )[: len(report.riskiest)]


def test_more_values_than_a_request_holds_are_counted_as_well(
    trail: Trail, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "PAGE", 7)
    small = compose(trail.client, trail.settings, ReportWindow(), now=NOW)
    for name in (*RANKINGS, "errors"):
        assert getattr(small, name) == getattr(report, name)
    assert small.totals == report.totals


def test_a_window_and_accounts_narrow_everything(trail: Trail) -> None:
    since, until = datetime(2025, 3, 4, tzinfo=UTC), datetime(2025, 3, 5, tzinfo=UTC)
    (account, _), *_ = counted(trail.events, "recipientAccountId").most_common()
    window = ReportWindow(since, until, (account,))
    found = compose(trail.client, trail.settings, window, now=NOW)
    inside = {
        name: each
        for name, each in trail.events.items()
        if since <= datetime.fromisoformat(each["@timestamp"]) < until
        and each["recipientAccountId"] == account
    }
    assert 0 < found.totals.events == len(inside) < len(trail.events)
    assert found.totals.accounts == 1
    check(found.principals, inside, "user.name")
    assert (found.scope.since, found.scope.until) == (since, until)
    assert found.timeline.slots[0].start == since
    with pytest.raises(UsageError):
        ReportWindow(until, since)


def test_a_time_without_events_is_a_report_that_says_so(trail: Trail) -> None:
    window = ReportWindow(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    found = compose(trail.client, trail.settings, window, frameworks=["cis"], now=NOW)
    assert found.totals.events == 0
    assert "Dead letters" in {gap.title for gap in found.gaps}  # of all times: still said
    assert "There are no events" in found.story[0]
    assert {control.verdict for control in found.compliance[0].controls} == {"none"}
    assert "There are no events" in as_html(found)


def test_facts_that_a_reader_asks_for_are_told(report: Report) -> None:
    story = " ".join(report.story)
    assert "Root made" in story
    assert "no MFA recorded" in story
    assert "to stop, delete or reconfigure a trail" in story
    assert "Nothing was verified" in story
    assert "There is no alert for this time" in story


def test_when_rules_last_ran_is_reported(trail: Trail) -> None:
    ran = datetime(2025, 3, 19, 12, tzinfo=UTC)
    index = templates.Names(trail.settings.prefix).ledger
    for name, failures in (("a", 0), ("b", 2)):
        mark = RuleCheckpoint(
            name, f"Rule {name}", ran, ran - timedelta(hours=failures), failures=failures
        )
        trail.client.index(index=index, id=f"mark-{name}", body=mark.as_dict() | {"state": "mark"})
    try:
        found = compose(trail.client, trail.settings, ReportWindow(), now=NOW)
    finally:
        for name in ("a", "b"):
            trail.client.delete(index=index, id=f"mark-{name}", params={"refresh": "true"})
    assert found.findings.watched == ran
    assert "Rules last ran on schedule on 19 March 2025, 12:00 UTC" in " ".join(found.story)
    (failing,) = [gap for gap in found.gaps if gap.title == "Rules that fail"]
    assert "1 rule failed when last run on schedule: Rule b" in failing.detail


def test_gaps_are_found(report: Report) -> None:
    titles = {gap.title for gap in report.gaps}
    assert {"No alerts", "No rules", "Days without events", "Dead letters"} <= titles
    (days,) = [gap for gap in report.gaps if gap.title == "Days without events"]
    assert "2025-03-08" in days.detail
    (letters,) = [gap for gap in report.gaps if gap.title == "Dead letters"]
    assert letters.detail.startswith("1 record ")
    important = [gap.important for gap in report.gaps]
    assert important == sorted(important, reverse=True)


def test_controls_count_what_is_there(trail: Trail, report: Report) -> None:
    proofs = {
        (framework.framework, control.id, proof.what): proof.events
        for framework in report.compliance
        for control in framework.controls
        for proof in control.proofs
    }
    events = trail.events.values()
    root = sum(field(each, "userIdentity.type") == "Root" for each in events)
    assert proofs["cis", "1.7", "calls by root"] == root >= 1
    assert proofs["nist", "AU-3", "events that name the caller"] == sum(
        bool(field(each, "user.name")) for each in events
    )
    assert proofs["cis", "1.4", "access keys that root created for itself"] == 1
    assert proofs["cis", "5.2, 5.3", "security groups opened to every address"] >= 1
    no_mfa = [
        each
        for each in events
        if each["eventName"] == "ConsoleLogin"
        and field(each, "event.outcome") == "success"
        and field(each, "additionalEventData.MFAUsed") == "No"
    ]
    assert proofs["cis", "4.2", "console sign-ins without MFA"] == len(no_mfa) >= 1
    assert proofs["pci", "10.4.1", "alerts raised"] == 0


def test_records_left_out_are_counted_by_object_alone(trail: Trail, report: Report) -> None:
    """A daemon keeps counts of its own of the same records, in the same index."""
    index = templates.Names(trail.settings.prefix).ledger
    entries = {
        "test-object": {"uri": "s3://b/k", "state": "done", "filtered": 596},
        "test-daemon": {"state": "daemon", "filtered": 596},
    }
    for name, body in entries.items():
        trail.client.index(index=index, id=name, body=body, params={"refresh": "true"})
    try:
        found = compose(trail.client, trail.settings, ReportWindow(), now=NOW)
    finally:
        for name in ("test-object", "test-daemon"):
            trail.client.delete(index=index, id=name, params={"refresh": "true"})
    (gap,) = [gap for gap in found.gaps if gap.title == "Filtered records"]
    assert gap.detail.startswith("596 records")
    assert "Filtered records" not in {each.title for each in report.gaps}


def test_what_settings_keep_rules_from_reporting_is_named(trail: Trail, tmp_path: Path) -> None:
    pack = {rule.title: rule.id for rule in load(DetectionSettings()).rules}
    changes = "CloudTrailChanges, each event"
    (tmp_path / "ours.yml").write_text(
        "title: ours\nlogsource: {product: aws, service: cloudtrail}\n"
        f"filter: {{rules: [{pack[changes]}], ours: {{eventName: StopLogging}}, "
        "condition: not ours}\n"
    )
    chosen = DetectionSettings(
        exceptions=[tmp_path / "ours.yml"],
        overrides={pack["RootAccountUsage"]: OverrideSettings(enabled=False)},
    )
    settings = trail.settings.model_copy(update={"detections": chosen})
    found = compose(trail.client, settings, ReportWindow(), now=NOW)
    gaps = {gap.title: gap.detail for gap in found.gaps}
    stopped = sum(each["eventName"] == "StopLogging" for each in trail.events.values())
    events = "1 event" if stopped == 1 else f"{stopped} events"
    assert gaps["Events left out by exceptions"] == f"{changes}: {events}."
    assert gaps["Rules that are switched off"].startswith("1 rule is disabled by")
    assert "RootAccountUsage." in gaps["Rules that are switched off"]


def test_accounts_that_are_nowhere_are_named_with_those_there_are(
    trail: Trail,
) -> None:
    window = ReportWindow(accounts=("999999999999",))
    found = compose(trail.client, trail.settings, window, now=NOW)
    (gap,) = [gap for gap in found.gaps if gap.title == "Accounts that are not in the index"]
    assert "999999999999" in gap.detail
    assert OWN_ACCOUNT in gap.detail


def test_secrets_that_are_read_are_no_data_events(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """The sentence on what is not recorded must not contradict the text beside it."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    secret = record(eventSource="secretsmanager.amazonaws.com", eventName="GetSecretValue")
    write_trail(tmp_path / "trail", [secret])
    backfill(settings, tmp_path / "trail")
    titles = {
        gap.title: gap.detail for gap in compose(client, settings, ReportWindow(), now=NOW).gaps
    }
    assert "and there is 1: GetSecretValue (1)" in titles[NO_DATA]
    # An old record that does not say what it is.
    read = record(eventSource="s3.amazonaws.com", eventName="GetObject", eventVersion="1.05")
    for name in ("eventCategory", "managementEvent"):
        read.pop(name, None)
    write_trail(tmp_path / "more", [read])
    backfill(settings, tmp_path / "more")
    found = compose(client, settings, ReportWindow(), frameworks=["cis"], now=NOW)
    assert NO_DATA not in {gap.title for gap in found.gaps}


def test_requests_that_the_trail_left_out_are_a_gap(
    each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    omitted = {
        "reason": "requestParameters too large",
        "omitted": True,
        "originalSize": 102401,
    }
    padded = record(eventName="UpdateAssumeRolePolicy", requestParameters=omitted)
    write_trail(tmp_path / "trail", [padded, record(requestParameters={"omitted": "no"})])
    backfill(settings, tmp_path / "trail")
    gaps = compose(client, settings, ReportWindow(), now=NOW).gaps
    (gap,) = [each for each in gaps if each.title == "Requests that the trail left out"]
    assert gap.important
    assert gap.detail.startswith("1 event had a request of more than 100 KB")


def test_codes_of_calls_that_succeeded_are_no_errors(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    codes = ["200", 200, "", "Success", None, 403, "403", "AccessDenied"]
    write_trail(tmp_path / "trail", [record(errorCode=code) for code in codes])
    backfill(settings, tmp_path / "trail")
    found = compose(client, settings, ReportWindow(), now=NOW)
    assert {row.value: row.events for row in found.errors.rows} == {"403": 2, "AccessDenied": 1}
    assert found.totals.failed == 3


def test_hostile_text_of_events_stays_text(trail: Trail) -> None:
    window = ReportWindow(datetime(2025, 3, 12, tzinfo=UTC), datetime(2025, 3, 13, tzinfo=UTC))
    found = compose(trail.client, trail.settings, window, now=NOW)
    assert any(event.agent == event.call == event.principal == TEXT for event in found.riskiest)
    assert TEXT in {row.value for row in found.errors.rows}
    page = as_html(found)
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page


RULE = Rule(
    id="r-1",
    title=TEXT,
    kind="sigma",
    level="critical",
    definition=None,
    place=FilePosition(Path("r.yml")),
    severity=10,
    description="What it means.",
    attack=Attack(("persistence", "defense-evasion"), ("T1098.001", "T1562.008")),
    response=("Disable the key.",),
)


def raise_alert(trail: Trail, rule: Rule, events: list[str], count: int = 0, **more: Any) -> None:
    """An alert as the recorder would write it."""
    facts = {
        name: Fact(
            datetime.fromisoformat(trail.events[name]["@timestamp"]),
            {"principal": frozenset({field(trail.events[name], "user.name")})},
        )
        for name in events
        if name in trail.events
    }
    times = [fact.time for fact in facts.values()]
    finding = Finding(
        rule.id, tuple(events), count or len(events), min(times), max(times), (), "In a sentence."
    )
    document = raised(rule, (), "key", NOW) | counting(burst_of(finding, facts), "", "")
    document = levelled(document, rule, NOW) | more
    index = templates.Names(trail.settings.prefix).alerts
    trail.client.index(index=index, body=document, params={"refresh": "true"})


@pytest.fixture
def alerts(trail: Trail) -> Iterator[list[str]]:
    """Nine alerts: six critical ones, one medium and closed, one low (of a severity of its rule's
    own), one that another took in."""
    names = sorted(trail.events, key=lambda name: trail.events[name]["@timestamp"])
    for number in range(6):
        rule = Rule(
            **{
                name: getattr(RULE, name)
                for name in RULE.__dataclass_fields__
                if name not in ("id", "severity")
            },
            id=f"r-{number}",
            severity=10 - number % 3,
        )
        raise_alert(trail, rule, names[number * 10 : number * 10 + 5 + number])
    low = Rule("r-l", "low", "sigma", "low", None, FilePosition(Path("l.yml")), severity=6)
    medium = Rule("r-m", "medium", "sigma", "medium", None, FilePosition(Path("m.yml")), severity=5)
    raise_alert(trail, medium, [names[0], "gone"], state="closed")
    raise_alert(trail, low, names[-3:], count=500)
    raise_alert(trail, low, names[:2], merged_into="other")
    yield names
    index = templates.Names(trail.settings.prefix).alerts
    remove_documents(trail.client, index)


def test_findings_are_the_most_severe_of_each_band(trail: Trail, alerts: list[str]) -> None:
    rules = [
        RULE,
        Rule("u", "unused", "sigma", "low", None, FilePosition(Path("u.yml")), alerts=False),
    ]
    found = compose(trail.client, trail.settings, ReportWindow(), rules=rules, now=NOW)
    assert (found.findings.total, found.findings.open) == (8, 7)
    high, medium, low = found.findings.bands
    assert [band.total for band in (high, medium, low)] == [6, 1, 1]
    assert [(each.severity, each.count) for each in high.top] == [
        (10, 8),
        (10, 5),
        (9, 9),
        (9, 6),
        (8, 10),
    ]
    first = high.top[0]
    assert [event.id for event in first.evidence] == alerts[30:38]
    assert first.title == TEXT
    assert first.response == ("Disable the key.",)
    assert first.detail == "In a sentence."
    assert (medium.top[0].state, medium.top[0].held, medium.top[0].missing) == ("closed", 2, 1)
    assert low.top[0].count == 500
    slots = found.timeline.slots
    assert sum(slot.high for slot in slots) == 6
    assert sum(slot.medium for slot in slots) == sum(slot.low for slot in slots) == 1
    assert (found.coverage.rules, found.coverage.fired) == (1, 1)
    tactics = {tactic.id: tactic for tactic in found.coverage.tactics}
    assert (tactics["persistence"].rules, tactics["persistence"].alerts) == (1, 6)
    assert [each.id for each in tactics["persistence"].techniques] == ["T1098.001"]
    assert [each.id for each in tactics["defense-evasion"].techniques] == ["T1562.008"]
    assert tactics["impact"].rules == 0
    assert found.findings.critical == 6
    raised = "The detections raised 8 alerts: 6 high (6 of them critical), 1 medium and 1 low"
    assert raised in " ".join(found.story)
    assert "No alerts" not in {gap.title for gap in found.gaps}
    principals = {field(trail.events[name], "user.name") for name in alerts}
    named = {node.label for node in found.graph.nodes if node.lane == 0 and not node.folded}
    assert named <= principals
    assert sum(event.failed for event in found.graph.edges) <= sum(
        event.events for event in found.graph.edges
    )
    as_html(found)


def test_every_alert_is_in_the_report(
    trail: Trail, alerts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond one page of a search as well; open ones first, and none that another took in."""
    monkeypatch.setattr("detections.alerts.paging.PAGE", 3)
    found = compose(trail.client, trail.settings, ReportWindow(), rules=[RULE], now=NOW)
    listed = [(each.severity, each.state, each.count) for each in found.findings.all]
    assert listed == [
        (10, "open", 8),
        (10, "open", 5),
        (9, "open", 9),
        (9, "open", 6),
        (8, "open", 10),
        (8, "open", 7),
        (6, "open", 500),
        (5, "closed", 2),
    ]
    assert [(band.total, band.open) for band in found.findings.bands] == [(6, 6), (1, 0), (1, 1)]
    page = as_html(found)
    assert all(each.id in page for each in found.findings.all)


def test_an_account_is_that_of_the_event_or_of_its_folder(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """Of alerts as well, which name the event's own account alone."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    folder, own, other = "111111111111", "222222222222", "333333333333"
    for place, account in ((folder, own), (other, other)):
        trail = tmp_path / "AWSLogs" / place / "CloudTrail" / "eu-west-1" / "2025" / "03" / "01"
        name = f"{place}_CloudTrail_eu-west-1_20250301T1200Z_{account}"
        write_trail(trail, [record(recipientAccountId=account, awsRegion=place)], name=name)
    backfill(settings, tmp_path)
    client.indices.refresh(index=f"{namespace}-*")
    trail_of = Trail(settings, client, documents(client, settings))
    for event, source in trail_of.events.items():
        account = source["recipientAccountId"]
        entity = {"account": [account], "principal": [account]}
        raise_alert(trail_of, replace(RULE, id=account), [event], entity=entity)
    for account, alerts in ((own, [own]), (folder, [own]), (other, [other]), ("4" * 12, [])):
        found = compose(client, settings, ReportWindow(accounts=(account,)), now=NOW)
        assert [row.rule for row in found.findings.all] == alerts, account
        assert found.totals.events == len(alerts), account
        assert sum(slot.high for slot in found.timeline.slots) == len(alerts), account


def test_an_alert_belongs_to_the_times_that_its_events_overlap(
    trail: Trail, alerts: list[str]
) -> None:
    last = datetime.fromisoformat(trail.events[alerts[-1]]["@timestamp"])
    window = ReportWindow(last, last + timedelta(days=1))
    found = compose(trail.client, trail.settings, window, now=NOW)
    assert found.findings.total == 1
    # It began before: it stands in the first stretch.
    assert found.timeline.slots[0].low == 1


def test_integrity_is_what_the_events_say(trail: Trail) -> None:
    first, second = sorted(trail.events)[:2]
    names = templates.Names(trail.settings.prefix)
    for name, value in ((first, "verified"), (second, "tampered")):
        day = trail.events[name]["@timestamp"][:10].replace("-", ".")
        trail.client.update(
            index=names.day(day),
            id=name,
            body={"doc": {"trail": {"integrity": value}}},
            params={"refresh": "true"},
        )
    try:
        found = compose(trail.client, trail.settings, ReportWindow(), now=NOW).integrity
        assert (found.verified, found.tampered) == (1, 1)
        assert found.unverified == len(trail.events) - 2
        assert "changed after delivery" in found.sentence
    finally:
        for name in (first, second):
            day = trail.events[name]["@timestamp"][:10].replace("-", ".")
            trail.client.update(
                index=names.day(day),
                id=name,
                body={"doc": {"trail": {"integrity": "unverified"}}},
                params={"refresh": "true"},
            )


def test_without_an_index_there_is_an_error_that_says_what_to_do(
    engine: str, tmp_path: Path
) -> None:
    with (
        own_namespace(engine, tmp_path) as settings,
        pytest.raises(NoEventsIndexError, match="there are no events"),
    ):
        compose(connect(settings), settings, ReportWindow())


def test_a_shard_that_does_not_answer_makes_no_report(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    write_trail(tmp_path / "trail", [record()])
    backfill(settings, tmp_path / "trail")
    # A day on which one field has another type: that shard alone will fail.
    day = templates.Names(settings.prefix).day("2025.03.02")
    client.indices.create(
        index=day, body={"mappings": {"properties": {"awsRegion": {"type": "text"}}}}
    )
    client.index(index=day, body={"awsRegion": "x"}, params={"refresh": "true"})
    with pytest.raises(RequestFailedError, match="Text fields are not optimised"):
        compose(client, settings, ReportWindow())


def test_a_closed_day_is_a_gap(each_engine: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    days = [record(eventTime=f"2025-03-0{day}T12:00:00Z") for day in (1, 2)]
    write_trail(tmp_path / "trail", days)
    backfill(settings, tmp_path / "trail")
    client.indices.close(index=templates.Names(settings.prefix).day("2025.03.01"))
    found = compose(client, settings, ReportWindow(), frameworks=["cis", "nist"], now=NOW)
    assert found.totals.events == 1
    titles = {gap.title: gap.detail for gap in found.gaps}
    assert titles["Closed days"].startswith("1 day of this time is closed and was not")
    assert ": 2025-03-01." in titles["Closed days"]
    assert "Days without events" not in titles  # nobody knows what a closed day holds
    later = compose(client, settings, ReportWindow(datetime(2025, 3, 2, tzinfo=UTC)), now=NOW)
    assert "Closed days" not in {gap.title for gap in later.gaps}
    client.indices.close(index=templates.Names(settings.prefix).day("2025.03.02"))
    with pytest.raises(ReportError, match="closed"):
        compose(client, settings, ReportWindow(), now=NOW)


def test_a_closed_mounted_copy_is_a_gap_of_its_day_alone(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    days = [record(eventTime=f"2025-03-0{day}T12:00:00Z") for day in (1, 3)]
    backfill(settings, write_trail(tmp_path / "trail", days))
    copy = f"{templates.Names(settings.prefix).day('2025.03.02')}_remote"
    client.indices.create(index=copy)
    client.indices.close(index=copy)
    titles = {
        gap.title: gap.detail for gap in compose(client, settings, ReportWindow(), now=NOW).gaps
    }
    assert titles["Closed days"].endswith(": 2025-03-02.")
    assert "2025-03-02" not in titles.get("Days without events", "")
    later = compose(client, settings, ReportWindow(datetime(2025, 3, 3, tzinfo=UTC)), now=NOW)
    assert "Closed days" not in {gap.title for gap in later.gaps}
