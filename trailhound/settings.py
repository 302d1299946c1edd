"""One typed tree of settings: YAML file, then `TRAILHOUND_*` environment, then flags.

The later the stronger. A nested name is written with two underscores in the environment:
`TRAILHOUND_CLUSTER__USERNAME=loader` is `cluster.username` in the file.
Secrets are `SecretStr`, so no log, error or `repr` shows them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
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
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import (
    SettingsError as PydanticSettingsError,
)

from enrich.risk import DEFAULT_RISK
from trailhound.errors import SettingsError
from trailhound.settings_origin import Location, Origins

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
    ism: bool = True
    """Let the cluster's Index State Management do it, where the cluster has that plugin."""


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
    lease_seconds: Annotated[float, Field(ge=2, le=60)] = 30.0
    """After so long without a sign of life, another daemon takes the scheduled jobs over."""
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


class OverrideSettings(Section):
    """What one rule is to be, whatever its file says."""

    enabled: bool = True
    level: Literal["informational", "low", "medium", "high", "critical"] | None = None
    interval: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[smhd]$")] | None = None
    """As `5m` or `1h`."""


class DetectionSettings(Section):
    """Rules, and what is changed about them without touching their files."""

    shipped: bool = True
    """Whether the pack that comes with Trailhound is in force."""
    rules: list[Path] = []
    """More rules: files and folders."""
    exceptions: list[Path] = []
    """Sigma filter documents: files and folders."""
    placeholders: dict[str, list[str]] = {}
    """The values behind `%name%` where a rule uses `expand`."""
    overrides: dict[str, OverrideSettings] = {}
    """By rule id."""
    scheduled: bool = True
    """Whether `trailhound run` runs the rules."""
    lookback_minutes: Annotated[float, Field(ge=1)] = 5.0
    """How long after its stamp an event may still become searchable, clock skew included."""
    late_hours: Annotated[float, Field(gt=0)] = 24.0
    """A schedule finds what comes in up to this long after it happened; older is a backfill's."""
    dashboards_url: Annotated[str, Field(pattern="^https?://")] | None = None
    """OpenSearch Dashboards' address, as a browser reaches it: alerts link to their events."""


class ChannelSettings(Section):
    """Where alerts are sent, and which. What each kind needs stands behind its name."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    kind: Literal["sns", "apprise", "webhook", "command"]
    level: Literal["informational", "low", "medium", "high", "critical"] = "medium"
    """This level and graver ones."""
    tactics: list[str] = []
    """ATT&CK tactics, as `persistence`; empty for all, and for rules that name none."""
    topic: Annotated[str, Field(pattern="^arn:")] | None = None
    """sns: the topic's ARN."""
    url: SecretStr | None = None
    """apprise, webhook: the address. It is a secret: whoever has it can post."""
    url_file: Path | None = None
    """apprise, webhook: a file that holds the address and nothing else."""
    secret: SecretStr | None = None
    """webhook: what the signature is made with."""
    secret_file: Path | None = None
    ca_bundle: Path | None = None
    """webhook: PEM file of the authorities to trust, instead of the usual ones."""
    command: list[str] = []
    """command: the program and its arguments; there is no shell."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds for one message."""
    format: Literal["text", "html", "markdown"] = "text"
    """apprise: which template the message is made from."""

    @field_validator("tactics")
    @classmethod
    def _as_tagged(cls, value: list[str]) -> list[str]:
        return [tactic.lower().replace("_", "-").replace(" ", "-") for tactic in value]

    @model_validator(mode="after")
    def _what_its_kind_needs(self) -> ChannelSettings:
        urls = sum(each is not None for each in (self.url, self.url_file))
        secrets = sum(each is not None for each in (self.secret, self.secret_file))
        needs = {
            "sns": (self.topic is not None, "`topic`"),
            "apprise": (urls == 1, "one of `url` and `url_file`"),
            "webhook": (
                urls == 1 and secrets == 1,
                "one of `url` and `url_file`, and one of `secret` and `secret_file`",
            ),
            "command": (bool(self.command), "`command`"),
        }
        there, what = needs[self.kind]
        if not there:
            raise ValueError(f"a channel of kind {self.kind} needs {what}")
        return self


