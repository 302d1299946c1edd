"""What `trailhound backfill --dry-run` shows."""

from __future__ import annotations

from collections import Counter

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import emit, out, plural, safe, say, size, table, warn

with late_imports():
    from detections.span import duration
    from ingest.backfill.left_out import LeftOut
    from ingest.backfill.places import PlaceName
    from ingest.backfill.plan import Plan
    from ingest.backfill.rate import Rate
    from ingest.lookup.estimate import Estimate


_MOST_DAYS = 31
"""The most days that are listed one by one; more are listed by month."""
_UNLIKE = 4
"""The factor between the sizes of measured and planned objects from which on it is mentioned."""
_UNNAMED = "not named"


def kinds_text(counted: Counter[str], most: int = 8) -> str:
    """`12 digest, 3 CSV`, the most frequent first."""
    shown = [f"{number:,} {safe(kind)}" for kind, number in counted.most_common(most)]
    more = len(counted) - len(shown)
    return ", ".join([*shown, *([plural(more, "more kind")] if more else [])])


def size_text(number: int) -> str:
    """Stored bytes in brackets; empty if they are not known."""
    return f" ({size(number)})" if number else ""


def show_plan(
    found: Plan,
    rate: Rate,
    problems: list[str],
    *,
    json: bool,
    history: Estimate | None = None,
) -> None:
    """Print the plan, for people or as JSON. `history`: the estimate for the event history in
    it."""
    seconds = found.bytes / rate.bytes + (history.seconds if history is not None else 0)
    if json:
        estimate = {
            "seconds": round(seconds, 1),
            "bytes_per_second": round(rate.bytes),
            "rate": "measured" if rate.measured else "stated",
        }
        more = {"event_history": history.as_dict()} if history is not None else {}
        emit(found.as_dict() | {"estimate": estimate, "problems": problems} | more)
        return
    past = found.left_out.past if found.left_out is not None else 0
    all_past = "all" if past == found.objects else f"{past:,}"
    left = f", {all_past} of them past retention and left out," if past else ","
    say(
        f"{plural(found.objects, 'object')} to read{size_text(found.bytes)}{left} "
        f"{found.skipped_objects:,} already ingested, "
        f"{plural(found.ignored_objects, 'object')} skipped: they hold no events"
    )
    if found.objects:
        _show_places(found)
    if found.ignored_kinds:
        say(f"skipped: {kinds_text(found.ignored_kinds)}")
    if found.unnamed_objects:
        one = found.unnamed_objects == 1
        name = "has a name that does not show what it holds" if one else ""
        name = name or "have a name that does not show what they hold"
        say(
            f"{plural(found.unnamed_objects, 'object')} of those to read {name}: at most 64 KB of "
            f"{'it' if one else 'each'} is fetched to look for CloudTrail records"
        )
    if found.objects_read_again:
        say(
            f"{plural(found.objects_read_again, 'object')} of them to be read again: an earlier "
            "run had read them by another selection, filter or retention"
        )
    if found.left_out is not None:
        show_left_out(found.left_out, "the run would stop: ")
    if history is not None:
        say(
            f"event history: some {plural(history.events, 'management event')} of "
            f"{history.lanes:,} accounts and regions, about {plural(history.requests, 'request')}; "
            "AWS answers two a second in each"
        )
        say(f"estimated time: {duration(history.seconds)}, by how dense the newest events are")
    if found.bytes:
        by = (
            f"measured on {plural(rate.objects, 'object')} that were read here last"
            if rate.measured
            else "a stated rate (one process on two cores), since too little was read here to "
            "measure it"
        )
        say(f"estimated time: {duration(seconds)} at {size(rate.bytes)} a second, {by}")
        times = rate.larger(found.objects, found.bytes)
        if times >= _UNLIKE:
            say(f"those were {times:,.0f} times as large as these: smaller objects take longer")
        elif times <= 1 / _UNLIKE:
            say(f"these are {1 / times:,.0f} times as large as those: larger objects take less")
        new = len(found.left_out.new_days) if found.left_out is not None else 0
        if new:
            made = plural(new, "new daily index", "new daily indices")
            say(
                f"not in this time: what the cluster needs to make {made}, up to a second each "
                "on a small or busy one"
            )
    say("nothing was read or written (--dry-run)")


def show_left_out(left: LeftOut, then: str = "") -> None:
    """What the retention, the limits of days and the filter leave out, by the objects' names.
    `then`: what would happen where the cluster has no room."""
    if left.past:
        each = "its records" if left.past == 1 else "their records"
        say(
            f"by name, {plural(left.past, 'object')} of those to read{size_text(left.past_bytes)} "
            f"{'was' if left.past == 1 else 'were'} delivered before {left.oldest}, the first day "
            f"that retention.days keeps: all of {each} would be filtered as past retention"
        )
    if left.new_days:
        made = plural(len(left.new_days), "new daily index", "new daily indices")
        say(f"by name, those to read make {made}")
    if left.no_room:
        warn(f"by the names of what is listed, {then}{left.no_room}")
    if left.undated:
        one = left.undated == 1
        say(
            f"{plural(left.undated, 'object')} of those to read {'shows' if one else 'show'} no "
            f"day in {'its name' if one else 'their names'}: {'it makes' if one else 'each makes'} "
            f"at most {left.undated_days:,} new daily indices (ingest.new_days_per_export), and "
            "further events wait in the dead letters"
        )
    if left.filtered:
        say("the setting filter: may drop records of any of them, which their names do not show")


def _show_places(found: Plan) -> None:
    """By account and region, and by day, or month where there are many days."""
    days: dict[tuple[str, ...], set[str]] = {}
    for name in found.places:
        days.setdefault(_owner(name), set()).add(name.day)
    rows = [
        (
            account or _UNNAMED,
            region or _UNNAMED,
            min(days[account, region]) or _UNNAMED,
            max(days[account, region]) or _UNNAMED,
            each.objects,
            size(each.bytes),
        )
        for (account, region), each in found.places.by(_owner).items()
    ]
    out.print(table(["account", "region", "first day", "last day", "#objects", "#size"], rows))
    by_day = found.places.by(lambda name: (name.day,))
    what = "day"
    if len(by_day) > _MOST_DAYS:
        by_day, what = found.places.by(lambda name: (name.day[:7],)), "month"
    named = [(day or _UNNAMED, each.objects, size(each.bytes)) for (day,), each in by_day.items()]
    out.print(table([what, "#objects", "#size"], named))
    say("by account, region and day together: --json")


def _owner(name: PlaceName) -> tuple[str, ...]:
    return name.account, name.region
