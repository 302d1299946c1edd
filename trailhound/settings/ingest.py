"""Where files come from and how they are read: AWS, the pipeline, the daemon and its sources."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from trailhound.settings.section import MIB, Section, pattern_field


class AwsSettings(Section):
    """Access to AWS. Credentials come from the usual AWS chain, never from these settings."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    role_arn: str | None = None
    external_id: SecretStr | None = None
    role_session_name: str = "trailhound"
    requester_pays: bool = False
    signature: Literal["v4", "v2", "unsigned"] | None = None
    """How S3 requests are signed. Default: what the endpoint supports, usually v4. A public bucket
    can be read unsigned."""
    sse_customer_key_file: Path | None = None
    """SSE-C key file; SSE-S3 and SSE-KMS need no setting, only `kms:Decrypt`."""


class IngestSettings(Section):
    """Reading and the bulk writer."""

    batch_bytes: Annotated[int, Field(ge=64 * 1024, le=90 * MIB)] = 5 * MIB
    batch_seconds: Annotated[float, Field(gt=0)] = 2.0
    in_flight: Annotated[int, Field(ge=1, le=64)] = 2
    """Bulk requests in flight, per worker."""
    give_up_after: Annotated[float, Field(gt=0)] | None = None
    """Seconds for which a cluster that does not answer is retried. Default: no limit."""
    max_uncompressed_bytes: Annotated[int, Field(ge=MIB)] = 1024 * MIB
    slice_whole_bytes: Annotated[int, Field(ge=64 * 1024)] = 64 * MIB
    """Files up to this size are sliced in one go; larger ones are read incrementally."""
    prefetch_bytes: Annotated[int, Field(ge=MIB)] = 32 * MIB
    """Bytes fetched but not yet read, per worker."""
    prefetch_threads: Annotated[int, Field(ge=1, le=256)] = 16
    claim_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without a renewal by a worker after which its claims are taken over; at once if its
    process has ended on this machine."""
    new_days_per_object: Annotated[int, Field(ge=0)] = 62
    """How many daily indices one object with a day in its name or folder may create more than 31
    days from that day. Events of other such days wait in the dead letters."""
    new_days_per_export: Annotated[int, Field(ge=0)] = 4_000
    """How many daily indices one object without a day in its name or folder may create."""
    spool: Path | None = None
    """Folder for records that even the dead-letter index rejects. Default: `<home>/spool`."""


class FeedSettings(Section):
    """Where the daemon's files come from: exactly one of `queue`, `poll` and `watch`."""

    KINDS: ClassVar[tuple[str, ...]] = ("queue", "poll", "watch")
    """The fields that name a place; `ingest.feeds` has a feed for each."""

    queue: str | None = None
    """An SQS queue: its URL, ARN or name."""
    poll: Annotated[str, pattern_field("^s3://", "write s3://bucket/prefix")] | None = None
    """`s3://bucket/prefix`, listed at intervals."""
    watch: Path | None = None
    """A folder, scanned at intervals."""
    every: Annotated[float, Field(gt=0)] | None = None
    """Seconds between two listings. Default: 60 for `poll`, 5 for `watch`."""
    since: date | None = None
    """First UTC day that `poll` lists when it starts without a checkpoint. Default: yesterday."""
    overlap_minutes: Annotated[float, Field(ge=0)] = 120.0
    """How far before the newest file of a region's folder each listing of `poll` starts."""
    late_days: Annotated[int, Field(ge=0, le=366)] = 7
    """How many days before its checkpoint `poll` lists at each start and once a day, for files that
    arrive later than `overlap_minutes`, as from bucket replication; 0 for none. Not before `since`,
    if that is set. A file in the folder of a month or a year counts as delivered on its last
    day."""
    role_arn: str | None = None
    external_id: SecretStr | None = None
    region: str | None = None
    """These three replace those of `aws` for this source only."""

    @model_validator(mode="after")
    def _one_kind(self) -> FeedSettings:
        if sum(getattr(self, kind) is not None for kind in self.KINDS) != 1:
            *first, last = (f"`{kind}`" for kind in self.KINDS)
            raise ValueError(f"give one of {', '.join(first)} and {last}")
        return self

    @property
    def kind(self) -> str:
        """Its kind, one of `KINDS`."""
        return next(kind for kind in self.KINDS if getattr(self, kind) is not None)

    @property
    def place(self) -> str:
        """The queue, the bucket or the folder, as users wrote it."""
        return str(getattr(self, self.kind))

    def own_aws(self, aws: AwsSettings) -> AwsSettings:
        """`aws`, with the settings of this source in place of its own."""
        own = {name: getattr(self, name) for name in ("role_arn", "external_id", "region")}
        return aws.model_copy(
            update={name: value for name, value in own.items() if value is not None}
        )


class RunSettings(Section):
    """The daemon."""

    sources: list[FeedSettings] = []
    objects_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Objects submitted by sources and not yet finished, at once."""
    visibility_seconds: Annotated[int, Field(ge=10, le=43_200)] = 300
    """How long a message is hidden from other consumers; extended while it is processed."""
    stop_seconds: Annotated[float, Field(gt=0)] = 25.0
    """Seconds from the signal to the end: what is not finished by then is handed back."""
    lease_seconds: Annotated[float, Field(ge=2, le=60)] = 30.0
    """Seconds without a renewal after which another daemon takes over the scheduled jobs."""
    listen: (
        Annotated[
            str,
            pattern_field(
                r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$",
                "write HOST:PORT, as 127.0.0.1:9464 or [::1]:9464, or null for none",
            ),
        ]
        | None
    ) = "127.0.0.1:9464"
    """Address of /healthz, /readyz and /metrics; null for none."""
    log: Literal["console", "json"] | None = None
    """Default: console on a terminal, else json."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
