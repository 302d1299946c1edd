"""Further alarms that the CIS benchmark requires: `trailhound aws alarms --cis`.

Their calls are those of `posture.monitored` that none of the twelve alarms matches.
"""

from __future__ import annotations

from typing import Final

from trailhound.aws.alarm_catalogue import ALARMS, Alarm, calls_pattern
from trailhound.aws.filter_patterns import matcher
from trailhound.aws.posture.monitored import MONITORED, Monitored


def _alarm(control: Monitored) -> Alarm:
    calls = uncovered(control)
    pattern = calls_pattern(calls, f'($.eventSource = "{control.source}")')
    return Alarm(control.metric, "medium", 1, pattern, cis=control.cis)


def uncovered(control: Monitored) -> tuple[str, ...]:
    """The calls of a control that its alarm among the twelve, if it has one, does not match."""
    tests = [matcher(each.pattern) for each in ALARMS if each.name == control.alarm]
    events = control.events
    return tuple(call for call in control.calls if not any(test(events[call]) for test in tests))


CIS_ALARMS: Final = tuple(_alarm(each) for each in MONITORED if each.metric)


def events_of(alarm: Alarm) -> list[dict[str, object]]:
    """The events that one of these alarms has to match, each by itself."""
    control = next(each for each in MONITORED if each.cis == alarm.cis)
    return [control.events[call] for call in uncovered(control)]
