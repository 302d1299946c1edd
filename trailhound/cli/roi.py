"""`trailhound roi`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from trailhound.aws.returns import LIST_PRICE, Assumptions
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import plural
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from trailhound.app.search.ledger import LedgerSearch
    from trailhound.app.search.measured_volume import MeasuredVolume, measure_volume
    from trailhound.aws.returns import EVENTS, Returns, grouped, returns_of, yearly
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings


_BENEFITS, _COSTS = "Benefits of a year", "Costs of a year"
_MOST = Decimal(10) ** 15


def _number(text: str | Decimal) -> Decimal:
    """A number of zero or more; commas are allowed."""
    try:
        number = Decimal(str(text).replace(",", "").removeprefix("$"))
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number") from None
    if not number.is_finite() or not 0 <= number <= _MOST:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to {_MOST:,f}")
    return number


def _input(help_: str, panel: str) -> Any:
    return typer.Option(parser=_number, metavar="N", help=help_, rich_help_panel=panel)


@dataclass(frozen=True)
class _Row:
    """A row of the table; the last rows are sums. Amounts are dollars or a percentage."""

    side: str
    item: str
    calculation: str
    amount: Decimal
    measured_calculation: str | None = None
    measured_amount: Decimal | None = None
    basis: str = "assumed"


def _plain(amount: Decimal | None) -> float | int | None:
    """An amount for JSON, rounded to the cent."""
    if amount is None:
        return None
    rounded = round(amount, 2)
    return int(rounded) if rounded == int(rounded) else float(rounded)


LISTING = Listing[_Row](
    "items",
    (
        Column("side", lambda each: each.side, "side", ColumnType.ENTIRE),
        Column("item", lambda each: each.item, "item", ColumnType.ENTIRE),
        Column("calculation", lambda each: each.calculation, "calculation", whole=True),
        Column("amount", lambda each: _plain(each.amount), "amount", ColumnType.NUMBER),
        Column(
            "measured_calculation",
            lambda each: each.measured_calculation,
            "as measured",
            priority=1,
            whole=True,
        ),
        Column(
            "measured_amount",
            lambda each: _plain(each.measured_amount),
            "with measured events",
            ColumnType.NUMBER,
            priority=1,
        ),
        Column("basis", lambda each: each.basis, "basis", priority=1),
    ),
    lambda each: {
        "side": each.side,
        "item": each.item,
        "calculation": each.calculation,
        "amount": _plain(each.amount),
        "measured_calculation": each.measured_calculation,
        "measured_amount": _plain(each.measured_amount),
        "basis": each.basis,
    },
)
_NOT_MEASURED = Listing[_Row](LISTING.name, LISTING.columns[:4], LISTING.record)
"""The listing without `--measured`, which lacks the two columns of measured values."""


def roi(
    hours_per_incident: Annotated[
        Decimal, _input("Hours saved on an incident.", _BENEFITS)
    ] = Assumptions.hours_per_incident,
    incidents: Annotated[
        Decimal, _input("Incidents in a year.", _BENEFITS)
    ] = Assumptions.incidents,
    responder_rate: Annotated[
        Decimal, _input("Dollars an hour of those who respond.", _BENEFITS)
    ] = Assumptions.responder_rate,
    breach_cost: Annotated[
        Decimal, _input("Dollars that a breach costs.", _BENEFITS)
    ] = Assumptions.breach_cost,
    breach_reduction: Annotated[
        Decimal, _input("Percent by which that is reduced.", _BENEFITS)
    ] = Assumptions.breach_reduction,
    hours_per_audit: Annotated[
        Decimal, _input("Hours saved on an audit.", _BENEFITS)
    ] = Assumptions.hours_per_audit,
    audits: Annotated[Decimal, _input("Audits in a year.", _BENEFITS)] = Assumptions.audits,
    auditor_rate: Annotated[
        Decimal, _input("Dollars an hour of those who prepare audits.", _BENEFITS)
    ] = Assumptions.auditor_rate,
    operations_hours: Annotated[
        Decimal, _input("Hours of operation saved in a month.", _BENEFITS)
    ] = Assumptions.operations_hours,
    operator_rate: Annotated[
        Decimal, _input("Dollars an hour of those who operate.", _BENEFITS)
    ] = Assumptions.operator_rate,
    months: Annotated[
        Decimal, _input("Months that what is monthly counts.", _COSTS)
    ] = Assumptions.months,
    events: Annotated[Decimal, _input("Events in a year.", _COSTS)] = Assumptions.events,
    event_price: Annotated[
        Decimal, _input("Dollars for one of them.", _COSTS)
    ] = Assumptions.event_price,
    insight_events: Annotated[
        Decimal, _input("Insights events in a year.", _COSTS)
    ] = Assumptions.insight_events,
    insight_price: Annotated[
        Decimal, _input("Dollars for one of them.", _COSTS)
    ] = Assumptions.insight_price,
    storage: Annotated[
        Decimal, _input("Dollars a month for storage.", _COSTS)
    ] = Assumptions.storage,
    tools: Annotated[
        Decimal, _input("Dollars a month for what analyses the events.", _COSTS)
    ] = Assumptions.tools,
    setup_hours: Annotated[
        Decimal, _input("Hours to set it up.", _COSTS)
    ] = Assumptions.setup_hours,
    setup_rate: Annotated[
        Decimal, _input("Dollars an hour of those who set it up.", _COSTS)
    ] = Assumptions.setup_rate,
    from_ledger: Annotated[
        bool,
        typer.Option(
            "--measured",
            help="Add the same estimate for the measured volume of the ledger, at list price.",
        ),
    ] = False,
    list_price: Annotated[
        Decimal, _input("With --measured: dollars for 100,000 data events.", _COSTS)
    ] = LIST_PRICE,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Estimate the yearly value of watching the trail against its costs.

    Every number is an assumption that a flag can change.

    Examples: `trailhound roi`, `trailhound roi --incidents 6 --storage 120 --measured`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    given = Assumptions(
        hours_per_incident=hours_per_incident,
        incidents=incidents,
        responder_rate=responder_rate,
        breach_cost=breach_cost,
        breach_reduction=breach_reduction,
        hours_per_audit=hours_per_audit,
        audits=audits,
        auditor_rate=auditor_rate,
        operations_hours=operations_hours,
        operator_rate=operator_rate,
        months=months,
        events=events,
        event_price=event_price,
        insight_events=insight_events,
        insight_price=insight_price,
        storage=storage,
        tools=tools,
        setup_hours=setup_hours,
        setup_rate=setup_rate,
    )
    if breach_reduction > 100:
        raise UsageError("--breach-reduction is over 100 percent", hint="give 0 to 100")
    assumed = returns_of(given)
    assumed.percent  # noqa: B018 - it must exist before a cluster is asked
    volume = _volume(settings) if from_ledger else None
    beside: dict[str, Any] = _sums(assumed)
    if volume is None:
        rows = list(_rows(assumed, None))
    else:
        events_a_year = yearly(volume.records, volume.days)
        real = returns_of(given.at_list_price(events_a_year, list_price))
        rows = list(_rows(assumed, real))
        beside["measured"] = _sums(real) | {
            "events_a_year": events_a_year,
            "records": volume.records,
            "days": volume.days,
            "first_day": volume.first.isoformat(),
            "last_day": volume.last.isoformat(),
            "undated_objects": volume.undated,
            "undated_records": volume.undated_records,
        }
    (_NOT_MEASURED if volume is None else LISTING).show(rows, form, beside=beside)
    note(f"ROI {assumed.percent:,.0f} %: (benefits - costs) / costs", form)
    if volume is not None:
        note(
            f"ROI {real.percent:,.0f} % with the events measured, all else assumed: "
            f"{_words(volume, events_a_year)}",
            form,
        )


def _sums(found: Returns) -> dict[str, Any]:
    return {
        "benefits": _plain(found.benefits),
        "costs": _plain(found.costs),
        "roi_percent": _plain(found.percent),
    }


def _rows(assumed: Returns, real: Returns | None) -> Iterator[_Row]:
    for place, term in enumerate(assumed.terms):
        other = None if real is None else real.terms[place]
        yield _Row(
            side=term.side,
            item=term.name,
            calculation=term.calculation,
            amount=term.amount,
            measured_calculation=None if other is None else other.calculation,
            measured_amount=None if other is None else other.amount,
            basis="measured" if other is not None and term.name == EVENTS else "assumed",
        )
    mixed = "assumed" if real is None else "partly measured"
    yield _Row(
        side="benefits",
        item="sum",
        calculation="",
        amount=assumed.benefits,
        measured_calculation=None,
        measured_amount=None if real is None else real.benefits,
    )
    yield _Row(
        side="costs",
        item="sum",
        calculation="",
        amount=assumed.costs,
        measured_calculation=None,
        measured_amount=None if real is None else real.costs,
        basis=mixed,
    )
    yield _Row(
        side="roi",
        item="percent",
        calculation="(benefits - costs) / costs",
        amount=Decimal(round(assumed.percent)),
        measured_calculation=None,
        measured_amount=None if real is None else Decimal(round(real.percent)),
        basis=mixed,
    )


def _volume(settings: Settings) -> MeasuredVolume:
    with show_stages("roi") as stage, cluster_errors(settings.hosts[0]):
        page = LedgerSearch(connect(settings), settings).find(["done", "partial"])
        return measure_volume(page.rows, lambda done: stage("objects", done, page.total))


def _words(volume: MeasuredVolume, events_a_year: int) -> str:
    text = (
        f"{plural(volume.records, 'record')} on {plural(volume.days, 'day')} "
        f"({volume.first} to {volume.last}), {grouped(Decimal(events_a_year))} in a year, "
        "each at the price of a data event (the first copy of a management event is free)"
    )
    if volume.undated:
        text += (
            f"; {plural(volume.undated, 'object')} without a day in the name "
            f"({plural(volume.undated_records, 'record')}) left out"
        )
    return text
