"""`trailhound whois`: one page about a principal, key, address or resource."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.text import Text

from detections.investigation.comparison import RECENT, WEEKS
from trailhound.cli import dates
from trailhound.cli.columns import second
from trailhound.cli.empty_results import explain_no_events
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import (
    Config,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    settings_from,
    span_of,
)
from trailhound.cli.screen import emit, out, plural, safe, say, say_field, say_folded, warn
from trailhound.cli.skipped_days import end_with_skipped, skipped_days
from trailhound.cli.table_layout import LEVEL_COLOURS

with late_imports():
    from detections.alerts.document import stamp
    from detections.alerts.twins import folded
    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.profile import MOST, NAMES, Profile, Profiler
    from detections.investigation.subject import subject_of
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BLOCKS = " ▁▂▃▄▅▆▇█"
_SHOWN = 8
"""Values of a kind on a terminal; `--json` has 100."""
_INDENT = " " * 13
_NOUNS = {"countries": "place", "cities": "city", "addresses": "address", "tools": "tool"}
"""What events lack that a line leaves out (`detections.investigation.profile.WITHOUT`)."""
_PEERS = {
    "same_address": "same address",
    "acted_on": "acted on",
    "assumed": "assumed",
    "acted_on_it": "acted on it",
}


def whois(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            help="A principal, access key, address, resource, incident or alert.",
        ),
    ],
    since: Since = None,
    until: Until = None,
    hours: Annotated[
        int,
        typer.Option(
            "--recent",
            min=1,
            max=24 * 28,
            metavar="HOURS",
            help="The length of the recent time that is compared.",
        ),
    ] = int(RECENT.total_seconds() // 3600),
    weeks: Annotated[
        int,
        typer.Option(
            "--weeks",
            min=1,
            max=52,
            metavar="N",
            help="The number of weeks before that it is compared with.",
        ),
    ] = WEEKS,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show a profile of a principal, key, address or resource, and what is unusual about it.

    Its last day is compared with its own four weeks before. Exits with 1 if a day could not be
    searched.

    Example: `trailhound whois ada`
    """
    dates.check_order(since, until)
    settings = settings_from(config, url, namespace)
    span = span_of(since, until)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        days = daily_indices(client, settings)
        index = EventIndex(client, days)
        index.refresh()
        about = subject_of(client, settings, index, subject)
        found = Profiler(client, settings, index).of(
            about, span, recent=timedelta(hours=hours), weeks=weeks
        )
        nothing = "" if found.events else explain_no_events(client, days, index, about, span)
    skipped = days.skipped_in(span)
    if json:
        emit(found.as_json() | {"skipped_days": skipped_days(skipped)})
    elif not nothing:
        _show(found)
    if nothing:
        warn(nothing)
    end_with_skipped(skipped)


