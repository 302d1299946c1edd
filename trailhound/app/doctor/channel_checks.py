"""Checks the channels of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.packs.pack import Pack
from detections.tactics import tagged, unknown_tactics
from trailhound.app.doctor.check import Check, failed
from trailhound.errors import ClusterError, TrailhoundError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.channels import Channels

_NAMED = 3
_WHEN_IT_STOPS = "health messages"


def channel_checks(settings: Settings) -> Iterator[Check]:
    """Whether each can be opened, and whether there are its tactics; nothing is sent."""
    from detections.notify.channel import open_channel
    from detections.packs.loading import load
    from ingest.sources.session import aws_session

    age, late = settings.notify.max_age_hours, settings.detections.late_hours
    if settings.notify.channels and settings.detections.scheduled and age <= late:
        yield Check(
            "setting notify.max_age_hours",
            "warning",
            f"{age:g} h, not above detections.late_hours ({late:g} h): alerts about late events "
            "are not sent",
            "raise it, by the longest interval of a rule at least",
        )
    selecting = any(channel.tactics for channel in settings.notify.channels)
    pack = load(settings.detections) if selecting else Pack()
    rules = pack.rules
    for channel in settings.notify.channels:
        what = f"channel {channel.name}"
        try:
            open_channel(channel, settings.aws, aws_session)
        except TrailhoundError as error:
            yield failed(what, error)
            continue
        unknown = [*unknown_tactics(channel.tactics, rules)]
        if unknown:
            reasons = "; ".join(each.message for each in unknown)
            yield Check(what, "warning", f"{reasons}: no such alert is sent", unknown[0].hint)
        else:
            yield Check(what, "ok", f"{channel.kind}; `trailhound notify test` sends a message")
    yield from _health_checks(settings)
    if unsent := list(_sent_nowhere(settings, pack)):
        more = ", …" if len(unsent) > _NAMED else ""
        yield Check(
            "setting notify.channels",
            "warning",
            f"no channel gets the alerts of {plural(len(unsent), 'rule')} of level critical, whose "
            f"tactics none selects: {', '.join(unsent[:_NAMED])}{more}",
            "leave `tactics` of one channel empty",
        )


def _health_checks(settings: Settings) -> Iterator[Check]:
    """Whether somebody is told when Trailhound itself does not work; only where a daemon is to run
    by these settings, or somebody is told of alerts."""
    from detections.notify.heartbeat import SETTING, Heartbeat

    notify = settings.notify
    beats = notify.heartbeat.is_set
    if beats:
        try:
            Heartbeat(notify.heartbeat)
        except TrailhoundError as error:
            yield failed(f"setting {SETTING}", error)
        else:
            fact = f"called every {notify.heartbeat.minutes:g} minutes while a daemon is ready"
            yield Check(f"setting {SETTING}", "ok", fact)
    told = [each.name for each in notify.channels if each.health]
    if not (told or notify.channels or settings.run.sources):
        return
    if told:
        after = f"{', '.join(told)} after {notify.health_after_minutes:g} minutes"
        fact = after if beats else f"{after}; a dead machine tells nobody: set {SETTING}.url"
        yield Check(_WHEN_IT_STOPS, "ok", fact)
    elif beats:
        fact = "the receiver of the heartbeat alone, and not why: no channel has `health: true`"
        yield Check(_WHEN_IT_STOPS, "ok", fact)
    else:
        yield Check(
            _WHEN_IT_STOPS,
            "warning",
            "nobody is told when Trailhound stops: no channel gets messages about its health, "
            "and there is no heartbeat",
            f"set `health: true` of a channel of notify.channels, and {SETTING}.url",
        )


def with_last_messages(
    checks: Iterable[Check], client: OpenSearch, settings: Settings
) -> Iterator[Check]:
    """The checks, with a warning of a channel whose last message, perhaps a test, was not
    delivered, though it can be opened."""
    failing: dict[str, tuple[str, str]] = {}
    with suppress(OpenSearchException, ClusterError):  # what else is wrong has checks of its own
        known = Channels(client, settings).all()
        failing = {
            f"channel {name}": each.latest_error()
            for name, each in known.items()
            if each.latest_error()[1] > each.last_delivery
        }
    for check in checks:
        last = failing.get(check.what)
        if last is None or check.verdict != "ok":
            yield check
            continue
        fact = f"its last message failed, at {last[1][:19]}: {last[0]}"
        yield Check(check.what, "warning", fact, "correct it, then run `trailhound notify test`")


def _sent_nowhere(settings: Settings, pack: Pack) -> Iterator[str]:
    """The titles of critical rules whose alerts the tactics of each channel leave out."""
    selected = [{tagged(each) for each in one.tactics} for one in settings.notify.channels]
    if not all(selected):
        return
    for rule in pack.alerting:
        own = {tagged(each) for each in rule.attack.tactics}
        if rule.level == "critical" and not any(own & each for each in selected):
            yield rule.title
