"""Rules and channels of the settings that no daemon uses: it was started with other settings, or
has not loaded these yet; and settings that it loads only when it is started."""

from __future__ import annotations

from typing import Final

from opensearchpy import OpenSearch

from trailhound.app.backfill.undetected import rules_are_run
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.doctor.check import Check
from trailhound.settings import Settings
from trailhound.state.channels import Channels
from trailhound.state.daemons import Daemons
from trailhound.state.rule_checkpoints import RuleCheckpoints

_NAMED: Final = 3


def restarts(client: OpenSearch, settings: Settings) -> list[Check]:
    """Daemons that were sent SIGHUP for settings that only a restart applies."""
    waiting = [
        f"{each.host} {each.pid}: {', '.join(map(str, each.report['needs_restart']))}"
        for each in Daemons(client, settings).active()
        if each.report.get("needs_restart")
    ]
    if not waiting:
        return []
    more = f" and {len(waiting) - _NAMED:,} more" if len(waiting) > _NAMED else ""
    fact = f"daemons use the previous values of {'; '.join(waiting[:_NAMED])}{more}"
    return [Check("changed settings", "warning", fact, "restart these daemons")]


def loaded_settings(client: OpenSearch, settings: Settings) -> list[Check]:
    """A check of `trailhound doctor`, where there are any."""
    found = not_loaded(client, settings)
    if not found:
        return []
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return [
        Check(
            "loaded settings",
            "warning",
            f"no daemon uses {', '.join(found[:_NAMED])}{more} of these settings",
            "send SIGHUP to the daemons, or start them with these settings",
        )
    ]


def not_loaded(client: OpenSearch, settings: Settings) -> list[str]:
    """Each rule and channel, in words; empty where no daemon runs the rules.

    A daemon has a checkpoint of every rule that it runs, and the state of every channel. Raises
    `TrailhoundError`s and opensearch-py's exceptions.
    """
    if not settings.detections.scheduled or not rules_are_run(client, settings):
        return []
    checkpoints = RuleCheckpoints(client, settings).read()
    active = {name for name, each in checkpoints.items() if not each.inactive}
    rules = [rule for rule in rules_in_force(settings).alerting if rule.id not in active]
    channels = Channels(client, settings).all()
    return [
        *sorted(f"the rule {rule.title}" for rule in rules),
        *(f"the channel {it.name}" for it in settings.notify.channels if it.name not in channels),
    ]
