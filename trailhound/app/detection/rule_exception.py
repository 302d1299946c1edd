"""Makes an exception from a false positive: proposes it from the alert's events, has it tried, and
saves it where the settings look for exceptions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from opensearchpy import OpenSearch
from sigma.rule import SigmaRule

from detections.alerts.text import one_line
from detections.correlations.correlation import Correlation
from detections.kinds.anomaly import Anomaly
from detections.matcher import SigmaMatcher
from detections.packs.chosen import excusing
from detections.packs.loading import load
from detections.packs.narrowing import (
    NAMES,
    NETWORK_ROOTS,
    Condition,
    choose,
    exception_content,
    written,
)
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule
from detections.span import Span
from trailhound.app.detection.events_of_alerts import in_parts, read_events
from trailhound.app.detection.exception_trial import (
    Effect,
    alerts_of_rule,
    compared_rules,
    effect_on,
    time_of_trial,
    tried,
)
from trailhound.errors import UnusablePathError, UsageError
from trailhound.settings import DetectionSettings, Settings

_LONGEST_TITLE: Final = 256
"""Of a rule's title, by Sigma's specification."""
_MONOTONE: Final = frozenset({"gt", "gte"})
"""Comparisons of a threshold that fewer events never meet where more do not."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An exception made from an alert. `narrows` are the rules whose events it leaves out: the rule
    of the alert, or those that a correlation counts. `compared` other rules stay unchanged."""

    alert: Mapping[str, Any]
    rule: Rule
    narrows: tuple[SigmaRule, ...]
    conditions: tuple[Condition, ...]
    content: Mapping[str, Any]
    effect: Effect
    compared: int

    @property
    def text(self) -> str:
        """The file's content."""
        return written(self.content)

    @property
    def file_name(self) -> str:
        """From the rule's title and the exception's id, so that the same exception has the same
        name."""
        words = re.findall(r"[a-z0-9]+", self.rule.title.lower())
        return f"{'-'.join(words)[:60].strip('-')}-{self.content['id'][:8]}.yml"


def chosen(proposal: Proposal) -> list[str]:
    """The fields of an exception by which any caller can have its own events left out."""
    detection = {name: each for name, each in proposal.content["filter"].items() if name != "rules"}
    return sorted(excusing(SigmaMatcher.from_detection(detection).root))


def propose(
    client: OpenSearch,
    settings: Settings,
    alert: Mapping[str, Any],
    *,
    by: Sequence[str] = (),
    principal: str | None = None,
    author: str,
    expires: date | None = None,
    span: Span | None = None,
) -> Proposal:
    """The exception by which an alert would not have been raised.

    `by`: fields, or names of `narrowing.NAMES`, that distinguish the events of the alert, or of one
    `principal` of several (a name or an ARN); it applies up to the day on which it `expires`, and
    is tried on the alerts of `span`. Raises `UsageError` if no exception narrows the alert's rule
    alone, and `ClusterError`.
    """
    now = datetime.now(UTC)
    pack = load(settings.detections)
    rule = _rule(pack, alert)
    narrows = _narrowed(pack, rule)
    events = _events(client, settings, alert)
    if not events:
        raise UsageError(
            f"none of the events of the alert {alert['id']} is in the index any more",
            hint="take a later alert of the rule",
        )
    if principal is not None:
        events = _of(principal, events, alert)
    since, until = time_of_trial(alert, now, span)
    alerts = alerts_of_rule(client, settings, alert, since, until)
    counted = None
    if _counts_calls(rule) and not by:
        roots = [f"{each}*" for each in (*NETWORK_ROOTS, "trail")]
        parts = in_parts(alerts.values())
        counted = (
            event for part in parts for _, event in read_events(client, settings, part, roots)
        )
    conditions = choose(events, by, counted)
    names = [principal] if principal else alert["entity"].get("principal", ())[:2]
    who = ", ".join(names) or alert["id"]
    content = exception_content(
        narrows,
        conditions,
        title=one_line(f"{rule.title}: {who}", _LONGEST_TITLE),
        description=f"From the alert {alert['id']}: {alert['summary']}",
        author=author,
        today=now.date(),
        expires=expires,
    )
    after, matcher = tried(content, settings.detections)
    compared = compared_rules(pack, after, rule, narrows, events)
    effect = effect_on(client, settings, alert, alerts, matcher, conditions, (since, until))
    return Proposal(
        alert=alert,
        rule=rule,
        narrows=narrows,
        conditions=conditions,
        content=content,
        effect=effect,
        compared=compared,
    )


