"""The yearly benefits and costs of watching a trail: the return on investment.

Every number is an assumption, for which the user can give another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from trailhound.errors import UsageError

LIST_PRICE: Final = Decimal("0.10")
"""US dollars for 100,000 data events ("AWS CloudTrail pricing", data events delivered to S3)."""
EVENTS: Final = "events"
"""The term whose number the ledger has counted; all others are assumptions."""
_PER: Final = 100_000
_DAYS: Final = 365

Side = Literal["benefit", "cost"]


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """The inputs of the calculation: dollars, hours, and numbers in a year. `breach_reduction` is a
    percentage."""

    hours_per_incident: Decimal = Decimal(20)
    incidents: Decimal = Decimal(24)
    responder_rate: Decimal = Decimal(150)
    breach_cost: Decimal = Decimal(4_240_000)
    breach_reduction: Decimal = Decimal(40)
    hours_per_audit: Decimal = Decimal(160)
    audits: Decimal = Decimal(2)
    auditor_rate: Decimal = Decimal(200)
    operations_hours: Decimal = Decimal(40)
    operator_rate: Decimal = Decimal(120)
    months: Decimal = Decimal(12)
    events: Decimal = Decimal(10_000_000)
    event_price: Decimal = Decimal("0.0001")
    insight_events: Decimal = Decimal(100_000)
    insight_price: Decimal = Decimal("0.0002")
    storage: Decimal = Decimal(500)
    tools: Decimal = Decimal(2_000)
    setup_hours: Decimal = Decimal(160)
    setup_rate: Decimal = Decimal(150)

    def at_list_price(self, events: int, price: Decimal = LIST_PRICE) -> Assumptions:
        """These assumptions with a counted number of events in a year, at a price for 100,000."""
        return replace(self, events=Decimal(events), event_price=price / _PER)


@dataclass(frozen=True)
class Term:
    """One line of the calculation; `amount` in dollars."""

    side: Side
    name: str
    calculation: str
    amount: Decimal


@dataclass(frozen=True)
class Returns:
    """The whole calculation."""

    terms: Sequence[Term]

    @property
    def benefits(self) -> Decimal:
        """Dollars of a year."""
        return self._sum("benefit")

    @property
    def costs(self) -> Decimal:
        """Dollars of a year."""
        return self._sum("cost")

    @property
    def percent(self) -> Decimal:
        """(benefits − costs) / costs, in percent. Raises `UsageError` where nothing costs."""
        if not self.costs:
            raise UsageError(
                "the costs are 0: a return on them can't be calculated",
                hint="give at least one cost, such as --storage",
            )
        return (self.benefits - self.costs) / self.costs * 100

    def _sum(self, side: Side) -> Decimal:
        return sum((each.amount for each in self.terms if each.side == side), Decimal(0))


def returns_of(given: Assumptions) -> Returns:
    """The calculation.

    >>> found = returns_of(Assumptions())
    >>> f"{found.benefits:,.0f} {found.costs:,.0f} {found.percent:,.0f}"
    '1,889,600 55,020 3,334'
    """
    months = (given.months, "{} months")
    return Returns(
        [
            _term(
                "benefit",
                "incident response",
                (given.hours_per_incident, "{} h"),
                (given.incidents, "{}"),
                (given.responder_rate, "${}"),
            ),
            _term(
                "benefit",
                "breach avoided",
                (given.breach_cost, "${}"),
                (given.breach_reduction / 100, "{}"),
            ),
            _term(
                "benefit",
                "audits",
                (given.hours_per_audit, "{} h"),
                (given.audits, "{}"),
                (given.auditor_rate, "${}"),
            ),
            _term(
                "benefit",
                "operations",
                (given.operations_hours, "{} h"),
                months,
                (given.operator_rate, "${}"),
            ),
            _term("cost", EVENTS, (given.events, "{}"), (given.event_price, "${}")),
            _term(
                "cost",
                "Insights events",
                (given.insight_events, "{}"),
                (given.insight_price, "${}"),
            ),
            _term("cost", "storage", (given.storage, "${}"), months),
            _term("cost", "tools", (given.tools, "${}"), months),
            _term("cost", "setting up", (given.setup_hours, "{} h"), (given.setup_rate, "${}")),
        ]
    )


def _term(side: Side, name: str, *factors: tuple[Decimal, str]) -> Term:
    amount = Decimal(1)
    for value, _ in factors:
        amount *= value
    return Term(
        side, name, " × ".join(form.format(grouped(each)) for each, form in factors), amount
    )


def grouped(value: Decimal) -> str:
    """A number for people, without zeros at its end.

    >>> grouped(Decimal("10000000")), grouped(Decimal("0.000001000")), grouped(Decimal("1E+2"))
    ('10,000,000', '0.000001', '100')
    """
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def yearly(records: int, days: int) -> int:
    """The number of records in a year, if there are `records` on `days`.

    >>> yearly(1_000, 10)
    36500
    """
    return round(records * _DAYS / days)