def _show(found: Profile) -> None:
    if found.first is None or found.last is None:
        return
    out.print(Text(safe(found.subject).plain, style="bold"))
    if len(found.principals) > 1:
        _show_several(found.principals)
    _line("seen", f"from {second(found.first)} to {second(found.last)} UTC")
    _line("events", f"{found.events:,}, {found.failed:,} of them failed")
    if found.opened:
        _line("sessions", f"{plural(found.opened, 'session key')} that it opened")
    _line("hours (UTC)", _hours(found.hours))
    days = zip(_DAYS, found.weekdays, strict=True)
    _line("days", ", ".join(f"{day} {count:,}" for day, count in days if count))
    for kind, values in found.counts.items():
        if values:
            _line(kind, _values(values) + _without(kind, found.without.get(kind, 0)))
    for kind, values in found.peers.items():
        if values:
            _line(_PEERS[kind], _values(values))
    _line("alerts", f"{found.alerts_folded:,}")
    alerts = folded(found.alerts)[:_SHOWN]
    widest = max((len(each["state"]) for each in alerts), default=0)
    for alert in alerts:
        level = Text(f"{alert['level']:<8} ", style=LEVEL_COLOURS.get(alert["level"], ""))
        row = f"{alert['state']:<{widest}} {second(alert['first_seen'])[:16]}"
        named = f"{alert['id'][:8]} {alert['rule']['name']}"
        say_folded(Text(_INDENT) + level + safe(f"{row} {named}"), len(_INDENT))
    if found.alerts_folded > _SHOWN:
        more = f"and {found.alerts_folded - _SHOWN:,} more: the time line has each in its place"
        say(f"{_INDENT}{more}")
    if found.now is not None and (earlier := _before(folded(found.alerts), stamp(found.now.since))):
        day = earlier[0]["last_seen"][:10]
        more = " or more" if found.alerts_total > len(found.alerts) else ""
        _line(
            "earlier",
            f"{plural(len(earlier), 'alert')}{more} from before the hours that are compared below; "
            f"as of {'the most severe' if len(earlier) > 1 else 'that'}: trailhound whois "
            f"{shlex.quote(safe(found.subject).plain)} --until {day}",
        )
    if found.now is not None and found.before is not None:
        recent = int((found.now.until - found.now.since).total_seconds()) // 3600
        weeks = plural((found.before.until - found.before.since).days // 7, "week")
        end = ":" if found.unusual else ""
        wider = min(24 * 28, max(24 * 7, 2 * recent))
        _line(
            "unusual",
            f"{'' if found.unusual else 'nothing '}in its last {recent:,} hours, from "
            f"{second(found.now.since)} UTC on, against the {weeks} before; what was unusual "
            f"earlier is not said: --recent {wider}, or --until a day{end}",
        )
    for each in found.unusual[: 2 * MOST]:
        number = f", {plural(each['events'], 'event')}" if each["value"] else ""
        line = safe(f"{_INDENT}{each['kind']}: {each['detail']}{number}")
        say_folded(line, len(_INDENT))
    for cut in found.cut:
        say_folded(safe(f"{_INDENT}not compared: {cut}"), len(_INDENT))
    if len(found.unusual) > 2 * MOST:
        say(f"{_INDENT}and {len(found.unusual) - 2 * MOST} more: --json has all")


def _before(alerts: Sequence[Mapping[str, Any]], since: str) -> list[Mapping[str, Any]]:
    """The alerts that ended before a time, in their order."""
    return [each for each in alerts if each["last_seen"] < since]


def _show_several(principals: Sequence[str]) -> None:
    """That the page mixes several, and how to ask for one of them."""
    number = plural(len(principals), "principal")
    text = f"{number} have this name, and this page mixes them; for one alone:"
    say_folded(Text(text, style="yellow"), 0)
    for each in principals[:_SHOWN]:
        say(f"  trailhound whois {shlex.quote(each)}", 2)
    if len(principals) > _SHOWN:
        say(f"  and {len(principals) - _SHOWN:,} more: --json has all")


def _hours(hours: Sequence[int]) -> str:
    """A column for each hour of the day.

    >>> _hours([0] * 9 + [8, 4] + [0] * 13)
    '│         █▄             │ 09:00 to 11:00'
    """
    most = max(hours) or 1
    drawn = "".join(_BLOCKS[-(-count * 8 // most)] for count in hours)
    active = [hour for hour, count in enumerate(hours) if count]
    return f"│{drawn}│ {active[0]:02}:00 to {active[-1] + 1:02}:00" if active else f"│{drawn}│"


def _values(values: Sequence[tuple[str, int]]) -> str:
    named = ", ".join(f"{value} {count:,}" for value, count in values[:_SHOWN])
    most = " at least" if len(values) >= NAMES else ""
    return named + (f" and {len(values) - _SHOWN} more{most}" if len(values) > _SHOWN else "")


def _without(kind: str, events: int) -> str:
    if not events:
        return ""
    have = "has" if events == 1 else "have"
    return f"; {plural(events, 'event')} {have} no {_NOUNS[kind]}"


def _line(name: str, value: str) -> None:
    say_field(name, value, len(_INDENT))
