"""Who calls, for an hour: an identity as CloudTrail writes it, an address and a client.

A session is created with the first call in an hour, and lasts until its end; so access
keys and creation times change hourly, as temporary credentials do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TypeVar

from trailhound.sample import agents
from trailhound.sample.addresses import EVERYWHERE
from trailhound.sample.estate import LINKED_ROLES, Account, Estate, Person, Role, User
from trailhound.sample.identifiers import base32, hexadecimal, uuid


class Actor(Enum):
    """The kinds of caller. `tls` is set for those that come over the network."""

    SERVICE = "an AWS service itself"
    SERVICE_ROLE = "an AWS service with its linked role in the account"
    ON_BEHALF = "an AWS service with a role of the estate"
    INTERNAL = "AWS Internal, with a role of the estate"
    WORKLOAD = "a program with a role, from an instance or a function"
    PIPELINE = "a build pipeline with the deploy role"
    WEB_IDENTITY = "a build pipeline as its identity provider knows it"
    SAML = "a person as the corporate identity provider knows them"
    PERSON = "a person with a role of Identity Center"
    PORTAL = "a person in the access portal, before any role"
    USER = "a person with an IAM user's key"
    SIGN_IN = "a person at the sign-in page with an IAM user's password"
    ROBOT = "a program with an IAM user's key"
    PARTNER = "another company's account"
    VISITOR = "anybody, without credentials"
    ROOT = "the account's root user"

    @property
    def remote(self) -> bool:
        """Whether it comes from an address, over TLS."""
        return self not in _INSIDE


_INSIDE = frozenset({Actor.SERVICE, Actor.SERVICE_ROLE, Actor.ON_BEHALF, Actor.INTERNAL})


@dataclass(slots=True)
class Session:
    """`identity` and `tail` are JSON text, the latter what ends the record; `arn` may be empty."""

    identity: str
    address: str
    agent: str
    arn: str = ""
    name: str = ""
    service: str = ""
    key: str = ""
    endpoint: str = ""
    """`,"vpcEndpointId":…,"vpcEndpointAccountId":…` where it came through one."""
    tail: str = ""


@dataclass(slots=True)
class Moment:
    """Where and when a session is opened. `opened` is ISO 8601; `hour` is of the UTC day."""

    rng: Random
    estate: Estate
    account: Account
    region: str
    hour: int
    opened: str
    ordinal: int
    """Number of the day: some callers keep one address for a day."""


T = TypeVar("T")


def pick(rng: Random, items: tuple[T, ...]) -> T:
    """One of them, all with the same probability."""
    return items[int(rng.random() * len(items))]


def assumed_role(
    role: Role,
    session: str,
    key: str,
    opened: str,
    *,
    invoked_by: str = "",
    federation: str = "",
    attributes: str = "",
    extra: str = "",
) -> str:
    """`userIdentity` of a role session, as JSON text."""
    invoked = f',"invokedBy":"{invoked_by}"' if invoked_by else ""
    return (
        f'{{"type":"AssumedRole","principalId":"{role.id}:{session}",'
        f'"arn":"{role_arn(role, session)}","accountId":"{role.account}","accessKeyId":"{key}",'
        f'"sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{role.id}",'
        f'"arn":"{role.arn}","accountId":"{role.account}","userName":"{role.name}"}},{federation}'
        f'"attributes":{{"creationDate":"{opened}","mfaAuthenticated":"false"}}'
        f"{attributes}}}{extra}{invoked}}}"
    )


def role_arn(role: Role, session: str) -> str:
    """The ARN under which a role's session acts."""
    return f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}"


def iam_user(user: User, account: str, *, attributes: str = "") -> str:
    """`userIdentity` of an IAM user with a key, as JSON text."""
    return (
        f'{{"type":"IAMUser","principalId":"{user.id}","arn":"{user.arn}","accountId":"{account}",'
        f'"accessKeyId":"{user.access_key}","userName":"{user.name}"{attributes}}}'
    )


def _service(_at: Moment, service: str) -> Session:
    host = f"{service}.amazonaws.com"
    identity = f'{{"type":"AWSService","invokedBy":"{host}"}}'
    return Session(identity, host, host, service=service)


def _service_role(at: Moment, service: str) -> Session:
    linked, session = at.account.linked_roles[service], LINKED_ROLES[service][1]
    host = f"{service}.amazonaws.com"
    key = base32(at.rng, "ASIA", 16)
    identity = assumed_role(linked, session, key, at.opened, invoked_by=host)
    return Session(identity, host, host, role_arn(linked, session), linked.name, service, key)


