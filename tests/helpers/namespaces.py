"""Namespaces that tests use one after another.

To make a namespace's templates and indices and to remove them costs an engine more than most
tests do with them. So one that a test left as `init` makes it, but for documents and days, is
emptied and given to a later test; any other is removed.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch, TransportError

from tests.helpers.engines import START_SECONDS, remove_documents, remove_namespace
from tests.helpers.trails import READY, own_settings, prepared, template_marks
from trailhound.cluster import templates
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.initialization import init
from trailhound.settings import Settings

KEPT = 6
"""How many wait: a request that a killed process left under way has long ended before the
namespace's turn comes again."""
MOST_DOCUMENTS = 2_000
"""What is emptied; with more, to remove the namespace is cheaper."""
_OF_ONE_INDEX = re.compile(r'"(uuid|creation_date|provided_name)": ?"[^"]*",? ?')


def new_name() -> str:
    """A namespace that nobody has used."""
    return f"t{uuid.uuid4().hex[:10]}"


@contextmanager
def own_namespace(url: str, home: Path, **sections: Any) -> Iterator[Settings]:
    """Settings of a new namespace on an engine, where `init` has run; it is removed at the end.

    For what several tests share, which a fixture of a module yields. A single test takes the
    fixture `namespace`, which costs the engine less.
    """
    settings = own_settings(url, new_name(), home, **sections)
    try:
        prepared(settings)
        yield settings
    finally:
        remove_namespace(url, settings.namespace)


class Namespaces:
    """The prepared namespaces of one engine that wait for a test of this process."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._client = OpenSearch(url, timeout=START_SECONDS)
        self._waiting: deque[str] = deque()
        model = new_name()
        self._settings = own_settings(url, model, folder)
        self._dialect = dialect_of(self._client)
        init(self._client, self._settings)
        self._model = self._shape(model, self._marks(model))
        remove_namespace(url, model)

    def take(self) -> str:
        """A namespace without a document: one that waits, or a new one, not prepared."""
        while len(self._waiting) >= KEPT:
            name = self._waiting.popleft()
            marks = self._marks(name)
            if self._shape(name, marks) == self._model and not self._documents(name):
                READY[name] = marks
                return name
            remove_namespace(self._url, name)
        return new_name()

    def give(self, name: str) -> None:
        """What a test is done with: emptied and kept, or removed. `take` looks at the rest."""
        READY.pop(name, None)
        kept = set(self._singles(name))
        rows = self._client.cat.indices(
            index=f"{name}-*", format="json", expand_wildcards="all", h="index,docs.count"
        )
        found = {row["index"]: int(row["docs.count"] or 0) for row in rows}
        documents = sum(found.get(index, 0) for index in kept)
        if not kept <= found.keys() or documents > MOST_DOCUMENTS:
            remove_namespace(self._url, name)
            return
        if others := sorted(found.keys() - kept):
            self._client.indices.delete(index=",".join(others))
        try:
            remove_documents(self._client, ",".join(sorted(kept)))
        except TransportError:  # one of them is closed or blocked
            remove_namespace(self._url, name)
            return
        self._waiting.append(name)

    def close(self) -> None:
        """Remove those that wait."""
        for name in self._waiting:
            remove_namespace(self._url, name)
        self._client.close()

    @staticmethod
    def _singles(name: str) -> list[str]:
        names = templates.Names(f"{name}-")
        return [names.ledger, names.deadletter, names.alerts]

    def _documents(self, name: str) -> int:
        singles = ",".join(self._singles(name))
        self._client.indices.refresh(index=singles)
        return int(self._client.count(index=singles)["count"])

    def _shape(self, name: str, marks: Mapping[str, Any]) -> Any:
        """Templates, mappings, settings and aliases of a namespace, its name left out; `marks` are
        those that its templates should have."""
        indices = self._client.indices.get(index=f"{name}-*", expand_wildcards="all")
        # By name: those of all namespaces together are hundreds of kilobytes.
        path, none = f"/_index_template/{name}-*", {"ignore": 404}
        made = self._client.transport.perform_request("GET", path, params=none)
        ours = sorted(made["index_templates"], key=lambda each: str(each["name"]))
        for each in ours:
            # A fingerprint is of all that a template holds, its namespace's names included.
            mark = each["index_template"].pop("_meta", None)
            each["is_todays"] = mark == marks.get(each["name"])
            for moment in ("created_date_millis", "modified_date_millis"):  # Elasticsearch 9
                each["index_template"].pop(moment, None)
        text = json.dumps([indices, ours], sort_keys=True).replace(name, "")
        return _OF_ONE_INDEX.sub("", text)

    def _marks(self, name: str) -> dict[str, Any]:
        """The marks of a namespace's templates as `init` makes them."""
        settings = self._settings.model_copy(update={"namespace": name})
        return template_marks(settings, self._dialect)
