"""The organisation whose trail it is: accounts, people, roles, and what they own.

Everything is drawn once from the seed. Their number grows with the number of events, but more
slowly, so that a large sample does not repeat a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from trailhound.sample.addresses import (
    HOME_RANGES,
    PIPELINE_RANGES,
    PRIVATE_RANGES,
    UTC_OFFSETS,
    Ranges,
    cloud,
)
from trailhound.sample.identifiers import base32, digits, hexadecimal, uuid
from trailhound.sample.spec import SampleSpec


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    """
    alice ben carla david elena farid grace hugo ines jonas karin liam maria noah olga
    paulo qing rosa samir tanja umar vera wei xenia yusuf zoe anders bianca cheng diego
    emma fatima george hana ivan julia kofi lena marta nadia
    """
)
_LAST = _words(
    """
    adams bauer costa dubois evans fischer garcia hansen ivanova jones keller lopez moreau
    nguyen okafor petrov quinn rossi silva tanaka ueda vogel wagner xu yilmaz zhang
    andersson brown chopra davies
    """
)
_SYSTEMS = _words(
    """
    billing catalog checkout customer data-lake dispatch events fraud gateway identity
    inventory invoices mail media metrics orders payments pricing reports search shipping
    sync tickets warehouse
    """
)
_STAGES = ("prod", "prod", "staging", "dev")
_COUNTRIES = ("DE", "DE", "US", "US", "GB", "GB", "FR", "IN", "IN", "PL", "ES", "NL", "AU", "IE",
              "CA", "SE", "IT", "BR", "JP", "SG", "MX", "KR", "ZA", "IL")  # fmt: skip
_PERMISSION_SETS = ("AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "Developer",
                    "DataAnalyst", "SupportUser")  # fmt: skip

SERVICE_ROLES = ("ec2", "lambda", "ecs-tasks", "states", "glue", "firehose", "codebuild", "events",
                 "backup", "monitoring.rds", "eks", "sagemaker", "apigateway", "ssm")  # fmt: skip
"""Services that the organisation has roles for."""

LINKED_ROLES = {
    "config": ("AWSServiceRoleForConfig", "AWSConfig-Describe"),
    "autoscaling": ("AWSServiceRoleForAutoScaling", "AutoScaling"),
    "ecs": ("AWSServiceRoleForECS", "ecs-service-scheduler"),
    "elasticloadbalancing": ("AWSServiceRoleForElasticLoadBalancing", "ElasticLoadBalancing"),
    "trustedadvisor": ("AWSServiceRoleForTrustedAdvisor", "TrustedAdvisor"),
    "access-analyzer": ("AWSServiceRoleForAccessAnalyzer", "access-analyzer"),
    "guardduty": ("AWSServiceRoleForAmazonGuardDuty", "GuardDuty"),
    "resource-explorer-2": ("AWSServiceRoleForResourceExplorer", "resource-explorer-2"),
    "securityhub": ("AWSServiceRoleForSecurityHub", "securityhub"),
    "inspector2": ("AWSServiceRoleForAmazonInspector2", "inspector2"),
    "rds": ("AWSServiceRoleForRDS", "Rds-Monitoring"),
    "ssm": ("AWSServiceRoleForAmazonSSM", "ssm"),
    "backup": ("AWSServiceRoleForBackup", "AWSBackup"),
}
"""Service-linked roles by service: their names and those of their sessions."""


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role: `path` is `/` or a service's."""

    name: str
    id: str
    arn: str
    account: str
    service: str


