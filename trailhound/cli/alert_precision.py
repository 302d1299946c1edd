"""`trailhound alerts precision`."""

from __future__ import annotations

from trailhound.cli import dates
from trailhound.cli.alert_selection import AtLevel, OfRule, Since, Until
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import plural

with late_imports():
    from detections.alerts.known_rules import check_rule
    from detections.alerts.precision import Precision, precision, total
    from detections.alerts.store import AlertQuery
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


LISTING = Listing[Precision](
    "rules",
    (
        Column("title", lambda each: each.title, "rule", whole=True),
        Column("true_positive", lambda each: each.as_["true-positive"], "true", ColumnType.NUMBER),
        Column(
            "false_positive", lambda each: each.as_["false-positive"], "false", ColumnType.NUMBER
        ),
        Column("benign", lambda each: each.as_["benign"], "benign", ColumnType.NUMBER),
        Column("duplicate", lambda each: each.as_["duplicate"], "dupl.", ColumnType.NUMBER, 2),
        Column(
            "without_disposition",
            lambda each: each.without_disposition,
            "not said",
            ColumnType.NUMBER,
            1,
        ),
        Column("not_closed", lambda each: each.not_closed, "not closed", ColumnType.NUMBER, 1),
        Column("judged", lambda each: each.judged, "of", ColumnType.NUMBER),
        Column("precision", lambda each: each.rounded, "precision", ColumnType.NUMBER),
        Column("id", lambda each: each.id, "id", ColumnType.ID, 3),
    ),
    lambda each: each.as_dict(),
    empty="no alert was closed",
)


def show(
    since: Since = None,
    until: Until = None,
    rule: OfRule = None,
    level: AtLevel = "informational",
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show how often each rule was right, by the dispositions of its closed alerts.

    Precision is the share of true positives among the alerts closed as true positive, false
    positive or benign. A rule without such alerts has no precision.

    Example: `trailhound alerts precision --since 2025-03-01`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    dates.check_order(since, until)
    end = dates.end_of(until) if until is not None else None
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        rules = precision(client, settings, AlertQuery((), level, since, rule, until=end))
        if not rules:
            check_rule(client, settings, rule)
    of_all = total(rules)
    shown = [each for each in rules if each.closed] if form is Form.TABLE else rules
    LISTING.show(shown, form, beside={"total": of_all.as_dict()})
    if len(shown) < len(rules):
        note(f"no alert of {plural(len(rules) - len(shown), 'other rule')} was closed", form)
    if of_all.judged:
        right = of_all.as_["true-positive"]
        note(f"all rules: {right:,} of {of_all.judged:,} right ({of_all.ratio:.0%})", form)
    else:
        note("none was judged: trailhound alerts close ID --as true-positive", form)
