"""A dashboard: rows of panels, and everything that it needs as saved objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dashboards.panel import Chart, Panel
from dashboards.saved_object import Reference, SavedObject, compact, search_source

WIDTH = 48
"""Columns of Dashboards' grid."""

PANEL_VERSION = "7.9.3"
"""The format of a panel's place on the grid; unchanged since."""


@dataclass(frozen=True, slots=True)
class PanelRow:
    """Panels side by side, `height` grid steps (20 px each) high."""

    height: int
    panels: tuple[tuple[Panel, int], ...]
    """Each with its width in columns."""


def row(height: int, *panels: Panel | tuple[Panel, int]) -> PanelRow:
    """A row; panels without a width share what is left evenly."""
    given = sum(each[1] for each in panels if isinstance(each, tuple))
    free = [each for each in panels if not isinstance(each, tuple)]
    share = (WIDTH - given) // len(free) if free else 0
    return PanelRow(
        height, tuple(each if isinstance(each, tuple) else (each, share) for each in panels)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """`id` is the name of its file. `since` and `until` are its time range when it is opened."""

    id: str
    title: str
    question: str
    rows: tuple[PanelRow, ...]
    since: str = "now-7d"
    until: str = "now"

    @property
    def object_id(self) -> str:
        return f"trailhound-{self.id}"

    @property
    def panels(self) -> Iterator[Panel]:
        for each in self.rows:
            yield from (panel for panel, _ in each.panels)

    def saved_objects(self) -> list[SavedObject]:
        """Data views, panels, and the dashboard last: all that its file needs."""
        panels = [panel.saved_object() for panel in self.panels]
        views = {view.title: view for panel in self.panels for view in panel.views}
        needed = {each.id: each for panel in self.panels for each in _needs(panel)}
        return [
            *(view.saved_object() for _, view in sorted(views.items())),
            *needed.values(),
            *panels,
            self._saved_object(panels),
        ]

    def _saved_object(self, panels: Iterable[SavedObject]) -> SavedObject:
        references = tuple(
            Reference(f"panel_{number}", panel.kind, panel.id)
            for number, panel in enumerate(panels)
        )
        return SavedObject(
            "dashboard",
            self.object_id,
            {
                "title": self.title,
                "description": self.question,
                "hits": 0,
                "version": 1,
                "panelsJSON": compact(list(self._places())),
                "optionsJSON": compact({"useMargins": True, "hidePanelTitles": False}),
                "timeRestore": True,
                "timeFrom": self.since,
                "timeTo": self.until,
                "refreshInterval": {"pause": True, "value": 0},
                "kibanaSavedObjectMeta": {
                    "searchSourceJSON": search_source("", "kuery", view=False)
                },
            },
            references,
        )

    def _places(self) -> Iterator[dict[str, object]]:
        number, top = 0, 0
        for each in self.rows:
            left = 0
            for _, width in each.panels:
                place = {"x": left, "y": top, "w": width, "h": each.height, "i": str(number)}
                yield {
                    "version": PANEL_VERSION,
                    "gridData": place,
                    "panelIndex": str(number),
                    "embeddableConfig": {},
                    "panelRefName": f"panel_{number}",
                }
                left += width
                number += 1
            top += each.height


def _needs(panel: Panel) -> tuple[SavedObject, ...]:
    """What a panel refers to beside its views; only a chart does."""
    return panel.needs if isinstance(panel, Chart) else ()
