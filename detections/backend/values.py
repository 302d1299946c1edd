"""Values other than strings as clauses: numbers, booleans, networks, times, expressions,
presence."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address

from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
)

from detections.backend.clause import NOTHING, Clause, any_of, every
from detections.backend.lucene import literal
from detections.backend.regexes import translated
from detections.backend.strings import one_of, present, regexp
from detections.compiled import Query
from detections.event_fields import Field
from detections.matcher.written import written_text

NUMBER = r"[+\-]?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?"
"""Every text that is a number to the matcher."""
ODD_NUMBER = r"\-?[0-9]+(\.[0-9]+([eE][+\-]?[0-9]+)?|[eE][+\-]?[0-9]+)"
"""Numbers that JSON can write in more than one way."""
ONE_ADDRESS = (
    r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){3}"
    r"|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
)
"""One address; `sourceIPAddress` may hold a list of them, of which `source.ip` is the first."""

_RANGES = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
}


def value_clause(field: Field, value: SigmaType, modifiers: frozenset[type]) -> Clause:
    """The clause for `value` at one field; a superset where the query DSL cannot express it."""
    match value:
        case SigmaBool():
            return one_of(field, [SigmaString(str(value).lower())])
        case SigmaExists():
            return Clause.exactly(present(field))
        case SigmaTimestampPart():
            return Clause.approximate(present(field))
        case SigmaNumber():
            return _number(field, value)
        case SigmaCompareExpression():
            return _compared(field, value)
        case SigmaRegularExpression():
            return _expression(field, value, modifiers)
        case SigmaCIDRExpression():
            return _network(field, value)
    return Clause.approximate(present(field))


def _number(field: Field, value: SigmaNumber) -> Clause:
    if field.kind == "number":
        return _range(field, {"gte": value.number, "lte": value.number})
    if field.kind not in ("keyword", "flat"):
        return (
            Clause.approximate(NOTHING)
            if field.kind == "date"
            else Clause.approximate(present(field))
        )
    sure = one_of(field, [SigmaString(written_text(value))]).superset
    same = one_of(field, [SigmaString(str(value.number))]).superset
    other = regexp(field, ODD_NUMBER)
    return Clause(any_of([sure, *([same] if same != sure else []), other]), sure, exact=False)


def _range(field: Field, limits: dict[str, float | int]) -> Clause:
    query: Query = {"range": {field.path: limits}}
    # The index stores these as 32-bit floats, the event has 64 bits.
    decimal = field.path in ("geolocation.latitude", "geolocation.longitude")
    return Clause.approximate(present(field)) if decimal else Clause.exactly(query)


def _compared(field: Field, value: SigmaCompareExpression) -> Clause:
    if isinstance(value.number, SigmaTimestampPart):
        return Clause.approximate(present(field))
    if field.kind == "number" and value.op in _RANGES:
        return _range(field, {_RANGES[value.op]: value.number.number})
    if field.kind in ("keyword", "flat"):
        return Clause.approximate(regexp(field, NUMBER))
    return Clause.approximate(present(field))


def _expression(field: Field, value: SigmaRegularExpression, modifiers: frozenset[type]) -> Clause:
    if field.kind not in ("keyword", "flat"):
        return Clause.approximate(present(field))
    made = translated(value, modifiers)
    query = regexp(field, made.pattern)
    return Clause.exactly(query) if made.exact else Clause.approximate(query)


def _network(field: Field, value: SigmaCIDRExpression) -> Clause:
    network = value.network
    inside: Query = {"term": {"source.ip": {"value": str(network)}}}
    # To the matcher an IPv4 address is in no IPv6 network, however it is written.
    exact = isinstance(network, IPv4Network) or ip_address("::ffff:0:0") not in network
    if field.path == "sourceIPAddress":
        alone = Clause.exactly(regexp(field, ONE_ADDRESS))
        return every([Clause.exactly(inside) if exact else Clause.approximate(inside), alone])
    if field.kind == "ip":
        query: Query = {"term": {field.path: {"value": str(network)}}}
        return Clause.exactly(query) if exact else Clause.approximate(query)
    if field.kind not in ("keyword", "flat"):
        return Clause.approximate(NOTHING)
    return Clause.approximate(regexp(field, f"{_octets(network)}[0-9a-fA-F:.]*|[^ ]*:[^ ]*"))


def _octets(network: object) -> str:
    """The whole octets that all addresses of an IPv4 network begin with."""
    if not isinstance(network, IPv4Network):
        return "[0-9a-fA-F:.]*:"
    whole = str(network.network_address).split(".")[: network.prefixlen // 8]
    return literal(
        "".join(f"{each}." for each in whole)[: None if len(whole) < 4 else -1], fold=False
    )
