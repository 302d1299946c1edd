"""A saved search: the documents themselves, as a table of chosen columns."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.data_view import EVENTS, DataView
from dashboards.saved_object import VIEW_REFERENCE, Reference, SavedObject, search_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Documents that match a Lucene query, the latest first; with `highest`, ordered by that field
    first, descending. Each row can be opened to all its fields."""

    id: str
    title: str
    question: str
    columns: tuple[str, ...]
    query: str = ""
    view: DataView = EVENTS
    highest: str = ""

    @property
    def views(self) -> tuple[DataView, ...]:
        return (self.view,)

    def saved_object(self) -> SavedObject:
        return SavedObject(
            "search",
            f"trailhound-{self.id}",
            {
                "title": self.title,
                "description": self.question,
                "hits": 0,
                "columns": list(self.columns),
                "sort": [
                    [field, "desc"] for field in (self.highest, self.view.time_field) if field
                ],
                "version": 1,
                "kibanaSavedObjectMeta": {"searchSourceJSON": search_source(self.query, "lucene")},
            },
            (Reference(VIEW_REFERENCE, "index-pattern", self.view.title),),
        )