@dataclass(frozen=True, slots=True)
class Person:
    """An employee in `country`, with addresses of their own and of the company."""

    name: str
    email: str
    user_id: str
    """In the identity store."""
    country: str
    offset: int
    """Hours ahead of UTC."""
    addresses: tuple[str, ...]
    permission_set: str


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user with a long-lived key. A person's has a country, an automation user's has
    none."""

    name: str
    id: str
    arn: str
    access_key: str
    addresses: tuple[str, ...]
    robot: bool


@dataclass(frozen=True, slots=True)
class RegionResources:
    """What one account owns in one region."""

    instances: tuple[str, ...]
    images: tuple[str, ...]
    volumes: tuple[str, ...]
    groups: tuple[str, ...]
    subnets: tuple[str, ...]
    interfaces: tuple[str, ...]
    vpcs: tuple[str, ...]
    endpoints: tuple[str, ...]
    keys: tuple[str, ...]
    secrets: tuple[str, ...]
    functions: tuple[str, ...]
    addresses: tuple[str, ...]
    """Public addresses of its instances and NAT gateways."""
    private: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account. `places` is by region, `service_roles` by service."""

    id: str
    name: str
    weight: float
    roles: tuple[Role, ...]
    service_roles: dict[str, tuple[Role, ...]]
    sso_roles: dict[str, Role]
    linked_roles: dict[str, Role]
    """Service-linked roles, by service."""
    deploy_role: Role
    saml_role: Role
    users: tuple[User, ...]
    robots: tuple[User, ...]
    buckets: tuple[str, ...]
    trail_bucket: str
    trail: str
    tables: tuple[str, ...]
    places: dict[str, RegionResources]


@dataclass(frozen=True, slots=True)
class Estate:
    """The whole organisation. `partners` are foreign accounts that may assume roles here."""

    organization: str
    identity_store: str
    accounts: tuple[Account, ...]
    people: tuple[Person, ...]
    pipeline_addresses: tuple[str, ...]
    office: tuple[str, ...]
    vpn: tuple[str, ...]
    partners: tuple[tuple[str, str], ...]
    """Account id and address."""


def role(rng: Random, account: str, name: str, service: str, path: str = "/") -> Role:
    """A role with a fresh id."""
    arn = f"arn:aws:iam::{account}:role{path}{name}"
    return Role(name, base32(rng, "AROA", 17), arn, account, service)


