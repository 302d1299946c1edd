"""Controls: lists to choose from, which filter the whole dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.data_view import EVENTS, DataView
from dashboards.panel import visualization
from dashboards.saved_object import Reference, SavedObject, search_source

MOST = 100
"""Values that a list offers before something is typed into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """A list for each of `fields`: (field, label)."""

    id: str
    title: str
    question: str
    fields: tuple[tuple[str, str], ...]
    view: DataView = EVENTS

    @property
    def views(self) -> tuple[DataView, ...]:
        return (self.view,)

    def saved_object(self) -> SavedObject:
        controls = [
            {
                "id": f"{self.id}-{number}",
                "fieldName": name,
                "parent": "",
                "label": label,
                "type": "list",
                "options": {
                    "type": "terms",
                    "multiselect": True,
                    "dynamicOptions": True,
                    "size": MOST,
                    "order": "desc",
                },
                "indexPatternRefName": self._reference(number),
            }
            for number, (name, label) in enumerate(self.fields)
        ]
        params = {
            "controls": controls,
            "updateFiltersOnChange": True,
            "useTimeFilter": True,
            "pinFilters": False,
        }
        return visualization(
            self.id,
            self.title,
            self.question,
            {"type": "input_control_vis", "aggs": [], "params": params},
            {},
            search_source("", "lucene", view=False),
            tuple(
                Reference(self._reference(number), "index-pattern", self.view.title)
                for number in range(len(self.fields))
            ),
        )

    def _reference(self, number: int) -> str:
        return f"control_{number}_index_pattern"


def of_events(id_: str) -> Controls:
    """The controls of a page on events: account, region and principal."""
    return Controls(
        id=id_,
        title="Filters",
        question="Which account, region and principal should be shown?",
        fields=(
            ("recipientAccountId", "Account"),
            ("awsRegion", "Region"),
            ("user.name", "Principal"),
        ),
    )
