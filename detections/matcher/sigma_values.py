"""pySigma's value types as tests of one scalar of an event.

A scalar is compared as text, so a rule's `"1"` matches the number 1 and `true` matches both
CloudTrail's `true` and `"true"`. Sigma's specification of the modifiers is the source of the
meanings: https://github.com/SigmaHQ/sigma-specification
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import re2  # type: ignore[import-untyped]
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    TimestampPart,
)

from detections.matcher.event_values import ValueTest, text
from detections.matcher.wildcards import one_of
from detections.matcher.written import written_text
from trailhound.errors import RuleError

OPERATORS: dict[CompareOperators, Callable[[float, float], bool]] = {
    CompareOperators.LT: operator.lt,
    CompareOperators.LTE: operator.le,
    CompareOperators.GT: operator.gt,
    CompareOperators.GTE: operator.ge,
    CompareOperators.NEQ: operator.ne,
}
TIME_PARTS: dict[TimestampPart, Callable[[datetime], int]] = {
    TimestampPart.MINUTE: lambda moment: moment.minute,
    TimestampPart.HOUR: lambda moment: moment.hour,
    TimestampPart.DAY: lambda moment: moment.day,
    TimestampPart.WEEK: lambda moment: moment.isocalendar().week,
    TimestampPart.MONTH: lambda moment: moment.month,
    TimestampPart.YEAR: lambda moment: moment.year,
}
LONGEST_NUMBER = 400
"""Characters; a double has at most 309 digits before its point."""
LONGEST_ADDRESS = 45 + 1 + 16
"""Characters: an IPv6 address with an IPv4 tail, `%`, and a zone name."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def value_test(value: SigmaType, modifiers: Collection[type]) -> ValueTest:
    """The test of one scalar for `value`. Raises `RuleError` for an unknown type."""
    match value:
        case SigmaString():
            return one_of([value])
        case SigmaBool():
            return one_of([SigmaString(str(value).lower())])
        case SigmaTimestampPart():  # before SigmaNumber, which it derives from
            return _timestamp(value, operator.eq)
        case SigmaNumber():
            return _equals_number(value)
        case SigmaCompareExpression():
            return _compared(value)
        case SigmaRegularExpression():
            return _regular_expression(value, modifiers)
        case SigmaCIDRExpression():
            return _in_network(value)
        case _:
            raise RuleError(
                f"values of type {type(value).__name__} are not supported",
                hint="write the rule with strings, numbers and the modifiers of Sigma 2",
            )


def number(value: Any) -> float | None:
    """A number, or a string that is written as one; None for all else, booleans included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if not isinstance(value, float) or math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > LONGEST_NUMBER:
        return None
    written = _NUMBER.fullmatch(value)
    if written is None:
        return None
    return int(value) if written.lastindex is None else float(value)


def moment(value: Any) -> datetime | None:
    """An ISO 8601 time, or epoch seconds as `lookup-events` gives them, in UTC; else None.

    A time without a zone is UTC, as all of CloudTrail's are.
    """
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _equals_number(value: SigmaNumber) -> ValueTest:
    wanted, written = value.number, written_text(value).lower()

    def match(scalar: Any) -> bool:
        if isinstance(scalar, str):
            return scalar.lower() == written
        return not isinstance(scalar, bool) and bool(scalar == wanted)

    return match


def _compared(value: SigmaCompareExpression) -> ValueTest:
    compare = OPERATORS[value.op]
    if isinstance(value.number, SigmaTimestampPart):
        return _timestamp(value.number, compare)
    limit = value.number.number

    def match(scalar: Any) -> bool:
        found = number(scalar)
        return found is not None and compare(found, limit)

    return match


def _timestamp(value: SigmaTimestampPart, compare: Callable[[float, float], bool]) -> ValueTest:
    part, wanted = TIME_PARTS[value.timestamp_part], value.number

    def match(scalar: Any) -> bool:
        found = moment(scalar)
        return found is not None and compare(part(found), wanted)

    return match


@lru_cache(maxsize=65_536)
def _address(value: str) -> IPv4Address | IPv6Address | None:
    """The address `value` is, an IPv4 one also where it is mapped into IPv6."""
    try:
        address = ip_address(value)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _in_network(value: SigmaCIDRExpression) -> ValueTest:
    network = value.network

    def match(scalar: Any) -> bool:
        if not isinstance(scalar, str) or len(scalar) > LONGEST_ADDRESS:
            return False
        address = _address(scalar)
        return address is not None and address in network

    return match


def _regular_expression(value: SigmaRegularExpression, modifiers: Collection[type]) -> ValueTest:
    """Found anywhere in the text, unless `startswith` or `endswith` anchors it.

    RE2 runs it, in time linear in the text: callers control the content of events, and `.+x` over a
    long value would keep a backtracking engine busy for minutes. Python's `re` runs what RE2 does
    not support: look-around and back-references. In both, `\\w`, `\\d` and `\\s` are ASCII.
    """
    source = str(value.regexp.to_plain_regex())
    if SigmaStartswithModifier in modifiers:
        source = rf"\A(?:{source})"
    at_end = SigmaEndswithModifier in modifiers
    flags = [value.sigma_to_re_flag[flag] for flag in value.flags]
    options = re2.Options()
    options.log_errors = False
    try:
        prefix = f"(?{''.join(sorted(flags))})" if flags else ""
        search = re2.compile(prefix + (rf"(?:{source})\z" if at_end else source), options).search
    except re2.error:
        search = _backtracking(value, rf"(?:{source})\Z" if at_end else source)

    def match(scalar: Any) -> bool:
        subject = scalar if scalar.__class__ is str else text(scalar)
        try:
            return search(subject) is not None
        except UnicodeEncodeError:  # lone surrogates: JSON can hold them, UTF-8 can't
            return search(subject.encode("utf-8", "replace").decode()) is not None

    return match


def _backtracking(value: SigmaRegularExpression, source: str) -> Callable[[str], Any]:
    flags = re.RegexFlag.ASCII
    for flag in value.flags:
        flags |= value.sigma_to_python_flags[flag]
    try:
        return re.compile(source, flags).search
    except (re.error, RecursionError, OverflowError) as error:
        raise RuleError(
            f"regular expression {source!r} is invalid: {error}",
            hint="fix it; RE2's syntax and that of Python's re are accepted",
        ) from None
