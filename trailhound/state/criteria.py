"""How the records of an object were selected, so that a later run knows which it has to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

MOST_CRITERIA: Final = 32
"""Criteria kept of one object; the oldest are forgotten first, which costs another reading."""


class Criteria(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the records of an object were selected. Without any field: all records.

    `since` and `until` are UTC days (`YYYY-MM-DD`, inclusive), `accounts` and `regions` sorted
    names; empty means no limit. `filter` is the hash of the setting `filter:`, `oldest` the first
    day that `retention.days` kept; empty where there was none.
    """

    since: str = ""
    until: str = ""
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    filter: str = ""
    oldest: str = ""

    @property
    def everything(self) -> bool:
        """Whether no record is left out."""
        return self == EVERYTHING

    def covers(self, other: Criteria) -> bool:
        """Whether these select every record that `other` selects.

        >>> Criteria(until="2025-03-03").covers(Criteria(since="2025-03-03"))
        False
        >>> Criteria(since="2025-03-01").covers(Criteria(since="2025-03-02", filter="ab"))
        True
        """
        return (
            self.filter in ("", other.filter)
            and self.since <= other.since
            and (not self.until or bool(other.until and other.until <= self.until))
            and self.oldest <= other.oldest
            and _within(other.accounts, self.accounts)
            and _within(other.regions, self.regions)
        )


EVERYTHING = Criteria()


def add_criteria(covered: Iterable[Criteria], new: Criteria) -> tuple[Criteria, ...]:
    """The criteria that an object was read by, with one more; those it covers are dropped.

    Two that differ in their accounts alone, or their regions alone, become one.
    """
    known = list(covered)
    while True:
        if any(each.covers(new) for each in known):
            return tuple(known)
        for each in known:
            if (joined := _joined(each, new)) is not None:
                known.remove(each)
                new = joined
                break
        else:
            break
    return tuple([*(each for each in known if not new.covers(each)), new][-MOST_CRITERIA:])


def _joined(one: Criteria, other: Criteria) -> Criteria | None:
    for name in ("accounts", "regions"):
        if not (getattr(one, name) and getattr(other, name)):
            continue  # no names are all names: a union would be fewer
        if msgspec.structs.replace(one, **{name: ()}) == msgspec.structs.replace(
            other, **{name: ()}
        ):
            both = tuple(sorted({*getattr(one, name), *getattr(other, name)}))
            return msgspec.structs.replace(one, **{name: both})
    return None


def _within(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return not outer or bool(inner and set(inner) <= set(outer))
