"""The estimate of costs that `trailhound aws setup --plan` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import typer
from rich.text import Text

from trailhound.cli.aws_options import is_given
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural, safe, say, say_folded

with late_imports():
    from trailhound.aws.cost import Cost, bytes_of_a_file, event_costs, storage_costs
    from trailhound.aws.documents import INSIGHTS
    from trailhound.aws.names import TrailSetup


_COST_INDENT: Final = 28
ESTIMATE: Final = frozenset(
    ("data_events_a_day", "management_events_a_day", "files_a_day", "file_bytes")
)
"""The parameters of `aws setup` that have the numbers of the estimate."""


@dataclass(frozen=True, slots=True)
class Volume:
    """The numbers that the estimate of costs assumes. `file_bytes` of None: derived from the
    others."""

    data_events_a_day: int
    management_events_a_day: int
    files_a_day: int
    file_bytes: int | None

    def costs(self, wanted: TrailSetup, years: int) -> list[Cost]:
        """The estimated costs of a set-up over so many years."""
        events = self.management_events_a_day
        events += self.data_events_a_day if wanted.data_events else 0
        return event_costs(
            data_events_a_day=self.data_events_a_day,
            management_events_a_day=self.management_events_a_day,
            insights=len(INSIGHTS) if wanted.insights else 0,
            data=wanted.data_events,
            years=years,
        ) + storage_costs(
            files_a_day=self.files_a_day,
            file_bytes=self.file_bytes or bytes_of_a_file(self.files_a_day, events),
            years=years,
        )


def assumed_flags(context: typer.Context) -> list[str]:
    """The flags of those numbers of the estimate that were not given."""
    return [
        each.opts[0]
        for each in context.command.params
        if each.name in ESTIMATE and not is_given(context, each.name)
    ]


def show_costs(costs: list[Cost], assumed: list[str], *, move_small: bool) -> None:
    """Each cost a month and in total, and their sum.

    The last two costs are the two ways to store the files: the one that the set-up does not use
    (see `move_small`) is listed below the sum, not added. `assumed`: flags whose numbers are
    defaults.
    """
    left_out = costs[-2 if move_small else -1]
    counted = [each for each in costs if each is not left_out]
    years = left_out.years
    say("")
    say(f"estimated costs in US dollars, over {plural(years, 'year')} in which no file is deleted:")
    say(f"  {'a month':>10}  {'in all':>12}")
    for cost in counted:
        say_folded(_cost_line(cost.monthly, cost.total, cost.of), _COST_INDENT)
    total = sum(each.total for each in counted)
    say_folded(_cost_line(total / (12 * years), total, "sum"), _COST_INDENT)
    say("not in the sum:")
    say_folded(_cost_line(left_out.monthly, left_out.total, left_out.of), _COST_INDENT)
    if assumed:
        flags = ", ".join(assumed)
        say_folded(safe(f"assumed, not measured: give your own numbers with {flags}"), 2)
    say("")


def _cost_line(monthly: float, total: float, of: str) -> Text:
    return safe(f"  {monthly:>10,.2f}  {total:>12,.2f}  {of}")
