"""Renders messages with Jinja templates; the user's templates override the shipped ones.

Templates get an alert as `trailhound alerts show --json` prints it, without links in what events
say (`defused.py`), and its lines (`details.py`). They run in Jinja's sandbox;
HTML is escaped automatically, Markdown by the filter `plain`. If a template fails, this is logged
and the shipped one is used, so that the alert is still sent.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from detections.alerts.field_words import shared
from detections.alerts.summary import summary, usually_benign, who_of
from detections.alerts.text import one_line
from detections.incidents.significance import title_of
from detections.notify.defused import defused, unlinked
from detections.notify.details import added_up, details, folded, heading, placed
from detections.notify.health_report import HealthReport
from detections.notify.message import Message
from detections.rule import LEVELS
from trailhound.plural import plural

LOG = logging.getLogger("trailhound.notify")

SHIPPED: Final = Path(__file__).with_name("templates")
_SHIPPED_TEMPLATES: Final = FileSystemLoader(SHIPPED)
LONGEST_VALUE: Final = 300
MAX_VALUES: Final = 20
MAX_EVENTS: Final = 100
"""Events named in a message; `count` says how many there are."""
RULES_NAMED: Final = 10
REASONS_NAMED: Final = 10
LONGEST_REASON: Final = 500
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")

Format = str
_ALERT: Final[Mapping[Format, str]] = {
    "text": "alert.txt.j2",
    "html": "alert.html.j2",
    "markdown": "alert.markdown.j2",
}


class MessageRenderer:
    """Renders messages. `folder` contains templates that override the shipped ones."""

    def __init__(self, folder: Path | None = None) -> None:
        self._own = self._shipped = _shipped()
        if folder is not None:
            loader = ChoiceLoader([FileSystemLoader(folder.expanduser()), _SHIPPED_TEMPLATES])
            self._own = _environment(loader)

    def alert(
        self, alert: Mapping[str, Any], style: Format = "text", *, per_incident: bool = False
    ) -> Message:
        """An alert's message; `markup` is set if `style` is not plain text. `per_incident`: further
        alerts of its incident are not sent one by one, which the message says."""
        brief = shortened(alert)
        shown = defused(brief)
        level = told_level(alert)
        values = {
            "alert": shown,
            "level": level,
            "details": details(shown),
            "per_incident": per_incident,
        }
        return Message(
            key=message_key(alert),
            kind="alert",
            subject=one_line(self._render("subject.txt.j2", **values).strip(), LONGEST_VALUE),
            text=self._render(_ALERT["text"], **values),
            level=level,
            markup=self._render(_ALERT[style], **values) if style != "text" else "",
            alert=brief,
        )

    def digest(
        self, channel: str, key: str, levels: Mapping[str, int], per_minute: int, *, more: bool
    ) -> Message:
        """The number of alerts that wait because of the rate limit, by level. `more`: there are
        more, which were not read."""
        waiting = sum(levels.values())
        number = f"{waiting} or more" if more else f"{waiting}"
        return self._digest(
            "digest.txt.j2",
            key,
            f"{number} {'alert is' if number == '1' else 'alerts are'} held back",
            "held_back",
            levels,
            channel=channel,
            waiting=waiting,
            per_minute=per_minute,
            more=more,
        )

    def catch_up(
        self, key: str, levels: Mapping[str, int], rules: Mapping[str, int], span: str
    ) -> Message:
        """The number of alerts that a catch-up raised, by level and by rule (most alerts first:
        the first `RULES_NAMED` are named, the others counted)."""
        total = sum(levels.values())
        return self._digest(
            "catchup.txt.j2",
            key,
            f"{plural(total, 'alert')} for a time in which the scheduled rules did not run",
            "caught_up",
            levels,
            total=total,
            span=span,
            **_first_of(rules),
        )

    def learning(
        self,
        key: str,
        levels: Mapping[str, int],
        rules: Mapping[str, int],
        *,
        more: bool = False,
    ) -> Message:
        """The number of alerts that rules raised while they had too little history, by level and by
        rule. `more`: there are more, which were not read."""
        total = sum(levels.values())
        return self._digest(
            "learning.txt.j2",
            key,
            f"{'at least ' if more else ''}{plural(total, 'alert')} of rules that are still "
            "learning",
            "learning",
            levels,
            total=total,
            more=more,
            **_first_of(rules),
        )

    def health(self, key: str, state: HealthReport) -> Message:
        """What is wrong with Trailhound itself, or that it is ready again."""
        reasons = [
            {
                "message": unlinked(one_line(each["message"], LONGEST_REASON)),
                "advice": one_line(each["advice"], LONGEST_REASON),
            }
            for each in state.reasons[:REASONS_NAMED]
        ]
        more = max(0, len(state.reasons) - REASONS_NAMED)
        subject = "Trailhound is ready again"
        if not state.ready:
            first = reasons[0]["message"] if reasons else "for an unknown reason"
            number = f" (and {more + len(reasons) - 1} more)" if len(state.reasons) > 1 else ""
            subject = f"Trailhound does not work: {first}"[:LONGEST_VALUE] + number
        values = {"state": state, "reasons": reasons, "more": more}
        return Message(
            key=key,
            kind="health",
            subject=subject,
            text=self._render("health.txt.j2", **values),
            level="informational" if state.ready else "high",
            facts={"health": state.as_dict()},
        )

    def _digest(
        self,
        template: str,
        key: str,
        subject: str,
        fact: str,
        levels: Mapping[str, int],
        **values: Any,
    ) -> Message:
        """The number of alerts by level, the highest first. `fact`: what the number is named for
        programs; `values`: further ones of the template."""
        ordered = {level: levels[level] for level in reversed(LEVELS) if levels.get(level)}
        return Message(
            key=key,
            kind="digest",
            subject=subject,
            text=self._render(template, levels=ordered, **values),
            level=next(iter(ordered), "informational"),
            facts={fact: sum(levels.values()), "levels": ordered},
        )

    def _render(self, name: str, **values: Any) -> str:
        for environment in (self._own, self._shipped):
            try:
                return environment.get_template(name).render(values)
            except Exception as error:
                # A template can raise anything: a filter that is given another type, a file that
                # cannot be read, one that includes itself.
                if environment is self._shipped:
                    raise
                reason = str(error) or type(error).__name__
                LOG.warning("the template %s fails, the shipped one is used: %s", name, reason)
        raise AssertionError("the shipped template is the last")


def message_key(alert: Mapping[str, Any]) -> str:
    """The key by which receivers recognise an alert's message: the alert's id, with the level
    appended once that has risen, facts of its incident add up, or an attempt has succeeded, so that
    the second message is not taken for a repetition.

    >>> message_key({"id": "5f1c", "raised_from": "low", "level": "medium"})
    '5f1c-medium'
    """
    again = alert.get("raised_from") or alert.get("succeeded") or alert.get("adds_up")
    return f"{alert['id']}-{told_level(alert)}" if again else str(alert["id"])


def told_level(alert: Mapping[str, Any]) -> str:
    """The level of a message: that of its alert, or that to which facts of the incident add up.

    >>> told_level({"level": "medium", "adds_up": {"level": "high"}})
    'high'
    """
    return str((alert.get("adds_up") or alert)["level"])


def shortened(alert: Mapping[str, Any]) -> dict[str, Any]:
    """An alert (as `trailhound alerts show --json` prints it) for a message: a limited number of
    values of limited length, without its history and deliveries."""
    entity = {
        kind: [value[:LONGEST_VALUE] for value in values[:MAX_VALUES]]
        for kind, values in alert["entity"].items()
    }
    evidence = {
        name: value[:MAX_EVENTS] if isinstance(value, list) else value
        for name, value in alert.get("evidence", {}).items()
        if name != "query"
    }
    titles = [each["rule"]["name"] for each in (alert, *alert.get("twins", ()))]
    explained_by = [each["rule"] for each in (alert.get("explained_by"),) if each]
    return {
        **{name: value for name, value in alert.items() if name not in ("history", "delivery")},
        "title": title_of(titles, explained_by),
        "entity": entity,
        "who": _who(alert),
        "origin": alert.get("origin", {}),
        "evidence": evidence,
        "summary": alert.get("summary") or summary(alert),
    }


def _who(alert: Mapping[str, Any]) -> str:
    """Whom a subject names. A rule without a group may join people of several accounts, of whom the
    first alone would be taken for the only one."""
    accounts = len(alert["entity"].get("account", ()))
    several = len(alert["entity"].get("principal", ())) > 1 and accounts > 1
    return who_of(alert) + (f", in {accounts:,} accounts" if several else "")


@cache
def _shipped() -> ImmutableSandboxedEnvironment:
    """The shipped templates: compiled once for all channels, and for those of later settings."""
    return _environment(_SHIPPED_TEMPLATES)


def _environment(loader: BaseLoader) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters["plain"] = _plain
    made.filters["placed"] = placed
    made.filters["shared"] = shared
    made.filters["heading"] = heading
    made.filters["unlinked"] = unlinked
    made.filters["folded"] = folded
    made.filters["added_up"] = added_up
    made.filters["benign"] = usually_benign
    return made


def _plain(text: object) -> str:
    """Text with Markdown's characters escaped."""
    return _MARKDOWN.sub(r"\\\1", str(text))


def _first_of(rules: Mapping[str, int]) -> dict[str, Any]:
    """The rules that a digest names, with their numbers of alerts, and the number of others."""
    return {
        "rules": dict(islice(rules.items(), RULES_NAMED)),
        "more_rules": max(0, len(rules) - RULES_NAMED),
    }