def _role_session(at: Moment, service: str) -> tuple[Role, str]:
    """A role that the service may assume, and a session name in the form the service uses."""
    role = pick(at.rng, at.account.service_roles.get(service) or at.account.roles)
    if role.service == "ec2":
        return role, pick(at.rng, at.account.places[at.region].instances)
    if role.service == "lambda":
        return role, pick(at.rng, at.account.places[at.region].functions)
    if role.service == "ecs-tasks":
        return role, hexadecimal(at.rng, 32)
    return role, f"{role.service.replace('.', '-')}-session"


def _by(at: Moment, service: str, invoker: str) -> Session:
    role, session = _role_session(at, service)
    key = base32(at.rng, "ASIA", 16)
    identity = assumed_role(role, session, key, at.opened, invoked_by=invoker)
    return Session(identity, invoker, invoker, role_arn(role, session), role.name, service, key)


def _on_behalf(at: Moment, service: str) -> Session:
    return _by(at, service, f"{service}.amazonaws.com")


def _internal(at: Moment, service: str) -> Session:
    return _by(at, service, "AWS Internal")


def _workload(at: Moment, service: str) -> Session:
    rng, place = at.rng, at.account.places[at.region]
    role, session = _role_session(at, service)
    key = base32(rng, "ASIA", 16)
    delivery = ',"ec2RoleDelivery":"2.0"' if role.service == "ec2" else ""
    identity = assumed_role(role, session, key, at.opened, attributes=delivery)
    agent = agents.SSM_AGENT if service == "ssm" else pick(rng, agents.WORKLOAD_AGENTS)
    endpoint = ""
    address = pick(rng, place.addresses)
    if rng.random() < 0.25:
        address = pick(rng, place.private)
        endpoint = (
            f',"vpcEndpointId":"{pick(rng, place.endpoints)}",'
            f'"vpcEndpointAccountId":"{at.account.id}"'
        )
    arn = role_arn(role, session)
    return Session(identity, address, agent, arn, role.name, service, key, endpoint)


def _pipeline(at: Moment, service: str) -> Session:
    rng, role = at.rng, at.account.deploy_role
    key = base32(rng, "ASIA", 16)
    provider = f"arn:aws:iam::{at.account.id}:oidc-provider/token.actions.githubusercontent.com"
    federation = f'"webIdFederationData":{{"federatedProvider":"{provider}","attributes":{{}}}},'
    session = "GitHubActions"
    identity = assumed_role(role, session, key, at.opened, federation=federation)
    address = pick(rng, at.estate.pipeline_addresses)
    agent = agents.PIPELINE_AGENTS[0] if rng.random() < 0.7 else agents.PIPELINE_AGENTS[1]
    return Session(identity, address, agent, role_arn(role, session), role.name, service, key)


_REPOSITORIES = ("storefront", "platform", "data-pipelines", "landing-zone", "mobile-api")


def _web_identity(at: Moment, service: str) -> Session:
    provider = "token.actions.githubusercontent.com"
    subject = f"repo:example-org/{pick(at.rng, _REPOSITORIES)}:ref:refs/heads/main"
    arn = f"arn:aws:iam::{at.account.id}:oidc-provider/{provider}"
    identity = (
        f'{{"type":"WebIdentityUser","principalId":"{arn}:sts.amazonaws.com:{subject}",'
        f'"userName":"{subject}","identityProvider":"{arn}"}}'
    )
    address = pick(at.rng, at.estate.pipeline_addresses)
    return Session(identity, address, agents.PIPELINE_AGENTS[2], name=subject, service=service)


def _at_work(at: Moment) -> Person:
    """Usually a person who works at this hour; a few work at odd hours."""
    for _ in range(8):
        person = pick(at.rng, at.estate.people)
        if 7 <= (at.hour + person.offset) % 24 < 19:
            break
    return person


def _desk(at: Moment, person: Person) -> str:
    """Home mostly, on one address for the day; else another, the office, or the company's VPN."""
    chance = at.rng.random()
    if chance < 0.6:
        return person.addresses[at.ordinal % len(person.addresses)]
    if chance < 0.8:
        return pick(at.rng, person.addresses)
    return pick(at.rng, at.estate.office if chance < 0.9 else at.estate.vpn)


def _person(at: Moment, service: str) -> Session:
    rng, person = at.rng, _at_work(at)
    role = at.account.sso_roles[person.permission_set]
    key = base32(rng, "ASIA", 16)
    console = service == "console" or rng.random() < 0.55
    identity = assumed_role(
        role,
        person.email,
        key,
        at.opened,
        extra=(
            f',"onBehalfOf":{{"userId":"{person.user_id}","identityStoreArn":'
            f'"arn:aws:identitystore::{at.estate.accounts[0].id}:identitystore/'
            f'{at.estate.identity_store}"}}'
            if rng.random() < 0.2
            else ""
        ),
    )
    return Session(
        identity,
        _desk(at, person),
        pick(rng, agents.CONSOLE_AGENTS if console else agents.CLI_AGENTS),
        role_arn(role, person.email),
        person.email,
        service,
        key,
        tail=',"sessionCredentialFromConsole":"true"' if console else "",
    )


