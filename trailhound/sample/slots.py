"""What fills a template's slots: one small function for each slot, found by its name.

Each gets the scene of the event that is written and returns text that needs no escaping in JSON (it
may contain `é`, never a quote, a backslash or a control character).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from trailhound.sample.estate import Account, Estate, RegionResources, Role
from trailhound.sample.identifiers import base32_of, hexadecimal
from trailhound.sample.sessions import Session, role_arn


@dataclass(slots=True)
class Scene:
    """The state while a record is written.

    `opaque` is base-64 text to cut tokens from; `second` is of the UTC day, `day` is `2025-03-03`
    and `day_text` `Mar 3, 2025`. `role` and `session_name` are what the event's own slots chose.
    """

    rng: Random
    estate: Estate
    account: Account
    place: RegionResources
    region: str
    day: str
    day_text: str
    opaque: str
    random: Callable[[], float]
    bits: Callable[[int], int]
    session: Session
    role: Role
    second: int = 0
    session_name: str = ""
    chosen: dict[str, str] = field(default_factory=dict)


def _from(items: Callable[[Scene], tuple[str, ...]]) -> Callable[[Scene], str]:
    """A slot for one of a scene's texts."""

    def take(scene: Scene) -> str:
        pool = items(scene)
        return pool[int(scene.random() * len(pool))]

    return take


def _hex(length: int) -> Callable[[Scene], str]:
    """A slot for a number of hexadecimal digits."""
    width, form = 4 * length, f"%0{length}x"
    return lambda scene: form % scene.bits(width)


def _ec2_id(scene: Scene) -> str:
    """The digits of an id such as `i-0a1b…`: EC2 gives 17, and today's begin with 0."""
    return f"0{scene.bits(68) >> 4:016x}"


def _number(low: int, high: int) -> Callable[[Scene], str]:
    """A slot of a whole number, from low to high."""
    return lambda scene: str(low + int(scene.random() * (high - low + 1)))


def _opaque(length: int) -> Callable[[Scene], str]:
    """A slot for a number of base-64 characters."""

    def cut(scene: Scene) -> str:
        at = int(scene.random() * (len(scene.opaque) - length))
        return scene.opaque[at : at + length]

    return cut


def _uuid(scene: Scene) -> str:
    digits = f"{scene.bits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


_FOLDERS = ("raw", "curated", "exports", "uploads", "reports", "models", "invoices", "Büro")
_ENDINGS = ("parquet", "json.gz", "csv", "jpg", "pdf", "avro", "log.gz", "bin")


def _object_key(scene: Scene) -> str:
    bits = scene.bits(70)
    return (
        f"{_FOLDERS[bits & 7]}/{scene.day.replace('-', '/')}/part-{(bits >> 6) & 0xFFFFF:05d}-"
        f"{bits >> 26:011x}.{_ENDINGS[(bits >> 3) & 7]}"
    )


def _log_key(scene: Scene) -> str:
    return (
        f"AWSLogs/{scene.account.id}/CloudTrail/{scene.region}/{scene.day.replace('-', '/')}/"
        f"{scene.account.id}_CloudTrail_{scene.region}_{scene.day.replace('-', '')}T"
        f"{scene.second // 3600:02d}{scene.second // 60 % 60:02d}Z_{scene.bits(64):016X}.json.gz"
    )


def _role_of_service(scene: Scene) -> str:
    """A role that the calling service may assume; `LEADS` makes its other slots agree."""
    roles = scene.account.service_roles.get(scene.session.service) or scene.account.roles
    scene.role = roles[int(scene.random() * len(roles))]
    prefix = _SESSION_PREFIX.get(scene.role.service, "")
    scene.session_name = prefix + hexadecimal(scene.rng, 16 if prefix == "i-0" else 12)
    return scene.role.name


_SESSION_PREFIX = {
    "ec2": "i-0",
    "lambda": "fn-",
    "states": "exec-",
    "glue": "GlueJobRunnerSession-",
}


def _own_role(scene: Scene) -> str:
    """The role that a person or a pipeline assumes by the call itself."""
    service = scene.session.service
    account = scene.account
    scene.role = account.saml_role if service == "saml" else account.deploy_role
    scene.session_name = scene.session.name if service == "saml" else "GitHubActions"
    return scene.role.name