def save(proposal: Proposal, folder: Path) -> Path:
    """Write the exception. Raises `UsageError` if it exists already, `UnusablePathError` if it
    can't be written."""
    file = folder / proposal.file_name
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(proposal.text)
    except FileExistsError:
        raise UsageError(
            f"this exception is there already: {file}", hint="edit that file, or use --by"
        ) from None
    except OSError as error:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        raise UnusablePathError(
            f"the exception can't be written to {file}: {error.strerror}",
            hint="check the folder's permissions, or use --dry-run and save what it prints",
        ) from None
    return file


def exceptions_folder(settings: DetectionSettings) -> Path:
    """The first folder of `detections.exceptions`, else of `detections.rules`. Raises
    `UsageError` where none is set."""
    for path in (*settings.exceptions, *settings.rules):
        if path.expanduser().is_dir():
            return path.expanduser()
    raise UsageError(
        "no folder for exceptions is set",
        hint="make one, and name it in the settings: detections: {exceptions: [/etc/trailhound/"
        "exceptions]}; --dry-run prints the exception",
    )


def _rule(pack: Pack, alert: Mapping[str, Any]) -> Rule:
    for rule in (*pack.rules, *pack.disabled):
        if rule.id == alert["rule"]["id"]:
            return rule
    raise UsageError(
        f"the rule {alert['rule']['name']!r} of this alert is not among the active ones",
        hint="see `trailhound rules list`; a rule that is gone raises nothing more",
    )


def _narrowed(pack: Pack, rule: Rule) -> tuple[SigmaRule, ...]:
    """The rules whose events an exception leaves out. Raises `UsageError` where another rule
    would be narrowed with them, or fewer events would raise more alerts."""
    leaves = _leaves(rule)
    if rule.is_correlation and not _is_monotone(Correlation.of(rule.definition)):
        raise UsageError(
            f"{rule.title!r} is raised by events that are missing or few: an exception, which "
            "leaves events out, could raise it more often",
            hint="narrow the rule itself, or switch it off: docs/rules.md",
        )
    ids = {rule_id(each) for each in leaves}
    others = [
        each
        for each in (*pack.rules, *pack.disabled)
        if each.alerts and each.id != rule.id and ids & {rule_id(leaf) for leaf in _leaves(each)}
    ]
    if others:
        shared = ", ".join(repr(each.title) for each in leaves)
        raise UsageError(
            f"the events of {shared} also raise {', '.join(repr(each.title) for each in others)}: "
            f"an exception would narrow more than {rule.title!r}",
            hint="write the exception by hand if that is meant, else give the rule a base rule of "
            "its own: docs/rules.md",
        )
    return leaves


def _leaves(rule: Rule) -> tuple[SigmaRule, ...]:
    if rule.is_correlation:
        return tuple(Correlation.of(rule.definition).leaves())
    return (rule.events,) if rule.events is not None else ()


def _is_monotone(correlation: Correlation) -> bool:
    """Whether fewer events never meet the condition where more events do not."""
    expression = correlation.expression
    if correlation.threshold.op not in _MONOTONE or "NOT" in repr(expression):
        return False
    inner = (each.rule for each in correlation.parts if isinstance(each.rule, Correlation))
    return all(map(_is_monotone, inner))


def _counts_calls(rule: Rule) -> bool:
    """Whether a rule counts any calls of principals."""
    return isinstance(rule.definition, Anomaly) and not {*NAMES["principal"]}.isdisjoint(
        rule.definition.group_by
    )


def _of(
    principal: str, events: Sequence[dict[str, Any]], alert: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The events of one principal. Raises `UsageError` if it made none of them."""
    found = []
    for each in events:
        names = (each.get("user") or {}).get("name"), (each.get("userIdentity") or {}).get("arn")
        if principal in names:
            found.append(each)
    if not found:
        named = ", ".join(alert["entity"].get("principal", ())) or "nobody"
        raise UsageError(
            f"no event of the alert {alert['id']} is by {principal!r}", hint=f"it names {named}"
        )
    return found


def _events(
    client: OpenSearch, settings: Settings, alert: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The first thousand events that an alert names, whole, each once."""
    found: dict[str, dict[str, Any]] = {}
    for part in islice(in_parts([alert]), 1):
        for name, event in read_events(client, settings, part):
            found.setdefault(name, event)  # the same `_id` may be in several days: forged
    return list(found.values())
