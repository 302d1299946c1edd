"""Builds an attack step by step: each step is a record like any other, with a label."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from random import Random
from typing import Any

from trailhound.sample.addresses import DOCUMENTATION_RANGES, HOSTILE_RANGES
from trailhound.sample.estate import Account, Estate, RegionResources, User
from trailhound.sample.identifiers import base32, base64, uuid
from trailhound.sample.plan import Bucket
from trailhound.sample.records import Record, render, scene_of, time_of
from trailhound.sample.sessions import Actor, Session, assumed_role, iam_user, role_arn
from trailhound.sample.shapes import CallError, Shape, bind, compile_shape
from trailhound.sample.spec import AttackLabel, Step

Json = dict[str, Any]

DENIED = "AccessDenied"
UNAUTHORIZED = "Client.UnauthorizedOperation"


class NoRoom(Exception):
    """The attack has more steps than its incident has room for."""


@dataclass(slots=True)
class Incident:
    """One attack: a clock that only advances, and the records so far.

    `bucket` says where it happens: all of it in one day, account and region, the home region.
    `bulk` is the number of objects for steps that read many, `room` the number of steps at the
    most.
    """

    rng: Random
    estate: Estate
    account: Account
    bucket: Bucket
    second: int
    bulk: int
    room: int = sys.maxsize
    records: list[Record] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    @property
    def home(self) -> RegionResources:
        """What the account owns in the home region."""
        return self.account.places[self.bucket.region]

    def documentation_address(self) -> str:
        """An attacker's address from the documentation ranges (RFC 5737, RFC 3849)."""
        return DOCUMENTATION_RANGES.draw(self.rng)

    def hostile_address(self) -> str:
        """An attacker's address of a hosting provider, an anonymiser, or a country new to the
        organisation."""
        return HOSTILE_RANGES.draw(self.rng)

    def key_session(self, user: User, address: str, agent: str) -> Session:
        """Calls with a user's key."""
        identity = iam_user(user, self.account.id)
        return self._known(Session(identity, address, agent, user.arn, user.name))

    def new_user(self, name: str) -> User:
        """A user that the attacker creates."""
        rng = self.rng
        arn = f"arn:aws:iam::{self.account.id}:user/{name}"
        return User(name, base32(rng, "AIDA", 17), arn, base32(rng, "AKIA", 16), (), robot=False)

    def sign_in_session(self, user: User | None, address: str, agent: str) -> Session:
        """Tries at the sign-in page, as a user or as one that doesn't exist."""
        if user is None:
            identity = (
                f'{{"type":"IAMUser","accountId":"{self.account.id}","accessKeyId":"",'
                '"userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}'
            )
            return self._known(Session(identity, address, agent))
        identity = (
            f'{{"type":"IAMUser","principalId":"{user.id}","arn":"{user.arn}",'
            f'"accountId":"{self.account.id}","accessKeyId":"","userName":"{user.name}"}}'
        )
        return self._known(Session(identity, address, agent, user.arn, user.name))

    def console_session(self, user: User, address: str, agent: str) -> Session:
        """What a signed-in user does in the console: temporary keys, no second factor."""
        key = base32(self.rng, "ASIA", 16)
        context = (
            f',"sessionContext":{{"attributes":{{"creationDate":"{self._time()}",'
            '"mfaAuthenticated":"false"}}'
        )
        identity = iam_user(user, self.account.id, attributes=context)
        identity = identity.replace(user.access_key, key)
        tail = ',"sessionCredentialFromConsole":"true"'
        return self._known(Session(identity, address, agent, user.arn, user.name, tail=tail))

    def instance_session(self, address: str, agent: str) -> Session:
        """An instance's credentials, used from outside."""
        role = self.account.service_roles["ec2"][0]
        session = self.home.instances[0]
        identity = assumed_role(
            role,
            session,
            base32(self.rng, "ASIA", 16),
            self._time(),
            attributes=',"ec2RoleDelivery":"1.0"',
        )
        return self._known(
            Session(identity, address, agent, role_arn(role, session), f"{role.name}/{session}")
        )

    def _known(self, session: Session) -> Session:
        self.sessions.append(session)
        return session

    def wait(self, low: int, high: int) -> None:
        """Advance the clock by a number of seconds."""
        self.second += low + int(self.rng.random() * (high - low + 1))

    def call(
        self,
        session: Session,
        tactic: str,
        technique: str,
        source: str,
        name: str,
        request: Json | None = None,
        response: Json | None = None,
        *,
        error: str = "",
        message: str = "",
        pause: tuple[int, int] = (20, 240),
        **shape: Any,
    ) -> None:
        """One call, after a pause. `shape` are further arguments of `Shape`.

        Raises `NoRoom`.
        """
        if len(self.steps) >= self.room:
            raise NoRoom
        self.wait(*pause)
        fault = None
        if error or message:
            action = f"{source}:{name}"
            fault = CallError(
                1.0,
                error,
                message
                or f"User: {session.arn} is not authorized to perform: {action} because no "
                f"identity-based policy allows the {action} action",
            )
        shape_of_call = Shape(
            source,
            name,
            request=request,
            response=response,
            faults=(fault,) if fault else (),
            **{"read_only": name.startswith(("Get", "List", "Describe", "Head")), **shape},
        )
        bucket = self.bucket
        scene = scene_of(self.rng, self.estate, self.account, bucket, base64(self.rng, 512))
        scene.session, scene.second = session, self.second
        compiled = bind(compile_shape(shape_of_call, Actor.USER), self.account.id, bucket.region)
        template = compiled.faults[0][1] if compiled.faults else compiled.plain
        event_id, request_id = uuid(self.rng), uuid(self.rng)
        time = time_of(scene.day, self.second)
        record = render(template, scene, time, event_id, request_id)
        self.records.append((self.second, record))
        self.steps.append(
            Step(
                event_id=event_id,
                event_name=name,
                event_time=time,
                tactic=tactic,
                technique=technique,
                error_code=error or None,
            )
        )

    def label(self, name: str) -> AttackLabel:
        """Its entry in `labels.json`."""
        techniques = dict.fromkeys(step.technique for step in self.steps)
        first = self.sessions[0]
        arns = dict.fromkeys(session.arn for session in self.sessions if session.arn)
        return AttackLabel(
            name=name,
            techniques=tuple(techniques),
            account=self.account.id,
            principal=first.arn or next(iter(arns)),
            principals=tuple(arns),
            address=first.address,
            addresses=tuple(dict.fromkeys(session.address for session in self.sessions)),
            steps=tuple(self.steps),
        )

    def _time(self) -> str:
        return time_of(self.bucket.day.isoformat(), self.second)
