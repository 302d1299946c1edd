"""Sigma strings as clauses of the query DSL, for a field of any kind.

Case is ignored for ASCII letters only, as by the matcher's `lowered` for an ASCII text. In the
query another letter is any one character, and the matcher decides. Inside a `flat_object` every
value is indexed as `path=value`, and a case-insensitive query would ignore the case of the path
too; so all queries there are regular expressions, whose path ends in `BELOW` to include what is
below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigma.types import SigmaCasedString, SigmaString

from detections.backend.clause import EVERYTHING, NOTHING, Clause, any_of, some
from detections.backend.determinize import too_complex
from detections.backend.lucene import LONGEST, common_starts, literal, packed
from detections.compiled import Query
from detections.event_fields import Field
from detections.matcher.wildcards import ANY_CHARACTER, ANY_RUN
from trailhound.batching import batched
from trailhound.cluster.mappings import DOC_VALUES_ONLY

FEW = 8
"""Up to this number, each string is a clause of its own, so that `rules explain` is readable; more
are packed into regular expressions."""
MOST_TERMS = 65_536
"""Values that the engine allows in one `terms` (`index.max_terms_count`)."""
MOST_PACKED = 64
"""Most packed expressions for one field; with more, the query has only the strings' prefixes."""
MANY_SINGLES = 6
"""Number of `?` in a pattern from which on its complexity is estimated."""
SHORT = 100
"""Characters of an expression for which the engine's default limit of states is enough."""
BELOW = r"(\.[^=]*)?"
"""What may follow a path in a flat_object, so that the expression also matches all that is below
it.

The index cannot distinguish a key `a.b` from a `b` in an `a`, nor a `=` in a key from the one
before the value: only in these cases a hit can differ from the matcher.
"""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A Sigma string: texts, with `*` and `?` between them as pySigma's special characters."""

    parts: tuple[object, ...]
    fold: bool

    @classmethod
    def of(cls, value: SigmaString) -> Pattern:
        return cls(tuple(value.s), fold=not isinstance(value, SigmaCasedString))

    @property
    def text(self) -> str | None:
        """The whole string where it has no wildcard."""
        if all(isinstance(part, str) for part in self.parts):
            return "".join(map(str, self.parts))
        return None

    @property
    def prefix(self) -> str:
        """The prefix of every text that matches."""
        return self.parts[0] if self.parts and isinstance(self.parts[0], str) else ""

    @property
    def anything(self) -> bool:
        """Whether every text matches."""
        return bool(self.parts) and all(part is ANY_RUN for part in self.parts)

    @property
    def exact(self) -> bool:
        """Whether the index folds it as the matcher does."""
        return not self.fold or all(part.isascii() for part in self.parts if isinstance(part, str))

    @property
    def caseless(self) -> bool:
        """Whether it has no letter with another case."""
        return not self.fold or (
            self.exact
            and not any(
                part.upper() != part.lower() for part in self.parts if isinstance(part, str)
            )
        )

    def too_complex(self) -> bool:
        """Whether the engine would reject it: many `?` after a `*` need as many states as
        `.{20}`."""
        return self.parts.count(ANY_CHARACTER) >= MANY_SINGLES and too_complex(self.regexp())

    def shape(self) -> tuple[str, str, str]:
        """(before, text, after) for Lucene.

        Alternatives between the same two are packed as `.*(a|b).*`: as `.*a.*|.*b.*` they would
        double the automaton's states with every one. A pattern with wildcards inside is all in the
        first part.
        """
        inner = self.parts
        before = after = ""
        if inner and inner[0] is ANY_RUN:
            before, inner = ".*", inner[1:]
        if inner and inner[-1] is ANY_RUN:
            after, inner = ".*", inner[:-1]
        if all(isinstance(part, str) for part in inner) and inner:
            return before, Pattern(inner, self.fold).regexp(), after
        return self.regexp(), "", ""

    def regexp(self) -> str:
        """The regular expression for Lucene, which matches a whole text; `()` matches an empty
        one."""
        return "".join(map(self._expression, self.parts)) or "()"

    def _expression(self, part: object) -> str:
        if not isinstance(part, str):
            return ".*" if part is ANY_RUN else "."
        return "".join(
            "." if self.fold and not each.isascii() else literal(each, fold=self.fold)
            for each in part
        )

    def wildcard(self) -> str:
        """For a `wildcard` query."""
        return "".join(
            "".join(
                "?" if self.fold and not each.isascii() else f"\\{each}" if each in "\\*?" else each
                for each in part
            )
            if isinstance(part, str)
            else "*"
            if part is ANY_RUN
            else "?"
            for part in self.parts
        )


