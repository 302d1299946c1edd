"""All added fields of one record, as bytes to splice into the record's own.

The hottest code of the product. Consecutive events mostly have the same caller, address, tool and
call. So each of these is computed once and cached as JSON,
in a bounded cache; an event then costs a few look-ups and one join.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from enrich.address import origin
from enrich.agent import LONGEST, agent
from enrich.category import category
from enrich.conditions import Own
from enrich.eventtime import EventTime, event_time
from enrich.geo import GeoDatabase
from enrich.grants import granted, may_grant
from enrich.identity import LONGEST_NAME, NOBODY, Identity, identity, role_session
from enrich.memo import Memo
from enrich.outcome import failed, is_error, reports_result
from enrich.resources import has_ids, plan
from enrich.risk import DEFAULT_RISK, RiskTable, score
from enrich.threat import ThreatLists, indicator
from enrich.touched import Room, Touched
from enrich.view import RecordView, dumps, view_from
from trailhound.errors import RecordError

_SUCCESS = b'"event":{"outcome":"success",'
_FAILURE = b'"event":{"outcome":"failure",'
_HIGH, _ROOT, _EXTERNAL, _ERROR = 8, 4, 2, 1  # bits of an index into the 16 risk fragments


class _Call(NamedTuple):
    """What depends only on event source and name. `risk` is a risk bit or 0."""

    written: bytes
    risk: int
    reports_result: bool
    touched: Callable[[RecordView], bytes]


class Enricher:
    """Adds fields to records. Pure but for its caches; one for each worker process.

    `city` and `asn` may each be any `GeoDatabase`; if both have a field, the first one is used.
    `own` is what `grants.unknown` leaves out.
    """

    def __init__(
        self,
        *,
        risk: RiskTable = DEFAULT_RISK,
        city: GeoDatabase | None = None,
        asn: GeoDatabase | None = None,
        threats: ThreatLists | None = None,
        own: Own | None = None,
    ) -> None:
        self.city, self.asn, self.threats = city, asn, threats
        self._risk_table = risk
        self._own = own or Own()
        self._databases = tuple(database for database in (asn, city) if database)
        self._threats = threats if threats is not None and threats.lists else None
        self._risks = tuple(self._risk(bits) for bits in range(16))
        self._room = Room()
        self._days: Memo[str, str] = Memo(_day, limit=8_192, longest=10)
        self._minutes: Memo[str, tuple[bytes, str]] = Memo(self._minute, limit=16_384, longest=16)
        self._calls: Memo[str, _Call] = Memo(self._call, limit=16_384, longest=256)
        self._sessions: Memo[str, bytes] = Memo(_session, limit=16_384, longest=512)
        self._services: Memo[str, bytes] = Memo(_service, limit=1_024, longest=256)
        self._users: Memo[str, bytes] = Memo(_user, limit=8_192, longest=256)
        self._origins: Memo[str, tuple[bytes, int]] = Memo(self._origin, limit=65_536, longest=256)
        self._agents: Memo[str, bytes] = Memo(self._agent, limit=4_096, longest=LONGEST)

    def fields(self, view: RecordView) -> tuple[bytes, str]:
        """The members to splice into the record, and its UTC day `YYYY.MM.DD`.

        The bytes are `"@timestamp":…,…,"event":{"outcome":"success",` without braces round
        them: the object `event` is left open for what the caller adds (`"ingested":"…"}`).
        Raises `RecordError`, with a `reason`, where `eventTime` is missing, no date, or absurd.
        """
        parts, day = self.parts(view)
        return b"".join(parts), day

    def parts(self, view: RecordView) -> tuple[tuple[bytes, ...], str]:
        """The same in the parts that it is made of, for whoever joins them with more."""
        moment = view.eventTime
        if isinstance(moment, str):
            stamp, day = self._time(moment)
        else:
            stamp, day = _stamped(event_time(moment))
        call, risk, reports, touched = self._calls[
            f"{view.eventSource or ''}\n{view.eventName or ''}"
        ]
        who, root = self._who(view)
        where, external = self._origins[view.sourceIPAddress or ""]
        tool = self._agents[(view.userAgent or "")[:LONGEST]]
        risk += root + external
        code = view.errorCode
        if code is None or code == "":
            outcome = _SUCCESS
        else:
            risk += _ERROR
            outcome = _FAILURE if is_error(code) else _SUCCESS
        if reports:
            outcome = _FAILURE if failed(view) else _SUCCESS
        return (stamp, self._risks[risk], call, who, where, tool, touched(view), outcome), day

    def document_fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The same for a decoded record, as a dict. Raises `RecordError` as `fields` does.

        >>> fields = Enricher().document_fields({"eventTime": "2024-05-01T10:00:00Z"})
        >>> fields["@timestamp"], fields["risk_score"], fields["event"]
        ('2024-05-01T10:00:00Z', 1, {'outcome': 'success'})
        """
        written, _ = self.fields(view_from(record))
        fields: dict[str, Any] = orjson.loads(b"{" + written[:-1] + b"}}")
        return fields

    def _risk(self, bits: int) -> bytes:
        points, reasons = score(
            self._risk_table,
            high_risk_call=bool(bits & _HIGH),
            root=bool(bits & _ROOT),
            external=bool(bits & _EXTERNAL),
            error=bool(bits & _ERROR),
        )
        return _member("risk_score", points) + (
            _member("risk_reasons", reasons) if reasons else b""
        )

    def _time(self, text: str) -> tuple[bytes, str]:
        """A second rarely occurs twice, but its minute and its number in the minute do."""
        begun, day = self._minutes[text[:16]]
        second = _SECONDS.get(text[16:])
        if day and second is not None:
            return begun + second, day
        return _stamped(event_time(text))

    def _minute(self, text: str) -> tuple[bytes, str]:
        """The member of a minute `2024-05-01T10:00` as far as it goes, and its day; else empty."""
        day = self._days[text[:10]]
        if day and text[10:] in _MINUTES:
            return b'"@timestamp":"%b' % text.encode(), day
        return b"", ""

    def _call(self, key: str) -> _Call:
        source, _, name = key.partition("\n")
        return _Call(
            _member("event_category", category(source, name)),
            _HIGH if name in self._risk_table.high_risk_calls else 0,
            reports_result(source, name),
            self._touched(source, name),
        )

    def _touched(self, source: str, name: str) -> Callable[[RecordView], bytes]:
        """What gives the members `resource` and `grants` of a record of this call."""
        touched = Touched(plan(source, name), self._room, ids=has_ids(source)).of
        if not may_grant(name):
            return touched
        own = self._own
        return lambda view: touched(view) + granted(view, own)

    def _who(self, view: RecordView) -> tuple[bytes, int]:
        """Nearly all callers are named by one field; the rules for the others are slower."""
        caller = view.userIdentity
        if caller is None:
            return _NOBODY
        kind, written = caller.type, b""
        if kind == "AssumedRole":
            written = self._sessions[caller.arn or ""]
        elif kind == "AWSService":
            written = self._services[caller.invokedBy or ""]
        elif kind == "IAMUser":
            written = self._users[caller.userName or ""]
        return (written, 0) if written else _user_fields(identity(caller, view))

    def _origin(self, text: str) -> tuple[bytes, int]:
        source = origin(text)
        written = _member("source", {"ip": source.ip}) if source.ip else b""
        if source.ip and source.external:
            place: dict[str, Any] = {}
            for database in self._databases:
                place |= database.find(source.ip)
            if place:
                written += _member("geolocation", place)
        if self._threats:
            found = (
                self._threats.of_address(source.ip)
                if source.ip
                else self._threats.of_host(source.host)
            )
            if found:
                written += _member("threat", {"indicator": indicator(found, source.ip)})
        return written, _EXTERNAL if source.external else 0

    def _agent(self, text: str) -> bytes:
        tool = agent(text)
        if tool is None:
            return b""
        fields = {"name": tool.name, "version": tool.version, "kind": tool.kind}
        return _member("user_agent", {name: value for name, value in fields.items() if value})


