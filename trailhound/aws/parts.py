"""The parts of a set-up, compared with the existing ones: plan, and write.

Most of AWS's calls replace a complete configuration. So a part is read, the wanted values are
merged into it, the difference is shown, and it is written only if it is unchanged since it was
read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from trailhound.errors import AwsError, TrailhoundError

Value = Any
"""A JSON value; None: it does not exist."""
Action = Literal["create", "change", "unchanged"]
EXISTS: Final = "exists"
"""The wanted value of a resource whose attributes are parts of their own."""


def replaced(_now: Value, wanted: Value) -> Value:
    """A merge that replaces the existing value by the wanted one."""
    return wanted


def members(now: Value, wanted: Value) -> Value:
    """A merge of objects that keeps other members."""
    return {**(now or {}), **wanted}


def by(key: str) -> Callable[[Value, Value], Value]:
    """A merge of lists of objects: one with the same `key` is replaced in its place, others stay.

    >>> by("ID")([{"ID": "a"}, {"ID": "b", "x": 1}], [{"ID": "b"}, {"ID": "c"}])
    [{'ID': 'a'}, {'ID': 'b'}, {'ID': 'c'}]
    """

    def merge(now: Value, wanted: Value) -> Value:
        new = {each[key]: each for each in wanted}
        kept = [new.pop(each.get(key), each) for each in now or []]
        return [*kept, *new.values()]

    return merge


def statements(now: Value, wanted: Value) -> Value:
    """A merge of policies by the Sid of their statements; others stay."""
    merged = by("Sid")((now or {}).get("Statement"), wanted["Statement"])
    return {**wanted, **(now or {}), "Statement": merged}


@dataclass(frozen=True)
class Part:
    """One configuration that AWS reads and writes as a whole. `read` returns None if it does not
    exist; `write` gets the merged value and the existing one. Both raise `AwsError`."""

    name: str
    wanted: Value
    read: Callable[[], Value]
    write: Callable[[Value, Value], None]
    merge: Callable[[Value, Value], Value] = replaced
    needs: str = ""
    """The part without which this one can't exist: where it is missing, this one is not read."""


@dataclass(frozen=True)
class PartChange:
    """A part, its existing value (`now`), and the value that it will have (`then`)."""

    part: Part
    now: Value
    then: Value

    @property
    def action(self) -> Action:
        if same(self.now, self.then):
            return "unchanged"
        return "create" if self.now is None else "change"

    @property
    def lines(self) -> list[str]:
        """The difference, a line for each value: `+`, `-`."""
        return [] if self.then == EXISTS else list(difference(self.now, self.then))

    def as_dict(self) -> dict[str, Any]:
        return {"part": self.part.name, "action": self.action, "difference": self.lines}


@dataclass
class Applied:
    """The result of an apply: names of parts."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def planned(
    parts: Iterable[Part], refused: Callable[[Part, TrailhoundError], None] | None = None
) -> list[PartChange]:
    """Each part compared with its existing value. Raises `AwsError` for a part that can't be read;
    with `refused`, that is called with part and error instead, and the others are compared."""
    missing: set[str] = set()
    found = []
    for part in parts:
        try:
            now = None if part.needs in missing else part.read()
        except TrailhoundError as error:
            if refused is None:
                raise
            refused(part, error)
            continue
        if now is None:
            missing.add(part.name)
        found.append(PartChange(part, now, part.merge(now, part.wanted)))
    return found


def applied(changes: Sequence[PartChange], on_write: Callable[[str, Action], None]) -> Applied:
    """Write what differs, in order.

    A part that somebody else changed since it was planned is not written, since that would undo the
    change. Raises `AwsError`, which lists what was written and what was not.
    """
    done = Applied()
    for place, change in enumerate(changes):
        if change.action == "unchanged":
            done.unchanged.append(change.part.name)
            continue
        try:
            now = change.part.read() if change.now is not None else None
            if not same(now, change.now):
                raise AwsError(
                    f"{change.part.name}: somebody changed it since the plan was made",
                    hint="run the plan again, and look at the difference",
                )
            change.part.write(change.then, change.now)
        except TrailhoundError as error:
            left = [each.part.name for each in changes[place:] if each.action != "unchanged"]
            raise AwsError(
                f"{error.message}\nwritten: {', '.join(done.written) or 'nothing'}\n"
                f"not written: {', '.join(left)}",
                hint=f"{error.hint}; then run the same command again: it continues there",
            ) from error
        done.written.append(change.part.name)
        on_write(change.part.name, change.action)
    return done


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal for AWS, which returns members and lists of texts in any order,
    and 0 for 0.0.

    >>> same({"a": 1, "b": ["x", "y"]}, {"b": ["y", "x"], "a": 1.0}), same([{"a": 1}], [{"a": 2}])
    (True, False)
    """
    return _canonical(one) == _canonical(other)


def _canonical(value: Value) -> str:
    if isinstance(value, dict):
        return json.dumps({name: _canonical(each) for name, each in value.items()}, sort_keys=True)
    if isinstance(value, list):
        inner = [_canonical(each) for each in value]
        if not any(isinstance(each, (dict, list)) for each in value):
            inner.sort()
        return json.dumps(inner)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def difference(now: Value, then: Value, path: str = "") -> Iterator[str]:
    """The differences as lines of text: `- path: value` is removed, `+ path: value` is added.

    >>> list(difference({"a": 1, "b": [1]}, {"a": 2, "b": [1, 2]}))
    ['- a: 1', '+ a: 2', '+ b[1]: 2']
    """
    if same(now, then):
        return
    if now is None and isinstance(then, (dict, list)) and not _is_flat(then):
        now = type(then)()
    if then is None and isinstance(now, (dict, list)) and not _is_flat(now):
        then = type(now)()
    if isinstance(now, dict) and isinstance(then, dict):
        for name in [*now, *(each for each in then if each not in now)]:
            inner = f"{path}.{name}" if path else str(name)
            yield from difference(now.get(name), then.get(name), inner)
        return
    if isinstance(now, list) and isinstance(then, list):
        for place in range(max(len(now), len(then))):
            one = now[place] if place < len(now) else None
            other = then[place] if place < len(then) else None
            yield from difference(one, other, f"{path}[{place}]")
        return
    for sign, value in (("-", now), ("+", then)):
        if value is not None:
            yield f"{sign} {path}: {_written(value)}" if path else f"{sign} {_written(value)}"


def _is_flat(value: Value) -> bool:
    """Whether a value fits a line: a list of texts, an object without objects and few members."""
    inner = list(value.values()) if isinstance(value, dict) else value
    return len(inner) < 3 and not any(isinstance(each, (dict, list)) for each in inner)


def _written(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
