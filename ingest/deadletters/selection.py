"""Selects dead letters: in the index by a query, in a spool file by the same tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trailhound.cluster.queries import Query, any_of, anywhere, between, both, either
from trailhound.cluster.waiting import DISMISSED, WAITING


@dataclass(frozen=True, slots=True)
class LetterSelection:
    """Which dead letters; what is not given selects all. In texts `*` stands for any text, and case
    is ignored."""

    ids: Sequence[str] = ()
    codes: Sequence[str] = ()
    object: str = ""
    """A text in the name of the object."""
    reason: str = ""
    """A text in the reason."""
    since: datetime | None = None
    """When it became a dead letter."""
    until: datetime | None = None
    dismissed: bool | None = None
    """Only those that were dismissed, or only others; None: both."""

    def query(self) -> Query:
        """The clauses for the dead-letter index."""
        clauses: list[Query] = []
        if self.ids:
            clauses.append({"ids": {"values": list(self.ids)}})
        if self.codes:
            clauses.append(either([any_of(code, ("code",)) for code in self.codes]))
        for name, text in (("object", self.object), ("reason", self.reason)):
            if text:
                clauses.append(any_of(anywhere(text), (name,)))
        clauses += between("at", self.since, self.until)
        if self.dismissed is not None:
            clauses.append(DISMISSED if self.dismissed else WAITING)
        return both(*clauses)

    def matches(self, letter: Mapping[str, Any]) -> bool:
        """Whether a letter of a spool file is one of them.

        >>> letter = {"id": "a", "code": "too_large", "object": "s3://b/x", "at": "2025-03-01"}
        >>> LetterSelection(codes=["too*"], object="B/X").matches(letter)
        True
        >>> LetterSelection(codes=["large"]).matches(letter)
        False
        """
        tests = (
            not self.ids or letter.get("id") in self.ids,
            not self.codes or any(_is(letter, "code", code) for code in self.codes),
            not self.object or _is(letter, "object", anywhere(self.object)),
            not self.reason or _is(letter, "reason", anywhere(self.reason)),
            not (self.since or self.until) or self._is_between(letter),
            self.dismissed is None or bool(letter.get("dismissed")) is self.dismissed,
        )
        return all(tests)

    def _is_between(self, letter: Mapping[str, Any]) -> bool:
        try:
            at = datetime.fromisoformat(str(letter.get("at")))
        except ValueError:
            return False
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def _is(letter: Mapping[str, Any], name: str, wanted: str) -> bool:
    pattern = ".*".join(map(re.escape, wanted.split("*")))
    return re.fullmatch(pattern, str(letter.get(name, "")), re.IGNORECASE | re.DOTALL) is not None
