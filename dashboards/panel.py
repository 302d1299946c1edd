"""A panel: its title, the question it answers, kind of chart, measures and groupings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboards import chart_params
from dashboards.aggregation import Grouping, Measure, count, numbered
from dashboards.data_view import EVENTS, DataView
from dashboards.palette import BLUE
from dashboards.saved_object import (
    SEARCH_REFERENCE,
    VIEW_REFERENCE,
    Reference,
    SavedObject,
    compact,
    search_source,
)
from dashboards.saved_search import Search


class Panel(Protocol):
    """What a dashboard can hold: a title, the views it searches, and itself as an object."""

    @property
    def title(self) -> str: ...

    @property
    def views(self) -> tuple[DataView, ...]: ...

    def saved_object(self) -> SavedObject: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart, a table or numbers, over one data view.

    `query` is Lucene (ranges such as `risk_score:>=7` are Lucene, not DQL). `by` groups along the
    axis or into rows, `split` into series. `colours` go by label; a chart of one series is blue.
    """

    id: str
    title: str
    question: str
    kind: chart_params.ChartType
    view: DataView = EVENTS
    query: str = ""
    measure: tuple[Measure, ...] = field(default_factory=lambda: (count(),))
    by: tuple[Grouping, ...] = ()
    split: tuple[Grouping, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    rows: int = 10
    search: Search | None = None
    """The saved search whose documents are shown, instead of those of `query`."""

    @property
    def views(self) -> tuple[DataView, ...]:
        return (self.view,)

    @property
    def needs(self) -> tuple[SavedObject, ...]:
        """What it refers to beside its views."""
        return (self.search.saved_object(),) if self.search else ()

    def saved_object(self) -> SavedObject:
        along, across = chart_params.SCHEMAS[self.kind]
        by = [(along, each) for each in self.by]
        split = [(across, each) for each in self.split]
        # Over time the series come first: the highest of the whole range, not of each interval.
        series_first = self.kind in ("bars", "line", "area")
        groupings = split + by if series_first else by + split
        state = {
            "type": chart_params.VIS_TYPE[self.kind],
            "aggs": numbered(self.measure, groupings),
            "params": chart_params.params(
                self.kind, self.measure, split=bool(self.split), rows=self.rows
            ),
        }
        named, ui_state = (self.id, self.title, self.question), self._ui_state()
        if self.search is None:
            view = Reference(VIEW_REFERENCE, "index-pattern", self.view.title)
            return visualization(
                *named, state, ui_state, search_source(self.query, "lucene"), (view,)
            )
        made = visualization(
            *named,
            state,
            ui_state,
            search_source("", "lucene", view=False),
            (Reference(SEARCH_REFERENCE, "search", f"trailhound-{self.search.id}"),),
        )
        made.attributes["savedSearchRefName"] = SEARCH_REFERENCE
        return made

    def _ui_state(self) -> dict[str, Any]:
        one = {} if self.split or len(self.measure) > 1 else {self.measure[0].label: BLUE}
        colours = {**one, **self.colours}
        return {"vis": {"colors": colours}} if colours else {}


def visualization(
    name: str,
    title: str,
    question: str,
    state: Mapping[str, Any],
    ui_state: Mapping[str, Any],
    source: str,
    references: tuple[Reference, ...],
) -> SavedObject:
    """A saved object of kind `visualization`; `state` is its visState without the title."""
    return SavedObject(
        "visualization",
        f"trailhound-{name}",
        {
            "title": title,
            "description": question,
            "version": 1,
            "visState": compact({"title": title, **state}),
            "uiStateJSON": compact(ui_state),
            "kibanaSavedObjectMeta": {"searchSourceJSON": source},
        },
        references,
    )
