"""Rules, and the channels that alerts are sent to."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from trailhound.settings.section import Section, pattern_field

Duration = Annotated[
    str,
    pattern_field(
        r"^[1-9][0-9]{0,5}[smhdwM]$", "write a number and a unit (s, m, h, d, w, M), as 15m"
    ),
]
"""As `5m` or `1h`."""
Texts = Annotated[
    list[str], BeforeValidator(lambda given: given if isinstance(given, list) else [given])
]
"""A text, or a list of texts."""


class OverrideSettings(Section):
    """Overrides of one rule's file. The rule's kind determines which options it takes."""

    enabled: bool = True
    level: Literal["informational", "low", "medium", "high", "critical"] | None = None
    """Sets the severity as well, unless `severity` is given too."""
    severity: Annotated[int, Field(ge=1, le=10)] | None = None
    interval: Duration | None = None
    suppress: Duration | None = None
    group_by: Texts | None = None
    response: Texts | None = None
    lower_attempts: bool | None = None
    # correlations
    timespan: Duration | None = None
    threshold: Annotated[float, Field(ge=0)] | None = None
    by_role: bool | None = None
    # our own kinds, each of which validates its options
    field: str | None = None
    days: int | None = None
    training_days: int | None = None
    training_events: str | None = None
    other_than_group: bool | None = None
    measure: str | None = None
    baseline: str | None = None
    minutes: int | None = None
    deviations: float | None = None
    min_count: int | None = None
    weeks: int | None = None
    training_weeks: int | None = None
    services: bool | None = None
    max_kmh: float | None = None
    min_km: float | None = None
    # of the last release, still read: group_by, training_days or training_weeks, min_count
    per: Texts | None = None
    learn: int | None = None
    least: int | None = None


class TrustedCallSettings(Section):
    """Calls of a role that are known automation by this setting, without history."""

    role: Annotated[
        str,
        pattern_field(
            r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[^*?]+$",
            "write the role's ARN, as arn:aws:iam::111122223333:role/deploy, without wildcards",
        ),
    ]
    calls: Annotated[list[str], Field(min_length=1)]
    """Names of calls, as CloudTrail writes them in `eventName`."""
    networks: Annotated[list[str], Field(min_length=1)]
    """Addresses or networks (CIDR) that the calls come from."""
    vpc_endpoint: str = ""
    """The VPC endpoint that the calls come through. Without it, calls through an endpoint do not
    match."""
    until: AwareDatetime | None = None
    """When the entry ends. Default: never."""

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(each, strict=False)) for each in value]


class KnownAutomationSettings(Section):
    """When calls of a role are known automation, which many rules leave out."""

    enabled: bool = True
    """Whether known automation is learned from history. If not, only entries set by hand apply."""
    days: Annotated[int, Field(ge=2, le=366)] = 10
    """On how many different days the role must have made the call from the network."""
    within_days: Annotated[int, Field(ge=2, le=366)] = 30
    """The number of days before the event in which `days` are counted."""
    expires_days: Annotated[int, Field(ge=1, le=366)] = 14
    """For how many days after the last such day the call stays known."""
    ipv4_prefix: Annotated[int, Field(ge=8, le=32)] = 24
    ipv6_prefix: Annotated[int, Field(ge=16, le=128)] = 48
    """Prefix lengths: addresses in the same network of this size count as one."""
    trusted: list[TrustedCallSettings] = []
    """Calls that are known without history."""

    @model_validator(mode="after")
    def _days_are_within(self) -> KnownAutomationSettings:
        if self.days > self.within_days:
            raise ValueError(f"days ({self.days}) is more than within_days ({self.within_days})")
        return self


class DetectionSettings(Section):
    """Rules, and changes to them without editing their files."""

    shipped: bool = True
    """Whether the shipped pack is active."""
    rules: list[Path] = []
    """More rules: files and folders."""
    exceptions: list[Path] = []
    """Sigma filter documents: files and folders."""
    disabled_exceptions: list[str] = []
    """Ids or titles of exceptions that are switched off; `trailhound rules list` names all."""
    placeholders: dict[str, list[str]] = {}
    """The values of `%name%` where a rule uses `expand`."""
    overrides: dict[str, OverrideSettings] = {}
    """By rule id."""
    known_automation: KnownAutomationSettings = Field(
        default_factory=KnownAutomationSettings.model_construct
    )
    scheduled: bool = True
    """Whether `trailhound run` runs the rules."""
    lookback_minutes: Annotated[float, Field(ge=1)] = 5.0
    """How long after `event.ingested` an event may still become searchable, clock skew included."""
    late_hours: Annotated[float, Field(gt=0)] = 24.0
    """Scheduled rules cover events ingested up to this long after they happened."""
    incident_gap_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 24.0
    """The longest pause between two alerts that join into one incident."""


class ChannelSettings(Section):
    """Where alerts are sent, and which. Each option names the kinds of channel it is for."""

    name: Annotated[
        str,
        pattern_field(
            r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            "write 1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first",
        ),
    ]
    kind: Literal["sns", "apprise", "webhook", "command"]
    level: Literal["informational", "low", "medium", "high", "critical"] = "medium"
    """This level and above."""
    health: bool = True
    """Whether it also gets messages about Trailhound itself, whatever `level` and `tactics` are."""
    tactics: list[str] = []
    """ATT&CK tactics, as `persistence`; empty for all, and for rules that name none."""
    topic: (
        Annotated[
            str, pattern_field("^arn:", "write the topic's ARN, as arn:aws:sns:REGION:ACCOUNT:NAME")
        ]
        | None
    ) = None
    """sns: the topic's ARN."""
    url: SecretStr | None = None
    """apprise, webhook: the address. It is a secret: anybody who has it can post."""
    url_file: Path | None = None
    """apprise, webhook: a file that holds the address and nothing else."""
    secret: SecretStr | None = None
    """webhook: the key of the signature."""
    secret_file: Path | None = None
    ca_bundle: Path | None = None
    """webhook: PEM file of the authorities to trust, instead of the usual ones."""
    command: list[str] = []
    """command: the program and its arguments; there is no shell."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds for a step of a delivery: to connect, for an answer. A delivery has six times as long
    altogether; a command has only this."""
    format: Literal["text", "html", "markdown"] = "text"
    """apprise: the template of the message."""

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


