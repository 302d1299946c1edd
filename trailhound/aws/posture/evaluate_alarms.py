"""Checks of section 4: a metric filter matches each event of a control, an alarm uses its metric,
and the alarm notifies somebody."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from trailhound.aws.names import TrailSetup
from trailhound.aws.posture.collect import metrics_of
from trailhound.aws.posture.evaluate_watching import other_account
from trailhound.aws.posture.facts import (
    LogGroupFacts,
    MetricFilterFacts,
    Refused,
    Reply,
    Scope,
    TrailFacts,
)
from trailhound.aws.posture.finding_builder import (
    Evaluator,
    Evaluators,
    FindingBuilder,
    aws,
    listed,
    plural,
    setup_command,
    unseen_regions,
    without_trails,
)
from trailhound.aws.posture.monitored import MONITORED, Monitored
from trailhound.posture import PostureFinding

_RISES: Final = frozenset(
    {"GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "GreaterThanUpperThreshold"}
)
_UNHEARD: Final = "notifies a topic without a confirmed subscription"


@dataclass
class _Coverage:
    """The events of a control that are matched and notified, over all log groups; and why others
    are not."""

    matched: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    by: list[str] = field(default_factory=list)
    """Alarms that notify somebody."""
    stops: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    """Topics without a confirmed subscription."""
    unseen: list[Refused] = field(default_factory=list)


def _evaluator_of(control: Monitored) -> Evaluator:
    def evaluate(of: FindingBuilder) -> Iterator[PostureFinding]:
        bare = list(without_trails(of))
        if bare:
            yield from bare
            return
        yield _ruled(of, control)

    return evaluate


def _ruled(of: FindingBuilder, control: Monitored) -> PostureFinding:
    """The finding of a control for an account, over all of its trails and log groups."""
    account = of.scope.account
    trails = [each for each in account.trails if each.is_logging is not False and each.log_group]
    wide = [each for each in trails if each.all_regions] or trails
    if not wide:
        if account.unlisted_regions:
            return unseen_regions(of)
        what = "no trail that logs has a log group"
        return of.failed(account.id, what, "trailhound aws setup --plan")
    labels = {f"{control.cis} {label}" for label in control.events}
    found, elsewhere = _Coverage(), []
    for trail in wide:
        group = of.scope.group(trail.log_group)
        if group is None:
            elsewhere.append(trail.log_group)
        else:
            _cover(found, group, labels)
    missing = labels - found.heard
    if not missing:
        state = [each.is_logging for each in wide]
        if True not in state:
            why = next(each for each in state if isinstance(each, Refused))
            return of.unknown(account.id, why)
        where = wide[0].log_group.split(":", 6)[6]
        return of.passed(where, f"notified by {listed(sorted(set(found.by)))}", wide[0].home)
    if elsewhere:
        return other_account(of, elsewhere[0])
    if found.unseen:
        return of.unknown(wide[0].log_group.split(":", 6)[6], found.unseen[0], region=wide[0].home)
    return _missing(of, control, wide[0], found, missing)


def _cover(found: _Coverage, group: LogGroupFacts, labels: set[str]) -> None:
    """Follows each filter of a log group to the alarms on its metrics and to their subscribers."""
    for seen in (group.described, group.filters, group.alarms):
        if isinstance(seen, Refused):
            found.unseen.append(seen)
            return
    assert not isinstance(group.filters, Refused)  # noqa: S101 - see above
    for each in group.filters:
        if isinstance(each.matches, Refused):
            found.unseen.append(each.matches)
            continue
        if mine := labels & each.matches:
            if each.counts_all:
                found.stops.append(f"filter {each.name} counts ordinary events too")
                continue
            found.matched |= mine
            if _is_heard(found, group, each):
                found.heard |= mine


def _is_heard(found: _Coverage, group: LogGroupFacts, each: MetricFilterFacts) -> bool:
    """Whether an alarm on one of a filter's metrics notifies somebody."""
    assert not isinstance(group.alarms, Refused)  # noqa: S101 - `_cover` asked before
    alarms = [alarm for alarm in group.alarms if set(each.metrics) & set(metrics_of(alarm))]
    if not alarms:
        found.stops.append(f"filter {each.name} has no alarm on its metric")
    heard = False
    for alarm in alarms:
        why = _silent(found, group, alarm)
        if why:
            found.stops.append(f"alarm {alarm['AlarmName']} {why}")
        elif why is not None:
            found.by.append(f"alarm {alarm['AlarmName']}{_slow(alarm)}")
            heard = True
    return heard


