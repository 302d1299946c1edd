"""A panel of text, in Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.data_view import DataView
from dashboards.panel import visualization
from dashboards.saved_object import SavedObject, search_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Explanations of a page, in Markdown."""

    id: str
    title: str
    question: str
    markdown: str

    @property
    def views(self) -> tuple[DataView, ...]:
        return ()

    def saved_object(self) -> SavedObject:
        params = {"fontSize": 12, "openLinksInNewTab": False, "markdown": self.markdown}
        return visualization(
            self.id,
            self.title,
            self.question,
            {"type": "markdown", "aggs": [], "params": params},
            {},
            search_source("", "lucene", view=False),
            (),
        )
