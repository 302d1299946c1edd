"""Readiness as `trailhound doctor` reports it: a check for each reason why it is not ready.

A thing that has a check of its own, such as a channel, gets one verdict: its check fails if a
daemon or the shared state says that it does not work, regardless of what this machine finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from opensearchpy import OpenSearch

from trailhound.app.doctor.check import Check
from trailhound.app.health.readiness import Readiness, Reason
from trailhound.app.health.reasons import readiness
from trailhound.app.health.shared_state import read_shared
from trailhound.cluster.clock import seconds_ahead
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import TrailhoundError
from trailhound.settings import Settings

_FEEDS = ("queue", "bucket", "folder")


def readiness_checks(
    client: OpenSearch, settings: Settings
) -> tuple[list[Check], tuple[Reason, ...]]:
    """The checks, and those reasons that are about a thing with a check of its own, for `joined`.
    Raises nothing."""
    number = 0
    try:
        with cluster_errors(settings):
            shared = read_shared(client, settings, seconds_ahead(client))
    except TrailhoundError as error:
        found = Readiness.not_known(error)
    else:
        found, number = readiness(shared, settings), len(shared.daemons)
    if found.ready:
        fact = f"{number} running, ready" if number else "none is running"
        return [Check("daemons", "ok", fact)], ()
    kept = tuple(each for each in found.reasons if _subjects(each))
    return [_check(each) for each in found.reasons if each not in kept], kept


def joined(checks: Iterable[Check], found: Sequence[Reason]) -> Iterator[Check]:
    """The checks, each with the reasons about its subject; then reasons that none of them is about,
    such as those of a daemon with other settings."""
    used: set[Reason] = set()
    for check in checks:
        about = [each for each in found if check.what in _subjects(each)]
        used.update(about)
        yield _with(check, about) if about else check
    yield from (_check(each) for each in found if each not in used)


def _with(check: Check, found: Sequence[Reason]) -> Check:
    if check.what == "disk" and check.verdict == "failed":
        return check  # the same, read a moment before
    messages = [each.message for each in found]
    if check.verdict != "ok" and check.fact not in messages:
        messages.append(f"here: {check.fact}")
    return Check(check.what, "failed", "; ".join(messages), check.advice or found[0].advice)


def _subjects(reason: Reason) -> tuple[str, ...]:
    """The names that a check of the reason's subject may have; empty if nothing else checks it."""
    match reason.code:
        case "disk":
            return ("disk",)
        case "channel":
            return (f"channel {reason.subject}",)
        case "template":
            return ("index templates",)
        case "enrichment":
            return (reason.subject,)
        case "feed" | "source":
            return tuple(f"{kind} {reason.subject}" for kind in _FEEDS)
    return ()


def _check(reason: Reason) -> Check:
    return Check(
        f"health: {reason.code}" + (f" {reason.subject}" if reason.subject != reason.code else ""),
        "warning" if reason.code == "daemon" else "failed",
        reason.message,
        reason.advice,
    )