def _slow(alarm: Reply) -> str:
    threshold, period = alarm.get("Threshold") or 1, alarm.get("Period")
    return f" (from {threshold:g} in {period} s)" if threshold > 1 and period else ""


def _silent(found: _Coverage, group: LogGroupFacts, alarm: Reply) -> str | None:
    """Why an alarm notifies nobody; empty if it notifies somebody, None if that is not known."""
    if alarm.get("ComparisonOperator") not in _RISES:
        return f"does not rise with events ({alarm.get('ComparisonOperator')})"
    if not alarm.get("ActionsEnabled", True):
        return "has its actions disabled"
    actions = alarm.get("AlarmActions") or ()
    if not actions:
        return "has no action"
    unsure = False
    for action in actions:
        if action not in group.topics:
            return ""  # no topic: a function, an incident, an operation
        subscriptions = group.topics[action]
        if isinstance(subscriptions, Refused):
            found.unseen.append(subscriptions)
            unsure = True
        elif any(str(each["SubscriptionArn"]).startswith("arn:") for each in subscriptions):
            return ""
        else:
            found.topics.append(action)
    return None if unsure else _UNHEARD


def _missing(
    of: FindingBuilder, control: Monitored, trail: TrailFacts, found: _Coverage, missing: set[str]
) -> PostureFinding:
    """The finding for a control that is not covered: what is missing, and the fix."""
    group = trail.log_group.split(":", 6)[6]
    short = [label.removeprefix(f"{control.cis} ") for label in sorted(missing)]
    unmatched = sorted(missing - found.matched)
    events = listed(short, 3)
    if unmatched and len(unmatched) < len(control.events):
        events = listed([label.removeprefix(f"{control.cis} ") for label in unmatched], 3)
    evidence = (
        f"no metric filter matches {events}"
        if unmatched
        else f"no notification of {plural(len(short), 'kind')} of event: {events}"
    )
    if not unmatched and found.stops and all(_UNHEARD in each for each in found.stops):
        # The same of every control, so that a terminal says it once.
        names = [each.split(":")[-1] for each in dict.fromkeys(found.topics)]
        evidence = f"its alarm notifies topic {listed(names, 2)}: no confirmed subscription"
    elif found.stops:
        evidence += f"; {listed(list(dict.fromkeys(found.stops)), 2)}"
    return of.failed(
        group, evidence, _fix(control, trail, of.scope, found, bool(unmatched)), trail.home
    )


def _fix(
    control: Monitored, trail: TrailFacts, scope: Scope, found: _Coverage, unmatched: bool
) -> str:
    setup = TrailSetup(account=trail.owner, region=trail.home, name=trail.name)
    if not unmatched and found.topics:
        topic = found.topics[0]
        ours = topic == setup.alarm_topic_arn and setup_command(
            trail, scope, "--subscribe", "ADDRESS"
        )
        return ours or aws(
            *("sns", "subscribe", "--topic-arn", topic, "--protocol", "email"),
            *("--notification-endpoint", "ADDRESS", "--region", topic.split(":")[3]),
        )
    group = trail.log_group.split(":", 6)[6]
    region = trail.log_group.split(":")[3]
    words = ["trailhound", "aws", "alarms", "--plan", "--region", region]
    if control.metric:
        words.append("--cis")
    if group != setup.log_group:
        words += ["--log-group", group, "--topic", "TOPIC_ARN"]
    elif trail.name != "trailhound":
        words += ["--name", trail.name]
    return shlex.join(words)


EVALUATORS: Final[Evaluators] = {each.check: _evaluator_of(each) for each in MONITORED}