class NotifySettings(Section):
    """Telling people of alerts."""

    channels: list[ChannelSettings] = []
    max_age_hours: Annotated[float, Field(gt=0)] = 26.0
    """Alerts whose last event is older than this when they are first looked at are not sent."""
    per_minute: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Messages a minute to one channel; the others wait, and one message says how many."""
    give_up_after_hours: Annotated[float, Field(gt=0)] = 72.0
    """A message that cannot be delivered is tried for so long."""
    templates: Path | None = None
    """A folder of Jinja templates that stand before the shipped ones."""

    @field_validator("channels")
    @classmethod
    def _told_apart(cls, value: list[ChannelSettings]) -> list[ChannelSettings]:
        names = [channel.name for channel in value]
        if len(set(names)) < len(names):
            raise ValueError("two channels have the same name")
        return value


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
    detections: DetectionSettings = DetectionSettings()
    notify: NotifySettings = NotifySettings()
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


Check = Callable[["Settings"], Iterable[tuple[Location, str]]]
"""Finds what no type can tell, such as a filter that is no Sigma: (the setting's path, a fault)."""


def load(
    file: Path | None = None, flags: dict[str, Any] | None = None, check: Check | None = None
) -> Settings:
    """The settings in force: `file` (default `trailhound.yaml`, if there), environment, flags.

    `flags` is a nested mapping shaped like the file, holding only what was given.
    Raises `SettingsError` with every fault at once, each with its place: file and line,
    environment variable, or the command line. `check` looks at settings that fit so far.
    """
    path = file or Path(os.environ.get("TRAILHOUND_CONFIG") or DEFAULT_FILE)
    explicit = file is not None or "TRAILHOUND_CONFIG" in os.environ
    content = _read(path, explicit=explicit)
    origins = Origins(path, flags or {})
    faults = [f"  {name}: it stands twice ({place})" for name, place in origins.twice()]
    unreadable: list[str] = []

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
            if isinstance(env_settings, EnvSettingsSource):
                unreadable.extend(_leave_out_unreadable(env_settings))
            return init_settings, env_settings, InitSettingsSource(settings_cls, content)

    made: Settings | None = None
    try:
        made = Layered(**(flags or {}))
    except ValidationError as error:
        faults += [
            _fault(origins, fault["loc"], fault["msg"])
            for fault in error.errors(include_input=False, include_url=False)
        ]
    except PydanticSettingsError as error:
        faults.append(f"  {error}")
    faults = [f"  {name.upper()}: it is not JSON" for name in unreadable] + faults
    if made is not None and check is not None:
        faults += [_fault(origins, location, said) for location, said in check(made)]
    if made is None or faults:
        raise SettingsError(
            "\n".join(["settings do not fit:", *faults]),
            hint="see the settings table in README.md",
        )
    # A plain instance: the class above cannot be found again by another process.
    values = {name: getattr(made, name) for name in Settings.model_fields}
    return Settings.model_construct(_fields_set=made.model_fields_set, **values)


def _leave_out_unreadable(source: EnvSettingsSource) -> list[str]:
    """Variables that should hold JSON and do not: one of them would hide all other faults."""
    everything = dict(source.env_vars)
    unreadable = []
    for name, value in everything.items():
        if name.startswith("trailhound_"):
            source.env_vars = {name: value}
            try:
                source()
            except PydanticSettingsError:
                unreadable.append(name)
    source.env_vars = {name: each for name, each in everything.items() if name not in unreadable}
    return unreadable


def _fault(origins: Origins, location: Location, said: str) -> str:
    """A line: the setting's name, what is wrong, and where. Never its value: maybe a secret."""
    name = ".".join(str(part) for part in location)
    place = origins.of(location)
    return f"  {name}: {said}" + (f" ({place})" if place else "")


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
        raise SettingsError(_not_yaml(path, error), hint="mend that line") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no mapping", hint="start it with `cluster:`") from None
    return content


def _not_yaml(path: Path, error: yaml.YAMLError) -> str:
    """Where and why; not the line itself, which the parser would quote."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"{path}:{mark.line + 1} is not YAML: {problem}" if mark else f"{path} is not YAML"
