"""Decisions about alerts, as changes of their documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from detections.alerts.document import stamp
from detections.alerts.triage import Decision
from detections.incidents.closings import closed_as
from trailhound.errors import UsageError

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
AT = "2025-03-01T12:00:00.000Z"
OPEN: dict[str, Any] = {
    "state": "open",
    "state_by": "trailhound",
    "state_at": "2025-03-01T11:00:00.000Z",
    "history": [{"state": "open", "by": "trailhound", "at": "2025-03-01T11:00:00.000Z"}],
    "count": 3,
}


def decided(*decisions: Decision, document: dict[str, Any] = OPEN) -> dict[str, Any]:
    """The document after several decisions, each of which is also made again."""
    for decision in decisions:
        after = decision.applied("a1", document, NOW)
        assert after is not None, decision
        assert decision.applied("a1", after, NOW) is None, decision
        document = after
    return document


def test_each_decision_is_one_entry_of_the_history_however_often_it_is_made() -> None:
    made = decided(
        Decision("ack", "ada", "mine"),
        Decision("assign", "ada", assignee="bob"),
        Decision("note", "bob", "asked\x1b[2J the team"),
        Decision("close", "bob", disposition="false-positive"),
        Decision("close", "eve", "it was a drill", disposition="benign"),
        Decision("reopen", "ada", "it went on"),
        Decision("assign", "ada", assignee="Nobody"),
    )
    entries = [{key: each[key] for key in each if key != "at"} for each in made["history"][1:]]
    assert "\x1b" not in entries[2].pop("note")
    assert entries == [
        {"state": "acknowledged", "by": "ada", "note": "mine"},
        {"state": "acknowledged", "by": "ada", "assignee": "bob"},
        {"state": "acknowledged", "by": "bob"},
        {"state": "closed", "by": "bob", "disposition": "false-positive"},
        {"state": "closed", "by": "eve", "disposition": "benign", "note": "it was a drill"},
        {"state": "open", "by": "ada", "note": "it went on"},
        {"state": "open", "by": "ada", "assignee": ""},
    ]
    assert (made["state"], made["state_by"], made["state_at"]) == ("open", "ada", AT)
    assert not {"disposition", "assignee"} & made.keys()


def test_what_is_so_already_stays_and_a_new_note_is_kept() -> None:
    closed = decided(Decision("close", "ada", disposition="benign"))
    assert Decision("close", "bob").applied("a1", closed, NOW) is None
    noted = decided(Decision("close", "bob", "seen too"), document=closed)
    assert (noted["state_by"], noted["disposition"]) == ("ada", "benign")
    assert noted["history"][-1]["note"] == "seen too"
    # Somebody else takes it over.
    taken = decided(Decision("ack", "ada"), Decision("ack", "bob", "mine now"))
    assert taken["state_by"] == "bob"
    assert taken["history"][-1]["taken_over"] is True


def test_who_changes_a_disposition_has_closed_it_so() -> None:
    later = datetime(2025, 3, 9, 10, tzinfo=UTC)
    closed = decided(Decision("close", "bob", "the nightly job", disposition="benign"))
    changed = Decision("close", "ada", disposition="false-positive").applied("a1", closed, later)
    assert changed is not None
    assert (changed["state_by"], changed["state_at"]) == ("ada", stamp(later))
    (way,) = closed_as([changed])  # without bob's reason, which was another one
    assert (way["disposition"], way["by"], way["note"]) == ("false-positive", "ada", "")
    noted = Decision("note", "eve", "see the ticket").applied("a1", changed, later)
    assert noted is not None
    assert closed_as([noted]) == [way]
    again = Decision("close", "ada", "a test").applied("a1", noted, later)
    assert again is not None
    assert closed_as([again]) == [{**way, "note": "a test"}]


def test_an_alert_of_the_last_release_may_have_no_history() -> None:
    bare = {key: value for key, value in OPEN.items() if key != "history"}
    assert len(decided(Decision("note", "ada", "seen"), document=bare)["history"]) == 1


@pytest.mark.parametrize(
    ("decision", "changes", "message"),
    [
        (Decision("ack", "bob"), {"state": "closed"}, "closed, by trailhound"),
        (Decision("reopen", "bob"), {"state": "closed", "merged_into": "b2"}, "merged into b2"),
        (Decision("note", "bob", "x"), {"state": "closed", "merged_into": "b2"}, "merged into b2"),
    ],
)
def test_what_a_state_does_not_allow_says_what_to_do(
    decision: Decision, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        decision.applied("a1", OPEN | changes, NOW)
    assert refused.value.hint
