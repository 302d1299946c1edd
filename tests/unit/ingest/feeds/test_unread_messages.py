"""When a queue whose messages name no object is a fault."""

from __future__ import annotations

from ingest.feeds.unread_messages import UnreadMessages

HOUR = 3600.0


def test_many_different_messages_for_a_while_are_a_fault_and_strays_are_not() -> None:
    now = [0.0]
    messages = UnreadMessages(lambda: now[0])
    for number in range(40):
        messages.unknown(f"m{number % 9}", "not JSON")
    now[0] = HOUR / 2
    assert messages.failing == "", "nine, delivered again and again"
    messages.unknown("another", "not JSON: x")
    assert "not JSON: x" in messages.failing
    messages.known()
    assert messages.failing == ""
    for number in range(20):
        messages.unknown(f"n{number}", "not JSON")
    assert messages.failing == "", "a burst between two files"
    now[0] += HOUR / 2
    messages.unknown("n1", "not JSON")
    assert messages.failing
    now[0] += HOUR * 1.1
    assert messages.failing == "", "it was long ago"
