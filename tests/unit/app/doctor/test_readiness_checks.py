"""`doctor` has one verdict for one thing: what daemons say of it, and what this machine finds."""

from __future__ import annotations

from trailhound.app.doctor.check import Check
from trailhound.app.doctor.readiness_checks import joined
from trailhound.app.health.readiness import Reason

DEAD = Reason("channel", "hook", "the channel hook does not deliver, 2 alerts wait for it: no")
GONE = Reason("enrichment", "GeoIP ASN", "gone.mmdb cannot be read")
DENIED = Reason("feed", "https://sqs/1/q", "daemon h 7: the source https://sqs/1/q: denied")


def test_what_works_here_and_not_in_a_daemon_has_failed() -> None:
    checks = [
        Check("channel hook", "ok", "webhook"),
        Check("channel other", "ok", "webhook"),
        Check("queue https://sqs/1/q", "ok", "a queue"),
        Check("GeoIP ASN", "failed", GONE.message, "get it"),
    ]
    found = list(joined(checks, [DEAD, GONE, DENIED]))
    assert [(each.what, each.verdict) for each in found] == [
        ("channel hook", "failed"),
        ("channel other", "ok"),
        ("queue https://sqs/1/q", "failed"),
        ("GeoIP ASN", "failed"),
    ]
    assert found[0].fact == DEAD.message
    assert found[0].advice
    assert (found[3].fact, found[3].advice) == (GONE.message, "get it")


def test_what_fails_here_too_is_said_beside_it() -> None:
    (found,) = joined([Check("channel hook", "failed", "no URL", "set it")], [DEAD])
    assert found.fact == f"{DEAD.message}; here: no URL"


def test_what_is_of_other_settings_is_not_lost() -> None:
    (found,) = joined([], [DEAD])
    assert (found.what, found.verdict) == ("health: channel hook", "failed")


def test_a_full_disk_is_said_once() -> None:
    full = Reason("disk", "disk", "disk full at node n (8 of 9 GiB free)")
    own = Check("disk", "failed", "disk full at node n (7 of 9 GiB free)", "free some")
    assert list(joined([own], [full])) == [own]
    (found,) = joined([Check("disk", "ok", "8 GiB free on the fullest node")], [full])
    assert (found.what, found.verdict, found.fact) == ("disk", "failed", full.message)