class HeartbeatSettings(Section):
    """A URL that is called while a daemon is ready, so that its receiver notices when it is not."""

    url: SecretStr | None = None
    """The address, which is a secret: anybody who has it can say that all is well."""
    url_file: Path | None = None
    """A file that holds the address and nothing else."""
    ca_bundle: Path | None = None
    """PEM file of the authorities to trust, instead of the usual ones."""
    minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 5.0
    """Minutes between two calls."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds for a step of a call: to connect, for an answer. A call has six times as long."""

    @property
    def is_set(self) -> bool:
        """Whether there is a URL to call."""
        return self.url is not None or self.url_file is not None

    @model_validator(mode="after")
    def _has_one_url(self) -> HeartbeatSettings:
        if self.url is not None and self.url_file is not None:
            raise ValueError("give one of `url` and `url_file`")
        return self


class NotifySettings(Section):
    """Notifications about alerts, and about Trailhound itself."""

    channels: list[ChannelSettings] = []
    health_after_minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 10.0
    """How long Trailhound may be not ready before channels get a message about it."""
    heartbeat: HeartbeatSettings = Field(default_factory=HeartbeatSettings.model_construct)
    max_age_hours: Annotated[float, Field(gt=0)] = 26.0
    """Alerts whose last event is older than this when they are first checked are not sent."""
    per_minute: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Messages per minute to one channel; the others wait, and one message gives their number."""
    one_message_per: Literal["incident", "alert"] = "incident"
    """Whether a channel gets one message for an incident, and one more when an alert is more
    severe; or one for each alert."""
    give_up_after_hours: Annotated[float, Field(gt=0)] = 72.0
    """How long delivery of a message is retried."""
    templates: Path | None = None
    """A folder of Jinja templates that take precedence over the shipped ones."""

    @field_validator("channels")
    @classmethod
    def _has_distinct_names(cls, value: list[ChannelSettings]) -> list[ChannelSettings]:
        names = [channel.name for channel in value]
        if len(set(names)) < len(names):
            raise ValueError("two channels have the same name")
        return value
