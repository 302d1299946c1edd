"""The sentences of a report: each is true of the figures that it stands beside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from tests.helpers.reports import report_of
from trailhound.report.collect.alerts import Counted, top_findings
from trailhound.report.collect.integrity import sentence
from trailhound.report.collect.ranking import folded, in_full, top_of_all
from trailhound.report.collect.summary import SummaryFacts, summary_sentences
from trailhound.report.event import BANDS, band_of
from trailhound.report.findings import AlertRow, DetailedAlert, FindingBand, Findings
from trailhound.report.mail import summary
from trailhound.report.render.page import as_html
from trailhound.report.value import Integrity, Ranking, Row, Scope, Totals

AT = datetime(2025, 3, 1, tzinfo=UTC)
NOTHING = Ranking(0, 0)
SCOPE = Scope(AT, AT + timedelta(days=1))


def row(number: int, severity: int, state: str, rule: str) -> AlertRow:
    return AlertRow(
        f"a{number}", rule, f"Rule {rule}", severity, "high", state, AT, AT, count=100 - number
    )


def findings(*rows: AlertRow) -> Findings:
    """As `trailhound.report.collect.alerts` puts them together, of rows by rank."""

    def full(each: AlertRow) -> DetailedAlert:
        return DetailedAlert(
            each.id, each.rule, each.title, each.severity, "high", each.state, AT, AT, each.count
        )

    of = {band: [each for each in rows if band_of(each.severity) == band] for band in BANDS}
    bands = tuple(
        FindingBand(
            band,
            len(mine),
            sum(each.state != "closed" for each in mine),
            tuple(map(full, in_full(mine))),
        )
        for band, mine in of.items()
    )
    still_open = sum(each.state != "closed" for each in rows)
    entries = tuple(folded(rows))
    return Findings(len(rows), still_open, bands, rows, entries=entries, top=top_of_all(entries))


def reported(found: Findings, totals: Totals, known: SummaryFacts, scope: Scope = SCOPE) -> str:
    made = summary_sentences(
        scope,
        totals,
        found,
        known,
        calls=NOTHING,
        errors=NOTHING,
        countries=Ranking(1, 1, (Row("Norway", 1, 0, 0, None),)),
        integrity=Integrity(sentence=sentence(totals.events, 0, 0)),
    )
    return " ".join(made)


def test_one_busy_rule_does_not_hide_the_others() -> None:
    rows = [replace(row(n, 10, "open", "busy"), principals=(f"user-{n}",)) for n in range(20)]
    rows += [row(number, 8, "open", f"r{number}") for number in range(20, 23)]
    shown = in_full(rows)
    assert [each.rule for each in shown] == ["busy", "busy", "r20", "r21", "r22"]


def test_a_closed_alert_is_after_all_that_are_open() -> None:
    rows = [row(1, 8, "open", "a"), row(2, 8, "acknowledged", "a"), row(3, 10, "closed", "b")]
    assert [each.id for each in in_full(rows, most=2)] == ["a1", "a2"]
    assert top_findings(findings(*rows))[0].id == "a1"
    said = reported(findings(*rows), Totals(events=3), SummaryFacts())
    assert "3 high; 2 of them are not closed." in said
    assert "The most severe alert that is not closed: “Rule a”" in said
    within = findings(row(1, 8, "open", "a"))
    entry = replace(within.entries[0], kind="incident", title="Rule of another", severity=9)
    said = reported(replace(within, entries=(entry,)), Totals(events=3), SummaryFacts())
    assert "The most severe incident that is not closed: “Rule of another”, 9 of 10" in said


def test_an_open_medium_one_is_named_before_a_closed_high_one() -> None:
    found = findings(row(1, 6, "open", "m"), row(2, 10, "closed", "h"))
    assert "that is not closed: “Rule m”" in reported(found, Totals(events=3), SummaryFacts())


def test_a_name_that_cloudtrail_hides_is_behind_the_others() -> None:
    hidden = replace(row(1, 8, "open", "a"), principals=("HIDDEN_DUE_TO_SECURITY_REASONS", "ada"))
    found = findings(hidden)
    top = replace(found.bands[0].top[0], principals=hidden.principals)
    bands = (replace(found.bands[0], top=(top,)), *found.bands[1:])
    said = reported(replace(found, bands=bands), Totals(events=3), SummaryFacts())
    assert "by ada and a hidden user name" in said
    assert "HIDDEN" not in said


def test_where_all_are_closed_that_is_said() -> None:
    said = reported(findings(row(1, 9, "closed", "h")), Totals(events=3), SummaryFacts())
    assert "1 alert: 1 high; it is closed." in said
    assert "The most severe alert (closed)" in said


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (SummaryFacts(), "No recorded call was made by root."),
        (SummaryFacts(root=1, root_logins=1), "Root made 1 recorded call, 1 of them a sign-in"),
        (
            SummaryFacts(root=3, root_logins=2, root_logins_failed=2),
            "2 of them (2 failed) sign-ins",
        ),
        (SummaryFacts(trail_changes=1), "1 call to stop, delete or reconfigure a trail."),
        (SummaryFacts(trail_changes=1, trail_changes_failed=1), "a trail, which failed."),
        (SummaryFacts(trail_changes=2, trail_changes_failed=2), "a trail, all of which failed."),
        (SummaryFacts(failed_logins=1), "1 sign-in to the console failed."),
    ],
)
def test_attempts_are_not_told_as_deeds(known: SummaryFacts, sentence: str) -> None:
    assert sentence in reported(findings(), Totals(events=9), known)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(since, until, accounts)
        for since, until, accounts in product(
            (None, AT), (None, AT + timedelta(days=1)), ((), ("1" * 12,), ("1" * 12, "2" * 12))
        )
    ],
)
def test_a_time_without_events_is_a_page_that_says_so_whatever_limits_there_are(
    scope: Scope,
) -> None:
    said = reported(findings(), Totals(), SummaryFacts(), scope)
    assert said.startswith("There are no events in the index")
    assert "riskiest" not in said
    for account in scope.accounts:
        assert account in said
    empty = replace(
        report_of("x"),
        scope=scope,
        story=(said,),
        totals=Totals(),
        findings=findings(),
        riskiest=(),
        spots=(),
    )
    page = as_html(empty)
    assert "There are no events in the index" in page
    assert "these are the events with the highest risk scores" not in page
    assert "There are no events in the index" in summary(empty)


def test_every_alert_is_in_the_page_and_the_mail_says_how_many_it_leaves_out() -> None:
    rows = [row(number, 9, "open", f"r{number}") for number in range(29)]
    found = replace(report_of("x"), findings=findings(*rows))
    page = as_html(found)
    assert "29 alerts, 29 open; 5 shown in full" in page
    for each in rows:
        assert f"Rule {each.rule}<" in page
    assert "24 more in the attached report" in summary(found)


def test_counts_come_from_the_rows_themselves() -> None:
    count = Counted((row(1, 9, "open", "a"), row(2, 3, "closed", "b")))
    assert (count.total, count.closed) == (2, 1)


def test_what_was_verified_is_counted_beside_what_was_changed() -> None:
    assert "Of the other events, 7 came from files proved genuine" in sentence(10, 7, 2)
    assert "1 event was not verified" in sentence(10, 9, 0)


def test_events_of_damaged_files_are_named_apart() -> None:
    assert "3 events came from damaged files" in sentence(10, 7, 0, 3)
    assert "Every other event" in sentence(10, 7, 0, 3)
    assert "2 events were not verified" in sentence(10, 5, 0, 3)
    assert "damaged" not in sentence(10, 7, 2)