def _portal(at: Moment, service: str) -> Session:
    person = _at_work(at)
    store = (
        f"arn:aws:identitystore::{at.estate.accounts[0].id}:identitystore/"
        f"{at.estate.identity_store}"
    )
    identity = (
        f'{{"type":"IdentityCenterUser","accountId":"{at.account.id}","onBehalfOf":{{"userId":'
        f'"{person.user_id}","identityStoreArn":"{store}"}},"credentialId":"{uuid(at.rng)}"}}'
    )
    agent = pick(at.rng, agents.CONSOLE_AGENTS)
    return Session(identity, _desk(at, person), agent, name=person.email, service=service)


def _saml(at: Moment, service: str) -> Session:
    person = _at_work(at)
    identity = (
        f'{{"type":"SAMLUser","principalId":"{base32(at.rng, "", 27).title()}=:{person.email}",'
        f'"userName":"{person.email}","identityProvider":"{base32(at.rng, "", 27).title()}="}}'
    )
    agent = pick(at.rng, agents.CONSOLE_AGENTS)
    return Session(identity, _desk(at, person), agent, name=person.email, service=service)


def _user(at: Moment, service: str) -> Session:
    user = pick(at.rng, at.account.users)
    identity = iam_user(user, at.account.id)
    agent = pick(at.rng, agents.CLI_AGENTS)
    address = pick(at.rng, user.addresses)
    return Session(identity, address, agent, user.arn, user.name, service, user.access_key)


def _sign_in(at: Moment, service: str) -> Session:
    user = pick(at.rng, at.account.users)
    identity = (
        f'{{"type":"IAMUser","principalId":"{user.id}","arn":"{user.arn}",'
        f'"accountId":"{at.account.id}","userName":"{user.name}"}}'
    )
    agent = pick(at.rng, agents.CONSOLE_AGENTS)
    return Session(identity, pick(at.rng, user.addresses), agent, user.arn, user.name, service)


def _robot(at: Moment, service: str) -> Session:
    user = pick(at.rng, at.account.robots)
    identity = iam_user(user, at.account.id)
    agent = pick(at.rng, agents.ROBOT_AGENTS)
    address = pick(at.rng, user.addresses)
    return Session(identity, address, agent, user.arn, user.name, service, user.access_key)


def _partner(at: Moment, service: str) -> Session:
    account, address = pick(at.rng, at.estate.partners)
    principal = f"AROA{account.translate(_LETTERS)}PARTN:integration"
    identity = f'{{"type":"AWSAccount","principalId":"{principal}","accountId":"{account}"}}'
    return Session(identity, address, agents.WORKLOAD_AGENTS[2], name=account, service=service)


_LETTERS = str.maketrans("0189", "ABCD")


def _visitor(at: Moment, service: str) -> Session:
    identity = '{"type":"AWSAccount","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"}'
    agent = pick(at.rng, agents.CONSOLE_AGENTS)
    return Session(identity, EVERYWHERE.draw(at.rng), agent, service=service)


def _root(at: Moment, service: str) -> Session:
    account = at.account.id
    key = base32(at.rng, "ASIA", 16)
    arn = f"arn:aws:iam::{account}:root"
    identity = (
        f'{{"type":"Root","principalId":"{account}","arn":"{arn}","accountId":"{account}",'
        f'"accessKeyId":"{key}","sessionContext":{{"attributes":{{"creationDate":"{at.opened}",'
        f'"mfaAuthenticated":"true"}}}}}}'
    )
    agent = agents.CONSOLE_AGENTS[0]
    tail = ',"sessionCredentialFromConsole":"true"'
    return Session(identity, at.estate.office[0], agent, arn, "root", service, key, tail=tail)


OPEN: dict[Actor, Callable[[Moment, str], Session]] = {
    Actor.SERVICE: _service,
    Actor.SERVICE_ROLE: _service_role,
    Actor.ON_BEHALF: _on_behalf,
    Actor.INTERNAL: _internal,
    Actor.WORKLOAD: _workload,
    Actor.PIPELINE: _pipeline,
    Actor.WEB_IDENTITY: _web_identity,
    Actor.SAML: _saml,
    Actor.PERSON: _person,
    Actor.PORTAL: _portal,
    Actor.USER: _user,
    Actor.SIGN_IN: _sign_in,
    Actor.ROBOT: _robot,
    Actor.PARTNER: _partner,
    Actor.VISITOR: _visitor,
    Actor.ROOT: _root,
}
"""How each kind of caller opens a session with, or for, a service."""
