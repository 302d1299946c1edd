"""The estimate of costs that `trailhound aws setup --plan` shows."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural, safe, say, say_folded

with late_imports():
    from trailhound.aws.cost import Cost


_COST_INDENT: Final = 28


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
