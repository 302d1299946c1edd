"""What to do now about an incident: commands that take away what its events prove was used or made,
and in words what no command takes away.

Advice, never run. Names come from requests of an intruder, who chooses them: a command has only
values in the form that AWS allows, quoted for a shell; where one has another form, there is the
sentence without a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from detections.events.outcome import failed
from detections.events.verbs import reads
from detections.incidents.credentials import ends_credentials
from detections.incidents.further_credentials import FROM_CONSOLE, from_console, further_credentials
from detections.incidents.rotations import rotations
from detections.incidents.step import Event, Step, in_region, listed, option, step
from detections.incidents.undoing.outsiders import outsiders
from detections.incidents.undoing.rows import Undo, applies, values_at
from detections.incidents.undoing.table import UNDONE_BY, left_by
from detections.incidents.workloads import functions_of

FIELDS: Final = (
    *("eventName", "eventSource", "eventTime", "awsRegion", "recipientAccountId", "readOnly"),
    *("errorCode", "userIdentity", "requestParameters", "responseElements", "user"),
    *("additionalEventData", "grants", "event.outcome", FROM_CONSOLE),
)
"""What is read of each event."""
NO_ORDER: Final[Mapping[str, int]] = {}
NO_OBJECTS: Final[Mapping[str, tuple[str, ...]]] = {}


@dataclass(frozen=True, slots=True)
class LeftCalls:
    """Calls for which there is no step: their number, and what they were about, by name."""

    counts: Mapping[str, int] = field(default_factory=dict)
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Containment:
    """The steps, credentials first. `left`: the number of successful calls of the same principals
    that changed something and have no step, by name; `left_objects` what these were about."""

    steps: tuple[Step, ...] = ()
    left: Mapping[str, int] | None = None
    left_objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """What was not looked at, and why: sentences without a full stop."""
    aside: tuple[str, ...] = ()
    """Who is in the incident and has no step, and why: the same."""

    def as_dict(self) -> dict[str, Any]:
        """As `incidents show --json` prints it."""
        return {
            "steps": [asdict(each) for each in self.steps],
            "left": dict(self.left or {}),
            "left_out": list(self.left_out),
            "aside": list(self.aside),
            "left_objects": {name: list(each) for name, each in self.left_objects.items()},
        }


def containment(
    used: Iterable[Event],
    changes: Iterable[Event],
    others: LeftCalls,
    revoked_before: datetime,
    openers: Mapping[str, Event] | None = None,
    proofs: Sequence[Event] = (),
    order: Mapping[str, int] = NO_ORDER,
) -> Containment:
    """`used`: for each access key of the incident an event that was made with it; `changes`: what
    these keys' holders changed by calls that are `KNOWN`, in the order of time; `others`: their
    other changes. Sessions that began before `revoked_before` would be revoked. `openers`: the
    calls that issued temporary keys, by key; `proofs`: calls of the same principals that issued
    credentials, signed in, or read secrets. `order`: of principals and keys; their steps come in
    it, those of others last."""

    def place(event: Event) -> int:
        names = (_key_of(event), str((event.get("user") or {}).get("name") or ""))
        return min(order.get(each, len(order)) for each in names)

    proofs = sorted(proofs, key=place)
    users, changed = list(used), list(changes)
    functions = functions_of(changed)
    made = _Made(place)
    for event in changed:
        made.take(event)
    credentials: dict[tuple[str, str], Step] = {}  # by account and what is done
    ended = (
        each
        for event in users
        for each in ends_credentials(
            event, revoked_before, (openers or {}).get(_key_of(event)), functions
        )
    )
    issued = (
        each
        for event in (*filter(from_console, users), *proofs)
        for each in further_credentials(event, revoked_before)
    )
    for each in (*ended, *issued, *made.credentials()):
        # Accounts of one organization have roles, users and trails of the same names.
        credentials.setdefault((each.account, each.command or each.what), each)
    left = made.left + Counter(others.counts)
    return Containment(
        (*credentials.values(), *rotations(proofs), *made.others()),
        dict(left.most_common()),
        {name: others.objects[name] for name in left if others.objects.get(name)},
    )


def _key_of(event: Event) -> str:
    return str((event.get("userIdentity") or {}).get("accessKeyId") or "")


class _Made:
    """What was made or changed, and not taken away again since."""

    def __init__(self, place: Callable[[Event], int]) -> None:
        """`place`: where the steps that an event proves come among the others."""
        self._rank = place
        self._found: dict[tuple[str, ...], tuple[Undo, Step, int]] = {}
        self.left: Counter[str] = Counter()

    def take(self, event: Event) -> None:
        name = str(event.get("eventName") or "")
        if failed(event) or reads(name, event.get("readOnly")):
            return
        service = str(event.get("eventSource") or "").partition(".")[0]
        undone = UNDONE_BY.get((service, name))
        if undone is not None:
            kinds, paths = undone
            name_of_it = ", ".join(values_at(event, paths))
            gone = {(*_place(event), kind, name_of_it) for kind in kinds.split("|")}
            self._found = {key: made for key, made in self._found.items() if key[:4] not in gone}
        taken = 0
        for undo in left_by(service, name):
            if taken and undo.fallback:
                continue
            found = [values_at(event, each.paths) for each in undo.values]
            if not all(found) or not applies(undo, event):
                continue
            taken += 1
            named = [listed(each) for each in found]
            key = (*_place(event), undo.thing, ", ".join(found[0] if found else ()), name)
            self._found[(*key, undo.what, *named)] = (
                undo,
                _step(undo, event, found, named),
                self._rank(event),
            )
        if not taken and undone is None:
            self.left[name] += 1  # what it made is not in the event

    def credentials(self) -> Iterator[Step]:
        yield from (each for undo, each in self._in_order() if undo.first)

    def others(self) -> Iterator[Step]:
        """What takes rights away comes before what removes their holders."""
        rest = [(undo, each) for undo, each in self._in_order() if not undo.first]
        yield from (each for undo, each in rest if not undo.last)
        yield from (each for undo, each in rest if undo.last)

    def _in_order(self) -> list[tuple[Undo, Step]]:
        found = sorted(self._found.values(), key=lambda made: made[2])
        return [(undo, each) for undo, each, _ in found]


def _place(event: Event) -> tuple[str, str]:
    """The account and region of what an event made: names are unique in these alone."""
    return str(event.get("recipientAccountId") or ""), str(event.get("awsRegion") or "")


def _step(undo: Undo, event: Event, found: Sequence[Sequence[str]], named: Sequence[str]) -> Step:
    account, region = _place(event)
    outside = outsiders(event, undo)
    what = undo.what.format(*named)
    unnamed = [each for each in outside if each not in what]
    if unnamed:
        what += f"; {undo.way} {listed(unnamed)}"
    about = named[0] if named else region
    return step(event, what, _command(undo, found, region), account, about, outside)


def _command(undo: Undo, found: Sequence[Sequence[str]], region: str) -> list[str] | None:
    """The words of the command; None where a value has a form that AWS does not allow."""
    if not undo.command or not all(
        each.form.fullmatch(value)
        for each, values in zip(undo.values, found, strict=True)
        for value in values
    ):
        return None
    words: list[str] = ["aws"]
    for word in undo.command.split():
        if not word.startswith("{"):
            words.append(word)
            continue
        values = found[int(word[1:-1])]
        if len(values) == 1:
            words += option(words.pop(), values[0])
        elif any(each.startswith("-") for each in values):
            return None
        else:
            words += values
    return in_region(words, region) if undo.regional else words
