"""Notes of folders that a backfill was not allowed to list, once a feed has followed them.

A feed lists a folder that it has followed before only from there on, so that its listing says
nothing of older objects. A note is removed once all that was listed is finished.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from opensearchpy import OpenSearch

from trailhound.cluster.refusals import cluster_errors
from trailhound.settings import Settings
from trailhound.state.criteria import Criteria
from trailhound.state.denied_folders import DeniedFolders


class ListedFolders:
    """Methods raise `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._folders = DeniedFolders(client, settings)
        self._settings = settings
        self._listed: dict[str, Criteria] = {}
        """What was listed of noted folders, by name."""

    def note(
        self, root: str, since: date, *, denied: Collection[str], followed: Collection[str]
    ) -> None:
        """All below `root` was listed from a day on, but what is `denied`, and what was `followed`
        before."""
        with cluster_errors(self._settings):
            noted = [each.uri for each in self._folders.all() if each.uri.startswith(root)]
        for uri in noted:
            if uri in denied:
                self._listed.pop(uri, None)
            elif not any(each.startswith(uri) for each in followed):
                self._listed[uri] = Criteria(since=since.isoformat())

    def finished(self) -> None:
        """All objects that were listed are finished."""
        with cluster_errors(self._settings):
            while self._listed:
                uri = next(iter(self._listed))
                self._folders.listed([uri], self._listed[uri], ())
                del self._listed[uri]
