"""Days past retention, handed to the cluster's own lifecycle management: ISM or ILM.

Both count an index's age from its creation, so that a day that was backfilled yesterday would be
kept for years too long. So the daemon selects the days by their names, and the policy defines what
happens to them at once; the cluster does it, tries again where it fails, and keeps the record.
Neither policy has a template of its own: by pattern it would take foreign indices too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, TransportError

from trailhound.settings import Settings

AT_ONCE = 50
"""Names of indices in one request's path."""
_ABSENT = frozenset({400, 404, 405})


class Lifecycle(ABC):
    """One cluster's. Methods raise opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._action = settings.retention.action
        self.policy_id = f"{settings.prefix}trailhound-retention"

    def hand_over(self, indices: Sequence[str]) -> tuple[list[str], list[str]]:
        """Put the policy on these indices: those that got it now, and those that have another one.

        Indices that have it already are in neither.
        """
        self._put_policy()
        handed: list[str] = []
        others: list[str] = []
        for start in range(0, len(indices), AT_ONCE):
            group = indices[start : start + AT_ONCE]
            policies = self._policies(group)
            free = [index for index in group if policies[index] is None]
            refused = self._assign(free) if free else ()
            handed += [index for index in free if index not in refused]
            taken = (None, self.policy_id)
            others += [i for i in group if i in refused or policies[i] not in taken]
        return handed, others

    @abstractmethod
    def available(self) -> bool:
        """Whether the cluster has it, lets us use it, and it can do `retention.action`."""

    @abstractmethod
    def _put_policy(self) -> None:
        """Create the policy, or bring it up to date."""

    @abstractmethod
    def _policies(self, indices: Sequence[str]) -> Mapping[str, str | None]:
        """Each index's policy; None where it has none."""

    @abstractmethod
    def _assign(self, indices: Sequence[str]) -> Collection[str]:
        """Give them the policy; those that did not take it."""

    def _answers(self, path: str, params: dict[str, str] | None = None) -> bool:
        """Whether the cluster has what answers at a path, and lets us ask it."""
        try:
            self._request("GET", path, params=params)
        except AuthorizationException:
            return False
        except TransportError as error:
            if error.status_code in _ABSENT:
                return False
            raise
        return True

    def _request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        reply: dict[str, Any] = self._client.transport.perform_request(
            method, path, params=params or {}, body=body
        )
        return reply
