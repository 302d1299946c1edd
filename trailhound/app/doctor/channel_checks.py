"""Checks the channels of the settings."""

from __future__ import annotations

from collections.abc import Iterator

from detections.packs.pack import Pack
from detections.tactics import tagged, unknown_tactics
from trailhound.app.doctor.check import Check, failed
from trailhound.errors import TrailhoundError
from trailhound.plural import plural
from trailhound.settings import Settings

_NAMED = 3


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
            said = "; ".join(each.message for each in unknown)
            yield Check(what, "warning", f"{said}: no such alert is sent", unknown[0].hint)
        else:
            yield Check(what, "ok", f"{channel.kind}; `trailhound notify test` sends a message")
    if unsent := list(_sent_nowhere(settings, pack)):
        more = ", …" if len(unsent) > _NAMED else ""
        yield Check(
            "setting notify.channels",
            "warning",
            f"no channel gets the alerts of {plural(len(unsent), 'rule')} of level critical, whose "
            f"tactics none selects: {', '.join(unsent[:_NAMED])}{more}",
            "leave `tactics` of one channel empty",
        )


def _sent_nowhere(settings: Settings, pack: Pack) -> Iterator[str]:
    """The titles of critical rules whose alerts the tactics of each channel leave out."""
    selected = [{tagged(each) for each in one.tactics} for one in settings.notify.channels]
    if not all(selected):
        return
    for rule in pack.alerting:
        own = {tagged(each) for each in rule.attack.tactics}
        if rule.level == "critical" and not any(own & each for each in selected):
            yield rule.title
