"""`trailhound rules noise`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.alert_selection import AtLevel, OfRule, Since, Until
from trailhound.cli.columns import Column, ColumnType, instant
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, is_table, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import is_quiet, plural, say_fix

with late_imports():
    from detections.alerts.known_rules import check_rule
    from detections.alerts.noise import RuleNoise, noise
    from detections.alerts.store import AlertQuery
    from detections.automation.reportable import asking
    from detections.packs.loading import load
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors

_SPAN = timedelta(days=30)
_SUGGESTED = 5
"""The noisiest rules, for which a terminal shows the suggestion."""

LISTING = Listing[RuleNoise](
    "rules",
    (
        Column("alerts", lambda each: each.alerts, "alerts", ColumnType.NUMBER),
        Column("per_day", lambda each: each.per_day, "a day", ColumnType.NUMBER),
        Column("not_closed", lambda each: each.not_closed, "not closed", ColumnType.NUMBER, 2),
        Column("harmless", lambda each: each.share, "harmless", ColumnType.NUMBER),
        Column("principals", lambda each: len(each.principals), "principals", ColumnType.NUMBER, 3),
        Column("level", lambda each: each.level, "level", ColumnType.LEVEL),
        Column("title", lambda each: each.title, "rule", whole=True),
        Column(
            "top_principal",
            lambda each: "".join(f"{name} {number}" for name, number in each.named()[:1]),
            "most are about",
            priority=1,
        ),
        Column("suggestion", lambda each: each.suggestion.reason, piped=True),
        Column("command", lambda each: each.suggestion.command, piped=True),
        Column("id", lambda each: each.id, "id", ColumnType.ID, 4),
    ),
    lambda each: each.as_dict(),
    empty="no rule has raised an alert",
)


def show(
    since: Since = None,
    until: Until = None,
    rule: OfRule = None,
    level: AtLevel = "informational",
    most: Annotated[
        int, typer.Option("--limit", min=1, help="Show at most N rules.", metavar="N")
    ] = 20,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show the rules that raise the most alerts, and what would make them raise fewer.

    `harmless` is the share closed as false positive or benign, of the alerts that were judged. Of
    each rule with 5 alerts or more that was not mostly right a remedy is suggested, with its
    command: calls to trust from usual networks, an exception, an override or a level; with what it
    would hide, and which alerts differ and have to stay. Default: the last 30 days.

    Example: `trailhound rules noise --since 7d`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    dates.check_order(since, until)
    end = dates.end_of(until) if until is not None else datetime.now(UTC)
    begin = since if since is not None else end - _SPAN
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        query = AlertQuery((), level, begin, rule, until=end)
        rules = noise(client, settings, query, begin, end, asking(load(settings.detections)))
        if not rules:
            check_rule(client, settings, rule)
    shown = rules[:most]
    total = sum(each.alerts for each in rules)
    span = {"since": instant(begin), "until": instant(end)}
    LISTING.show(shown, form, beside={"total": total, **span, "more": len(shown) < len(rules)})
    if is_table(form) and not is_quiet():
        for each in shown[:_SUGGESTED]:
            found = each.suggestion
            if found.reason:
                note(f"{each.title}: {found.reason}", form)
                say_fix(found.command, 2)
    if rules:
        left = f", {plural(len(rules) - len(shown), 'rule')} not shown" if rules[most:] else ""
        note(f"{plural(total, 'alert')} of {plural(len(rules), 'rule')}{left}", form)