def build(spec: SampleSpec) -> Estate:
    """The estate of a spec: the same for the same seed and size."""
    rng = Random(f"estate {spec.seed}")
    # One address for some 70 external events, kept in pools; one-off visitors bring the rest.
    pool = max(24, spec.events * 17 // 100 // 70)
    people = _people(rng, 14 + min(spec.events // 6_000, 600), pool * 45 // 100)
    accounts = tuple(_account(rng, spec, number, pool) for number in range(spec.accounts))
    return Estate(
        organization="o-" + hexadecimal(rng, 10),
        identity_store="d-" + hexadecimal(rng, 10),
        accounts=accounts,
        people=people,
        pipeline_addresses=_draw(rng, PIPELINE_RANGES, max(6, pool * 25 // 100)),
        office=(HOME_RANGES["DE"].draw(rng), HOME_RANGES["US"].draw(rng)),
        vpn=(HOME_RANGES["NL"].draw(rng), HOME_RANGES["GB"].draw(rng)),
        partners=tuple((digits(rng, 12), cloud("us-east-1").draw(rng)) for _ in range(3)),
    )


def _draw(rng: Random, ranges: Ranges, count: int) -> tuple[str, ...]:
    return tuple(ranges.draw(rng) for _ in range(count))


def _people(rng: Random, count: int, addresses: int) -> tuple[Person, ...]:
    each = max(1, addresses // count)
    people = []
    for number in range(count):
        first = _FIRST[number % len(_FIRST)]
        last = _LAST[(number * 7 + number // len(_FIRST)) % len(_LAST)]
        country = _COUNTRIES[number % len(_COUNTRIES)]
        name = f"{first}.{last}" + (str(number // 1200 + 1) if number >= 1200 else "")
        people.append(
            Person(
                name=name,
                email=f"{name}@example.com",
                user_id=uuid(rng),
                country=country,
                offset=UTC_OFFSETS[country],
                addresses=_draw(rng, HOME_RANGES[country], each),
                permission_set=_PERMISSION_SETS[number % len(_PERMISSION_SETS)],
            )
        )
    return tuple(people)


def _account(rng: Random, spec: SampleSpec, number: int, pool: int) -> Account:
    identity = digits(rng, 12)
    stage = _STAGES[number % len(_STAGES)]
    name = f"{stage}-{number + 1}"
    many = min(2_000, 6 + spec.events // spec.accounts // 4_000)
    services = {
        service: tuple(
            role(rng, identity, f"{_system(rng)}-{stage}-{service}-{index}", service)
            for index in range(max(2, many // 3))
        )
        for service in SERVICE_ROLES
    }
    reserved = "/aws-reserved/sso.amazonaws.com/"
    sso = {
        wanted: role(
            rng,
            identity,
            f"AWSReservedSSO_{wanted}_{hexadecimal(rng, 16)}",
            "sso",
            reserved,
        )
        for wanted in _PERMISSION_SETS
    }
    share = max(1, pool * 20 // 100 // (spec.accounts * len(spec.regions)))
    return Account(
        id=identity,
        name=name,
        weight=1.0 / (number + 1),
        roles=tuple(each for group in services.values() for each in group),
        service_roles=services,
        sso_roles=sso,
        linked_roles={
            service: role(
                rng, identity, linked, service, f"/aws-service-role/{service}.amazonaws.com/"
            )
            for service, (linked, _) in LINKED_ROLES.items()
        },
        deploy_role=role(rng, identity, "github-deploy", "pipeline"),
        saml_role=role(rng, identity, "corp-saml-engineer", "saml"),
        users=tuple(
            _user(rng, identity, f"{_FIRST[(number * 5 + n) % 40]}.admin", robot=False)
            for n in range(3)
        ),
        robots=tuple(_user(rng, identity, f"svc-{_system(rng)}-{n}", robot=True) for n in range(3)),
        buckets=tuple(f"{_system(rng)}-{stage}-{hexadecimal(rng, 6)}" for _ in range(8 + many)),
        trail_bucket=f"org-trail-{identity}",
        trail="organization-trail",
        tables=tuple(f"{_system(rng)}-{stage}-{n}" for n in range(4 + many // 2)),
        places={region: _place(rng, region, many, share) for region in spec.regions},
    )


def _system(rng: Random) -> str:
    return _SYSTEMS[int(rng.random() * len(_SYSTEMS))]


def _user(rng: Random, account: str, name: str, *, robot: bool) -> User:
    country = "US" if robot else _COUNTRIES[int(rng.random() * len(_COUNTRIES))]
    ranges = cloud("eu-central-1") if robot else HOME_RANGES[country]
    return User(
        name=name,
        id=base32(rng, "AIDA", 17),
        arn=f"arn:aws:iam::{account}:user/{name}",
        access_key=base32(rng, "AKIA", 16),
        addresses=_draw(rng, ranges, 2),
        robot=robot,
    )


def _place(rng: Random, region: str, many: int, addresses: int) -> RegionResources:
    def ids(prefix: str, count: int) -> tuple[str, ...]:
        return tuple(f"{prefix}-0{hexadecimal(rng, 16)}" for _ in range(count))

    return RegionResources(
        instances=ids("i", 6 + many),
        images=ids("ami", 4),
        volumes=ids("vol", 8 + many),
        groups=ids("sg", 6 + many // 3),
        subnets=ids("subnet", 6),
        interfaces=ids("eni", 8 + many),
        vpcs=ids("vpc", 2),
        endpoints=ids("vpce", 2),
        keys=tuple(uuid(rng) for _ in range(4 + many // 4)),
        secrets=tuple(
            f"{_system(rng)}/{_STAGES[index % 4]}/credentials-{base32(rng, '', 6)}"
            for index in range(5 + many // 4)
        ),
        functions=tuple(f"{_system(rng)}-handler-{index}" for index in range(4 + many // 3)),
        addresses=_draw(rng, cloud(region), max(2, addresses)),
        private=_draw(rng, PRIVATE_RANGES, max(2, addresses // 2)),
    )
