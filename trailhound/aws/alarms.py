"""The alarms in an account: their parts, and whether AWS reads the patterns as we do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import detections
from detections.samples import read_samples
from trailhound.aws.account import Account
from trailhound.aws.alarm_catalogue import (
    ALARMS,
    MOST_FILTERS,
    MOST_REGEX_FILTERS,
    PERIOD,
    Alarm,
    MetricFilter,
    filters,
    regexes,
)
from trailhound.aws.cis_alarms import CIS_ALARMS, events_of
from trailhound.aws.names import TAG, TrailSetup
from trailhound.aws.parts import Part, Value, members, planned
from trailhound.aws.posture.monitored import ORDINARY
from trailhound.aws.refusals import refusals
from trailhound.aws.setup_parts import part_of, tags_of
from trailhound.batching import batched
from trailhound.errors import AwsError, TrailhoundError
from trailhound.plural import plural

_TOGETHER: Final = 50
"""Messages that TestMetricFilter takes at once."""
_RULES: Final = Path(detections.__file__).parent / "rules" / "alarms"
_FILTER: Final = ("filterPattern", "metricTransformations")
_METRIC: Final = ("metricName", "metricNamespace", "metricValue", "defaultValue")

Verdict = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True)
class AlarmFinding:
    """The result of `--check` for one alarm, filter or topic; `unknown`: AWS refused the
    request."""

    name: str
    verdict: Verdict
    detail: str

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "verdict": self.verdict, "detail": self.detail}


@dataclass(frozen=True)
class Alarms:
    """The alarms of a set-up: over its log group, sent to its topic."""

    account: Account
    setup: TrailSetup
    log_group: str
    topic_arn: str
    adopt: bool = False
    cis: bool = False
    """Whether the further alarms of the CIS benchmark are included."""

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return (*ALARMS, *CIS_ALARMS) if self.cis else ALARMS

    def parts(self) -> list[Part]:
        """Filters, alarms and their tags. Raises `AwsError` where the log group or the topic is not
        there, or has no room for the filters."""
        self._check_room()
        return self._parts()

    def _parts(self) -> list[Part]:
        found = [self._filter_part(each) for each in filters(self.alarms)]
        for alarm in self.alarms:
            found += self._alarm_parts(alarm)
        return found

    def existing_filters(self, begin: str = "") -> list[dict[str, Any]]:
        """The metric filters of the log group whose names begin with `begin`. Raises `AwsError`."""
        named = {"filterNamePrefix": begin} if begin else {}
        with refusals(f"log group {self.log_group}"):
            pages = self.account.client("logs").get_paginator("describe_metric_filters")
            return [
                dict(each)
                for page in pages.paginate(logGroupName=self.log_group, **named)
                for each in page["metricFilters"]
            ]

    def _check_room(self) -> None:
        logs, sns = self.account.client("logs"), self.account.client("sns")
        with refusals(f"log group {self.log_group}"):
            pages = logs.get_paginator("describe_log_groups")
            groups = [
                each["logGroupName"]
                for page in pages.paginate(logGroupNamePrefix=self.log_group)
                for each in page["logGroups"]
            ]
        if self.log_group not in groups:
            raise AwsError(
                f"there is no log group {self.log_group}",
                hint="run `trailhound aws setup --apply`, or name the trail's with --log-group",
            )
        with refusals(f"topic {self.topic_arn}"):
            sns.get_topic_attributes(TopicArn=self.topic_arn)
        own = {each.name for each in filters(self.alarms)}
        others = [each for each in self.existing_filters() if each["filterName"] not in own]
        if len(others) + len(own) > MOST_FILTERS:
            raise AwsError(
                f"log group {self.log_group} has {len(others)} other metric filters: "
                f"{len(own)} more are over the limit of {MOST_FILTERS}",
                hint="delete filters that nobody needs",
            )
        theirs = sum(bool(regexes(each.get("filterPattern", ""))) for each in others)
        ours = sum(bool(regexes(each.pattern)) for each in filters(self.alarms))
        if theirs + ours > MOST_REGEX_FILTERS:
            raise AwsError(
                f"log group {self.log_group} has {theirs} other filters with a regular "
                f"expression: {ours} more are over the limit of {MOST_REGEX_FILTERS}",
                hint="delete some of them, or write them without",
            )

    def _filter_part(self, wanted: MetricFilter) -> Part:
        logs = self.account.client("logs")

        def read() -> Value:
            there = [
                each
                for each in self.existing_filters(wanted.name)
                if each["filterName"] == wanted.name
            ]
            if not there:
                return None
            found = {key: there[-1][key] for key in _FILTER}
            found["metricTransformations"] = [
                {key: each[key] for key in _METRIC if key in each}
                for each in found["metricTransformations"]
            ]
            return found

        return part_of(
            f"filter {wanted.name}",
            {
                "filterPattern": wanted.pattern,
                "metricTransformations": [
                    {
                        "metricName": wanted.metric,
                        "metricNamespace": wanted.namespace,
                        "metricValue": "1",
                        "defaultValue": 0.0,
                    }
                ],
            },
            read,
            lambda then, _now: logs.put_metric_filter(
                logGroupName=self.log_group, filterName=wanted.name, **then
            ),
        )

    def _alarm_parts(self, alarm: Alarm) -> Iterator[Part]:
        cloudwatch = self.account.client("cloudwatch")
        what = f"alarm {alarm.alarm_name}"
        wanted = {
            "AlarmDescription": f"{alarm.name}: {alarm.severity}, by Trailhound",
            "ActionsEnabled": True,
            "AlarmActions": [self.topic_arn],
            "MetricName": alarm.name,
            "Namespace": alarm.filter.namespace,
            "Statistic": "Sum",
            "Period": PERIOD,
            "EvaluationPeriods": 1,
            "Threshold": float(alarm.threshold),
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }
        arn = (
            f"arn:{self.setup.partition}:cloudwatch:{self.setup.region}:{self.setup.account}:"
            f"alarm:{alarm.alarm_name}"
        )

        def tags() -> dict[str, str]:
            return tags_of(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"])

        def read() -> Value:
            there = cloudwatch.describe_alarms(AlarmNames=[alarm.alarm_name])["MetricAlarms"]
            if not there:
                return None
            if tags().get(TAG) != self.setup.name and not self.adopt:
                raise AwsError(
                    f"{what} exists already, and was not made by this set-up (it has no tag "
                    f"{TAG}={self.setup.name})",
                    hint="delete it, or --adopt to change it",
                )
            return {key: there[0][key] for key in wanted if key in there[0]}

        def with_other_actions(now: Value, wanted: Value) -> Value:
            others = [
                each for each in (now or {}).get("AlarmActions", ()) if each != self.topic_arn
            ]
            return members(now, wanted) | {"AlarmActions": [self.topic_arn, *others]}

        labels = {
            "AlertType": alarm.kind,
            "Severity": alarm.severity.upper(),
            "Source": "CloudTrail",
        }
        own = labels | ({} if self.adopt else self.setup.tags)
        listed = [{"Key": key, "Value": value} for key, value in own.items()]
        yield part_of(
            what,
            wanted,
            read,
            lambda then, now: cloudwatch.put_metric_alarm(
                AlarmName=alarm.alarm_name, **then, **({} if now else {"Tags": listed})
            ),
            with_other_actions,
        )
        yield part_of(
            f"{what}: tags",
            labels,
            lambda: {key: value for key, value in tags().items() if key in labels} or None,
            lambda then, _now: cloudwatch.tag_resource(
                ResourceARN=arn,
                Tags=[{"Key": key, "Value": value} for key, value in then.items()],
            ),
            members,
            needs=what,
        )

    def checked(self) -> Iterator[AlarmFinding]:
        """Differences from the plan; whether AWS matches each pattern with the samples of its rule;
        whether the topic has a confirmed subscription. A refused request is a finding `unknown`,
        and the other checks continue."""
        try:
            self._check_room()
        except AwsError as error:
            yield AlarmFinding("log group and topic", "failed", _said(error))
        refused: list[AlarmFinding] = []
        changes = planned(
            self._parts(),
            lambda part, error: refused.append(AlarmFinding(part.name, "unknown", _said(error))),
        )
        differing = [each for each in changes if each.action != "unchanged"]
        for each in differing:
            detail = f"{each.action} is due: `trailhound aws alarms --apply`"
            yield AlarmFinding(each.part.name, "failed", detail)
        if not differing and changes:
            yield AlarmFinding(
                "filters and alarms", "ok", f"{plural(len(changes), 'part')} of it as planned"
            )
        yield from refused
        for alarm in self.alarms:
            try:
                yield self._tested(alarm)
            except AwsError as error:
                yield AlarmFinding(alarm.filter.name, "unknown", _said(error))
        try:
            yield self._subscribers()
        except AwsError as error:
            yield AlarmFinding(self.topic_arn, "unknown", _said(error))

    def _tested(self, alarm: Alarm) -> AlarmFinding:
        """Tests the pattern with the samples of its rule, or the calls of the CIS control, by
        TestMetricFilter. Raises `AwsError`."""
        if alarm.cis:
            return self._agrees(
                alarm,
                [(True, [each]) for each in events_of(alarm)] + [(False, list(ORDINARY))],
                f"of CIS {alarm.cis}",
            )
        read = read_samples(_RULES / f"{alarm.rule}.yml")
        cases = [(True, each) for each in read.match]
        # With an exception or a threshold, samples that the rule does not find may match the
        # pattern.
        if not alarm.excepted and alarm.threshold == 1:
            cases += [(False, each) for each in read.no_match]
        return self._agrees(alarm, cases, "of its rule")

    def _agrees(
        self, alarm: Alarm, cases: Sequence[tuple[bool, Sequence[Any]]], samples: str
    ) -> AlarmFinding:
        """Whether the events of each case fire the alarm, as they should or should not."""
        for fires, events in cases:
            matched = self._matched(alarm, [json.dumps(each, default=str) for each in events])
            if (matched >= alarm.threshold) != fires:
                wanted = "at least" if fires else "fewer than"
                return AlarmFinding(
                    alarm.filter.name,
                    "failed",
                    f"TestMetricFilter matches {matched} of {len(events)} sample events; "
                    f"expected: {wanted} {alarm.threshold}",
                )
        return AlarmFinding(
            alarm.filter.name,
            "ok",
            f"TestMetricFilter agrees on {plural(len(cases), 'sample')} {samples}",
        )

    def _matched(self, alarm: Alarm, messages: list[str]) -> int:
        logs = self.account.client("logs")
        matched = 0
        with refusals(f"filter {alarm.filter.name}"):
            for some in batched(messages, _TOGETHER):
                reply = logs.test_metric_filter(
                    filterPattern=alarm.pattern,
                    logEventMessages=some,
                )
                matched += len(reply["matches"])
        return matched

    def _subscribers(self) -> AlarmFinding:
        sns = self.account.client("sns")
        with refusals(f"topic {self.topic_arn}"):
            pages = sns.get_paginator("list_subscriptions_by_topic").paginate(
                TopicArn=self.topic_arn
            )
            there = [each for page in pages for each in page["Subscriptions"]]
        confirmed = [each for each in there if each["SubscriptionArn"].startswith("arn:")]
        if confirmed:
            return AlarmFinding(
                self.topic_arn, "ok", plural(len(confirmed), "confirmed subscription")
            )
        detail = "nobody has subscribed: `trailhound aws setup --apply --subscribe ADDRESS`"
        if there:
            detail = f"{plural(len(there), 'subscription')} not confirmed yet by the subscribers"
        return AlarmFinding(self.topic_arn, "warning", detail)


def _said(error: TrailhoundError) -> str:
    return f"{error.message}; {error.hint}"
