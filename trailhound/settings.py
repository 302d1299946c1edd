"""One typed tree of settings: YAML file, then `TRAILHOUND_*` environment, then flags.

The later the stronger. A nested name is written with two underscores in the environment:
`TRAILHOUND_CLUSTER__USERNAME=loader` is `cluster.username` in the file.
Secrets are `SecretStr`, so no log, error or `repr` shows them.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import (
    SettingsError as PydanticSettingsError,
)

from enrich.risk import DEFAULT_RISK
from trailhound.errors import SettingsError

DEFAULT_FILE = "trailhound.yaml"
MIB = 1024 * 1024


def default_home() -> Path:
    """Where the engine's data and the spool live: `$TRAILHOUND_HOME`, else `~/.trailhound`."""
    return Path(os.environ.get("TRAILHOUND_HOME") or Path.home() / ".trailhound")


class Section(BaseModel):
    """A branch of the tree: unknown names are errors, so a typing slip is never silent."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClusterSettings(Section):
    """How to reach OpenSearch. Empty `hosts` means the local engine's address."""

    hosts: Annotated[list[str], Field(repr=False)] = []  # they may hold a login
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify_certs: bool = True
    auth: Literal["none", "basic", "sigv4"] | None = None
    """Default: `basic` where a username is given, else `none`; a client certificate adds to both"""
    service: Literal["es", "aoss"] = "es"
    """SigV4 service: `es` a managed domain, `aoss` serverless."""
    region: str | None = None
    compress: bool = False
    """Gzip request bodies: worth it over a network, a cost on one machine."""
    timeout: Annotated[float, Field(gt=0)] = 60.0


class EngineSettings(Section):
    """The local engine. It binds the loopback address alone."""

    port: Annotated[int, Field(ge=1024, le=9299)] = 9210
    heap_mb: Annotated[int, Field(ge=256)] | None = None
    """Default: a quarter of the machine's memory, between 512 MiB and 4 GiB."""
    start_timeout: Annotated[float, Field(gt=0)] = 120.0


class AwsSettings(Section):
    """How to reach S3. Credentials themselves come from the AWS chain, never from here."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    role_arn: str | None = None
    external_id: SecretStr | None = None
    role_session_name: str = "trailhound"
    requester_pays: bool = False
    signature: Literal["v4", "v2", "unsigned"] | None = None
    """How S3 requests are signed. Default: v4; a public bucket can be read unsigned."""
    sse_customer_key_file: Path | None = None
    """SSE-C key file; SSE-S3 and SSE-KMS need no setting, only `kms:Decrypt`."""


class IndexSettings(Section):
    """The daily indices."""

    shards: Annotated[int, Field(ge=1)] = 1
    replicas: Annotated[int, Field(ge=0)] | None = None
    """Default: one where the cluster has a second node for it, else none."""
    refresh_interval: str = "30s"
    codec: Literal["default", "best_compression", "zstd", "zstd_no_dict"] = "best_compression"


class RetentionSettings(Section):
    """Events older than this many days are counted as filtered, not indexed. Off by default.

    The daemon closes or deletes the daily indices behind it.
    """

    days: Annotated[int, Field(ge=1)] | None = None
    action: Literal["delete", "close"] = "delete"


class IngestSettings(Section):
    """Reading and the bulk writer."""

    batch_bytes: Annotated[int, Field(ge=64 * 1024, le=90 * MIB)] = 5 * MIB
    batch_seconds: Annotated[float, Field(gt=0)] = 2.0
    in_flight: Annotated[int, Field(ge=1, le=64)] = 2
    """Bulk requests under way at once, for each worker."""
    give_up_after: Annotated[float, Field(gt=0)] | None = None
    """Seconds to keep trying a cluster that does not answer. Default: without end."""
    max_uncompressed_bytes: Annotated[int, Field(ge=MIB)] = 1024 * MIB
    slice_whole_bytes: Annotated[int, Field(ge=64 * 1024)] = 64 * MIB
    """Files up to this size are sliced in one go; larger ones are read incrementally."""
    prefetch_bytes: Annotated[int, Field(ge=MIB)] = 32 * MIB
    """Fetched but not yet read bytes held at once, for each worker."""
    prefetch_threads: Annotated[int, Field(ge=1, le=256)] = 16
    claim_seconds: Annotated[float, Field(gt=0)] = 300.0
    """A claim on an object older than this is taken over by another worker."""
    spool: Path | None = None
    """Where records go that even the dead-letter index refuses. Default: `<home>/spool`."""


class FeedSettings(Section):
    """Where the daemon's files come from: exactly one of `queue`, `poll` and `watch`."""

    queue: str | None = None
    """An SQS queue: its URL, ARN or name."""
    poll: Annotated[str, Field(pattern="^s3://")] | None = None
    """`s3://bucket/prefix`, listed again and again."""
    watch: Path | None = None
    """A folder, looked through again and again."""
    every: Annotated[float, Field(gt=0)] | None = None
    """Seconds between two looks. Default: 60 for `poll`, 5 for `watch`."""
    since: date | None = None
    """First UTC day that `poll` lists when it starts without a mark. Default: yesterday."""
    overlap_minutes: Annotated[float, Field(ge=0)] = 120.0
    """How far behind the newest file of a prefix `poll` looks for late ones."""
    role_arn: str | None = None
    external_id: SecretStr | None = None
    region: str | None = None
    """These three stand for those of `aws` for this source alone."""

    @model_validator(mode="after")
    def _one_of_three(self) -> FeedSettings:
        if sum(place is not None for place in (self.queue, self.poll, self.watch)) != 1:
            raise ValueError("give one of `queue`, `poll` and `watch`")
        return self