def present(field: Field) -> Query:
    """Any value at all, at or below the field."""
    if field.kind == "flat":
        return regexp(field, ".*")
    return {"exists": {"field": field.path}}


def regexp(field: Field, expression: str) -> Query:
    """A regular expression on a keyword or inside a flat_object, its path taken as it is."""
    if field.below and "|" in expression:  # the engine sets `path=` before it
        expression = f"({expression})"
    body: dict[str, object] = {"value": expression, "flags": "NONE"}
    if len(expression) > SHORT:
        body["max_determinized_states"] = 100_000
    return {"regexp": {_expression_path(field): body}}


def _expression_path(field: Field) -> str:
    if not field.below:
        return field.path
    return f"{field.root}.{literal(field.below, fold=False)}{BELOW}"


def one_of(field: Field, values: Sequence[SigmaString]) -> Clause:
    """Any of `values`, as text, at the field."""
    patterns = [Pattern.of(value) for value in values]
    if any(pattern.anything for pattern in patterns):
        return Clause.exactly(present(field))
    if field.kind not in ("keyword", "flat"):
        return Clause.approximate(present(field)) if patterns else some([])
    whole = [each.text for each in patterns if each.caseless and each.text is not None]
    rest = [each for each in patterns if not (each.caseless and each.text is not None)]
    clauses = [_terms(field, whole)] if whole else []
    if rest:
        few = len(rest) <= FEW and not field.below
        clauses += [_readable(field, each) for each in rest] if few else _packed(field, rest)
    return some(clauses)


def _terms(field: Field, texts: Sequence[str | None]) -> Clause:
    """Texts without a case. Inside a flat_object the path must be able to end anywhere."""
    distinct = list(dict.fromkeys(str(text) for text in texts))
    if field.below:
        return some(_packed(field, [Pattern((text,), fold=False) for text in distinct]))
    if len(distinct) == 1:
        return Clause.exactly({"term": {field.path: {"value": distinct[0]}}})
    return Clause.exactly(
        any_of({"terms": {field.path: part}} for part in batched(distinct, MOST_TERMS))
    )


def _readable(field: Field, pattern: Pattern) -> Clause:
    """One string as the query that a person would write."""
    body: dict[str, object] = {"case_insensitive": True} if pattern.fold else {}
    if pattern.text is not None and pattern.exact:
        query: Query = {"term": {field.path: {"value": pattern.text, **body}}}
    elif len(pattern.wildcard()) > LONGEST or pattern.too_complex():
        return Clause.approximate(_start(field, [pattern.prefix[: LONGEST // 5]], pattern.fold))
    elif field.path in DOC_VALUES_ONLY and pattern.fold:
        # On such fields a case-insensitive wildcard query finds nothing on OpenSearch (2.19, 3.8).
        query = regexp(field, pattern.regexp())
    else:
        query = {"wildcard": {field.path: {"value": pattern.wildcard(), **body}}}
    return Clause.exactly(query) if pattern.exact else Clause.approximate(query)


def _packed(field: Field, patterns: Sequence[Pattern]) -> list[Clause]:
    """Many strings in few regular expressions; if there are too many, their prefixes."""
    shaped: dict[tuple[str, str, bool], list[str]] = {}
    long: list[Pattern] = []
    for pattern in patterns:
        before, core, after = pattern.shape()
        if len(before + core) > LONGEST or pattern.too_complex():
            long.append(pattern)
        else:
            shaped.setdefault((before, after, pattern.exact), []).append(core)
    groups = [
        (exact, f"{before}({body}){after}" if body and (before or after) else before + body)
        for (before, after, exact), cores in shaped.items()
        for body in packed(dict.fromkeys(cores))
    ]
    if len(groups) > MOST_PACKED:
        groups, long = [], list(patterns)
    clauses = []
    for exact in (True, False):
        query = any_of(regexp(field, each) for made, each in groups if made is exact)
        if query != NOTHING:
            clauses.append(Clause.exactly(query) if exact else Clause.approximate(query))
    for fold in (True, False):
        starts = [each.prefix for each in long if each.fold is fold]
        if starts:
            clauses.append(Clause.approximate(_start(field, starts, fold)))
    return clauses


def _start(field: Field, starts: Sequence[str], fold: bool) -> Query:
    """Every text that begins with one of `starts`, shortened where they are too long."""
    short = common_starts([each[: LONGEST // 5] for each in starts], most=2_000)
    expressions = [Pattern((each, ANY_RUN), fold).regexp() for each in short]
    return (
        any_of(regexp(field, each) for each in packed(expressions)) if expressions else EVERYTHING
    )