_MINUTES = frozenset(f"T{hour:02d}:{minute:02d}" for hour in range(24) for minute in range(60))
_SECONDS = {f":{second:02d}Z": b':%02dZ",' % second for second in range(60)}


def _member(name: str, value: Any) -> bytes:
    return b'"%b":%b,' % (name.encode(), dumps(value))


def _stamped(moment: EventTime) -> tuple[bytes, str]:
    return _member("@timestamp", moment.timestamp), moment.day


def _day(date: str) -> str:
    """`2024.05.01` of `2024-05-01`; `""` where that is no plausible date."""
    try:
        return event_time(f"{date}T00:00:00Z").day
    except RecordError:
        return ""


def _user_fields(who: Identity) -> tuple[bytes, int]:
    written = _member("user_type", who.user_type)
    if who.name:
        written += _member("user", {"name": who.name})
    return written, _ROOT if who.root else 0


_NOBODY = _user_fields(NOBODY)


def _session(arn: str) -> bytes:
    return _named(b"assumed_role", role_session(arn))


def _service(name: str) -> bytes:
    return _named(b"aws_service", name[:LONGEST_NAME])


def _user(name: str) -> bytes:
    return _named(b"iam_user", name[:LONGEST_NAME])


def _named(user_type: bytes, name: str) -> bytes:
    """Empty where one text does not give the name: then the rules decide."""
    return b'"user_type":"%b","user":{"name":%b},' % (user_type, dumps(name)) if name else b""
