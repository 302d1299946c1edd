"""Where and how long events are stored: the cluster, the local engine, the daily indices."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from trailhound.settings.section import Section, pattern_field


class ClusterSettings(Section):
    """How to reach OpenSearch or Elasticsearch. Empty `hosts` means the local engine's address."""

    hosts: Annotated[list[str], Field(repr=False)] = []  # they may hold a login
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    api_key: SecretStr | None = None
    """An API key of Elasticsearch, encoded (`encoded` in the reply that created it)."""
    api_key_file: Path | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify_certs: bool = True
    auth: Literal["none", "basic", "api_key", "sigv4"] | None = None
    """Default: `api_key` where one is given, `basic` where a username is, else `none`; a client
    certificate adds to each."""
    service: Literal["es", "aoss"] = "es"
    """SigV4 service: `es`, a managed domain. `aoss` (serverless) is a usage error."""
    region: str | None = None
    compress: bool = False
    """Gzip request bodies: useful over a network, a cost on one machine."""
    timeout: Annotated[float, Field(gt=0)] = 60.0


class EngineSettings(Section):
    """The local engine. It binds the loopback address alone."""

    port: Annotated[int, Field(ge=1024, le=9299)] = 9210
    heap_mb: Annotated[int, Field(ge=256)] | None = None
    """Default: a quarter of the machine's memory, between 512 MiB and 4 GiB."""
    start_timeout: Annotated[float, Field(gt=0)] = 120.0


SortField = Literal[
    "@timestamp",
    "eventSource",
    "eventName",
    "awsRegion",
    "recipientAccountId",
    "userIdentity.arn",
    "user.name",
]
IndexedField = Literal[
    "eventID",
    "requestID",
    "eventTime",
    "geolocation.latitude",
    "geolocation.longitude",
    "trail.position",
]
"""Fields that can have a search index; `trailhound.cluster.mappings` leaves it out otherwise."""


UNSEARCHED = (
    "additionalEventData.x-amz-id-2",
    "responseElements.x-amz-id-2",
    "responseElements.x-amz-request-id",
    "responseElements.requestId",
    "responseElements.credentials.sessionToken",
    "requestParameters.nextToken",
    "requestParameters.continuation-token",
)
"""Values that differ in each call: request ids of S3 and EC2, session tokens of STS, and
pagination tokens."""

FreeFormField = Annotated[
    str,
    pattern_field(
        r"^(requestParameters|responseElements|additionalEventData|serviceEventDetails)(\.[^.]+)+$",
        "write a field inside requestParameters, responseElements, additionalEventData or "
        "serviceEventDetails, as additionalEventData.x-amz-id-2",
    ),
]


class IndexSettings(Section):
    """The daily indices."""

    shards: Annotated[int, Field(ge=1)] = 1
    replicas: Annotated[int, Field(ge=0)] | None = None
    """Replicas. Default: one if the cluster has a second node for it, else none."""
    refresh_interval: str = "30s"
    codec: Literal["default", "best_compression", "zstd", "zstd_no_dict"] = "best_compression"
    sort: list[SortField] = ["eventSource", "eventName", "userIdentity.arn"]
    """Index sorting: fields by which the events of a day are ordered on disk, where similar events
    beside each other need less space. Empty for the order of arrival."""
    indexed: list[IndexedField] = []
    """Fields to index for search; without it, searches on them use their doc values."""
    object_names: bool = False
    """Whether `trail.object` is an object's whole name, instead of the short id of its entry in the
    ledger."""
    unsearched: list[FreeFormField] = list(UNSEARCHED)
    """Values inside free-form objects that are kept in `trail.original` and cannot be searched."""


class RetentionSettings(Section):
    """What the daemon does with daily indices of a certain age. Off by default."""

    warm_after: Annotated[int, Field(ge=1)] | None = None
    """Days after which an index becomes read-only and is merged, or moves to UltraWarm."""
    cold_after: Annotated[int, Field(ge=1)] | None = None
    """Days after which it moves to colder storage, where the cluster has some."""
    repository: str | None = None
    """Snapshot repository for searchable snapshots. Default: the cluster's, if it has one only."""
    days: Annotated[int, Field(ge=1)] | None = None
    """Days after which it is deleted or closed. Older events are counted as filtered, not
    indexed."""
    action: Literal["delete", "close"] = "delete"
    ism: bool = True
    """Whether retention is left to the cluster's lifecycle management, where it has one:
    OpenSearch's ISM plugin, Elasticsearch's ILM."""

    @model_validator(mode="after")
    def _ordered(self) -> RetentionSettings:
        names = ("warm_after", "cold_after", "days")
        given = [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]
        for (one, fewer), (other, more) in pairwise(given):
            if fewer >= more:
                raise ValueError(
                    f"`{one}` ({fewer}) is not below `{other}` ({more}): write growing numbers of "
                    "days"
                )
        return self

    @property
    def active(self) -> bool:
        """Whether anything is done with days of a certain age."""
        return self.days is not None or self.tiered

    @property
    def tiered(self) -> bool:
        """Whether days get read-only or move before they are past retention."""
        return self.warm_after is not None or self.cold_after is not None
