"""How each channel stands, as `trailhound status` shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.settings import Settings

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel: alerts that wait for it, when it last took one, and what it last failed of.

    Times are ISO 8601 in UTC; empty where there was none yet.
    """

    name: str
    waiting: int = 0
    last_delivery: str = ""
    last_error: str = ""
    last_error_at: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def channel_statuses(client: OpenSearch, settings: Settings) -> list[ChannelStatus]:
    """The channels of the settings, in their order; where they name none, all that ever sent.

    Raises opensearch-py's exceptions, and `RequestFailedError` where a shard did not answer.
    """
    index = Names(settings.prefix).ledger
    found_or_not = {"ignore_unavailable": "true"}
    client.indices.refresh(index=index, params=found_or_not)
    body = {"size": _MOST, "query": {"term": {"state": "channel"}}}
    reply = client.search(index=index, body=body, params=found_or_not)
    if reply["timed_out"] or reply["_shards"]["failed"]:
        raise RequestFailedError("how the channels stand could not be read whole")
    noted = {each["_source"]["name"]: each["_source"] for each in reply["hits"]["hits"]}
    names = [each.name for each in settings.notify.channels] or sorted(noted)
    return [_standing(name, noted.get(name, {})) for name in names]


def _standing(name: str, noted: dict[str, Any]) -> ChannelStatus:
    return ChannelStatus(
        name,
        noted.get("waiting", 0),
        noted.get("last_delivery", ""),
        noted.get("last_error", ""),
        noted.get("last_error_at", ""),
    )