def _clock(scene: Scene, ahead: int) -> str:
    second = (scene.second + ahead) % 86_400
    hour = second // 3600
    half = "AM" if hour < 12 else "PM"
    return (
        f"{scene.day_text}, {(hour + 11) % 12 + 1}:{second // 60 % 60:02d}:{second % 60:02d} {half}"
    )


SLOTS: dict[str, Callable[[Scene], str]] = {
    "bucket": _from(lambda s: s.account.buckets),
    "trail_bucket": lambda s: s.account.trail_bucket,
    "key": _object_key,
    "log_key": _log_key,
    "table": _from(lambda s: s.account.tables),
    "instance": _from(lambda s: s.place.instances),
    "image": _from(lambda s: s.place.images),
    "volume": _from(lambda s: s.place.volumes),
    "group": _from(lambda s: s.place.groups),
    "subnet": _from(lambda s: s.place.subnets),
    "interface": _from(lambda s: s.place.interfaces),
    "vpc": _from(lambda s: s.place.vpcs),
    "kms_key": _from(lambda s: s.place.keys),
    "secret": _from(lambda s: s.place.secrets),
    "function": _from(lambda s: s.place.functions),
    "any_role": lambda s: s.account.roles[int(s.random() * len(s.account.roles))].name,
    "user": lambda s: s.account.users[int(s.random() * len(s.account.users))].name,
    "robot": lambda s: s.account.robots[int(s.random() * len(s.account.robots))].name,
    "person": lambda s: s.estate.people[int(s.random() * len(s.estate.people))].name,
    "partner": lambda s: s.estate.partners[0][0],
    "organization": lambda s: s.estate.organization,
    "store": lambda s: s.estate.identity_store,
    "trail": lambda s: s.account.trail,
    "role": _role_of_service,
    "own_role": _own_role,
    "role_arn": lambda s: s.role.arn,
    "role_id": lambda s: s.role.id,
    "role_session": lambda s: s.session_name,
    "assumed_arn": lambda s: role_arn(s.role, s.session_name),
    "own_arn": lambda s: s.role.arn,
    "own_id": lambda s: s.role.id,
    "own_session": lambda s: s.session_name,
    "own_assumed": lambda s: role_arn(s.role, s.session_name),
    "caller": lambda s: s.session.arn,
    "caller_name": lambda s: s.session.name,
    "caller_host": lambda s: s.session.address,
    "day": lambda s: s.day,
    "now_text": lambda s: _clock(s, 0),
    "later_text": lambda s: _clock(s, 3600),
    "temporary_key": lambda s: "ASIA" + base32_of(s.bits(80), 16),
    "new_key": lambda s: "AKIA" + base32_of(s.bits(80), 16),
    "new_user_id": lambda s: "AIDA" + base32_of(s.bits(90), 17),
    "new_role_id": lambda s: "AROA" + base32_of(s.bits(90), 17),
    "new_policy_id": lambda s: "ANPA" + base32_of(s.bits(90), 17),
    "s3_request": lambda s: base32_of(s.bits(80), 16),
    "token": _opaque(420),
    "extended_id": _opaque(76),
    "page": _opaque(160),
    "shared_id": _uuid,
    "uuid": _uuid,
    "hex8": _hex(8),
    "hex12": _hex(12),
    "hex17": _ec2_id,
    "hex32": _hex(32),
    "sha": _hex(64),
    "size": _number(180, 4_000_000),
    "small": _number(180, 900),
    "count": _number(1, 100),
    "port": _from(lambda _: ("443", "443", "8080", "5432", "3306")),
    "octet": _number(0, 255),
    "minute": _number(10, 59),
}
"""Every slot that a shape may name, besides the common ones, `<account>` and `<region>`."""

LEADS = {
    "role_arn": "role",
    "role_id": "role",
    "role_session": "role",
    "assumed_arn": "role",
    "own_arn": "own_role",
    "own_id": "own_role",
    "own_session": "own_role",
    "own_assumed": "own_role",
}
"""Slots that depend on what another chose, which is therefore filled first."""