class RunSettings(Section):
    """The daemon."""

    sources: list[FeedSettings] = []
    objects_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Objects announced and not yet done, at once."""
    visibility_seconds: Annotated[int, Field(ge=10, le=43_200)] = 300
    """How long a message is hidden from other consumers; extended while it is worked on."""
    stop_seconds: Annotated[float, Field(gt=0)] = 25.0
    """From the signal to the end: what is not finished by then is handed back."""
    listen: Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")] | None = (
        "127.0.0.1:9464"
    )
    """Address of /healthz, /readyz and /metrics; null for none."""
    log: Literal["console", "json"] | None = None
    """Default: console on a terminal, else json."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class RiskSettings(Section):
    """The risk table. Defaults are the definitions: change them here, without code."""

    base: int = DEFAULT_RISK.base
    high_risk_call: int = DEFAULT_RISK.high_risk_call
    root: int = DEFAULT_RISK.root
    external: int = DEFAULT_RISK.external
    error: int = DEFAULT_RISK.error
    cap: int = DEFAULT_RISK.cap
    high_risk_calls: frozenset[str] = DEFAULT_RISK.high_risk_calls


class ThreatListSettings(Section):
    """A local list of addresses, CIDRs and domains, or a STIX 2 bundle."""

    path: Path
    name: str | None = None
    """Default: the file's name."""


class EnrichSettings(Section):
    """What is added to a record."""

    city_database: Path | None = None
    """`.mmdb`, City or Country. Default: the packaged one, where its extra is installed."""
    asn_database: Path | None = None
    geolocation: bool = True
    threat_lists: list[ThreatListSettings] = []
    risk: RiskSettings = RiskSettings()


class DashboardsSettings(Section):
    """OpenSearch Dashboards, for importing, exporting and opening dashboards."""

    url: Annotated[str, Field(pattern="^https?://", repr=False)] = "http://127.0.0.1:5601"
    """As a browser opens it, with its base path if it has one."""
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca_bundle: Path | None = None
    verify_certs: bool = True
    tenant: str | None = None
    """Of the security plugin: a name, `global` or `private`."""
    workspace: str | None = None
    """The id that stands in a workspace's address, after `/w/`."""
    timeout: Annotated[float, Field(gt=0)] = 60.0


class Settings(BaseSettings):
    """The tree. `Settings()` reads the environment; `load()` reads a file beneath it."""

    model_config = SettingsConfigDict(
        env_prefix="TRAILHOUND_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = Field(default_factory=default_home)
    namespace: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_.-]{0,60})?$")] = ""
    cluster: ClusterSettings = ClusterSettings()
    engine: EngineSettings = EngineSettings()
    aws: AwsSettings = AwsSettings()
    index: IndexSettings = IndexSettings()
    retention: RetentionSettings = RetentionSettings()
    ingest: IngestSettings = IngestSettings()
    enrich: EnrichSettings = EnrichSettings()
    run: RunSettings = RunSettings()
    dashboards: DashboardsSettings = DashboardsSettings()
    filter: list[dict[str, Any]] = []
    """Sigma `detection` blocks; an event that matches any of them is counted, not indexed."""

    @field_validator("namespace")
    @classmethod
    def _own_pattern(cls, value: str) -> str:
        if value.startswith("cloudtrail"):
            raise ValueError("`cloudtrail-*` is the pattern of the indices without a namespace")
        return value

    @field_validator("home", mode="before")
    @classmethod
    def _expand_home(cls, value: Any) -> Any:
        return Path(value).expanduser() if isinstance(value, str | Path) else value

    @property
    def prefix(self) -> str:
        """What stands before every index, template, alias and policy name: `""` or `"team-"`."""
        return f"{self.namespace}-" if self.namespace else ""

    @property
    def hosts(self) -> list[str]:
        """The cluster's addresses; the local engine's where none is set."""
        return self.cluster.hosts or [f"http://127.0.0.1:{self.engine.port}"]

    @property
    def spool(self) -> Path:
        """Folder of the last resort for dead letters."""
        return self.ingest.spool or self.home / "spool"


def load(file: Path | None = None, flags: dict[str, Any] | None = None) -> Settings:
    """The settings in force: `file` (default `trailhound.yaml`, if there), environment, flags.

    `flags` is a nested mapping shaped like the file, holding only what was given.
    Raises `SettingsError` with every fault at once.
    """
    path = file or Path(os.environ.get("TRAILHOUND_CONFIG") or DEFAULT_FILE)
    explicit = file is not None or "TRAILHOUND_CONFIG" in os.environ
    content = _read(path, explicit=explicit)

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, content)

    try:
        made = Layered(**(flags or {}))
    except (ValidationError, PydanticSettingsError) as error:
        raise SettingsError(
            _sentence(path, error), hint="see the settings table in README.md"
        ) from None
    # A plain instance: the class above cannot be found again by another process.
    values = {name: getattr(made, name) for name in Settings.model_fields}
    return Settings.model_construct(_fields_set=made.model_fields_set, **values)


def _read(path: Path, *, explicit: bool) -> dict[str, Any]:
    """The file's mapping; empty where the default file does not exist."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not explicit:
            return {}
        raise SettingsError(f"no settings file at {path}", hint="check --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}", hint="check the file") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}", hint="mend the line it names") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no mapping", hint="start it with `cluster:`") from None
    return content


def _sentence(path: Path, error: ValidationError | PydanticSettingsError) -> str:
    """Every fault, one a line, by the setting's name. Never its value: it may be a secret."""
    if not isinstance(error, ValidationError):
        return f"settings cannot be read: {error}"
    faults = [
        f"  {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    ]
    return "\n".join([f"settings do not fit ({path}, TRAILHOUND_* and flags together):", *faults])
