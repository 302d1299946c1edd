"""No module imports one that imports it, not even for its types or within a function: a type that
two modules need belongs in one of its own."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp

PACKAGES = ("trailhound", "detections", "ingest", "enrich", "dashboards")


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imported = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    assert sum(map(len, imported.values())) > 1_000
    TopologicalSorter(imported).prepare()  # raises an error that names the cycle
