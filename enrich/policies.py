"""Where a request holds policies, as objects or as texts, and how their values are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from enrich.view import loads

_POLICY: Final = frozenset({"AccessControlList", "Rule", "Statement"})
"""Members of what counts as a policy."""
_DEPTH: Final = 12
"""Levels of a request that are looked through; its content is a caller's."""


def items(value: Any) -> list[Any]:
    """A value of a policy as a list: most may be one or several."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


def texts(value: Any) -> list[str]:
    """A value of a policy as a list of texts.

    >>> texts("s3:*"), texts(["a", None]), texts(None)
    (['s3:*'], ['a', ''], [])
    """
    return [text(each) for each in items(value)]


def texts_under(request: Any, name: str, depth: int = 0) -> Iterator[str]:
    """The texts under a member of this name, wherever it is in a request."""
    if depth > _DEPTH:
        return
    if isinstance(request, Mapping):
        yield from texts(request.get(name))
        for each in request.values():
            yield from texts_under(each, name, depth + 1)
    elif isinstance(request, list):
        for each in request:
            yield from texts_under(each, name, depth + 1)


def policies(request: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Every object in a request that has statements, replication rules or an access list, also
    within texts."""
    if depth > _DEPTH:
        return
    if isinstance(request, Mapping):
        if not _POLICY.isdisjoint(request):
            yield request
        for each in request.values():
            yield from policies(each, depth + 1)
    elif isinstance(request, list):
        for each in request:
            yield from policies(each, depth + 1)
    elif isinstance(request, str) and ("Statement" in request or "\\u00" in request):
        yield from policies(_decoded(request), depth + 1)


def _decoded(written: str) -> Any:
    """The JSON in a text, which IAM also takes URL-encoded; None where there is none."""
    written = written.strip()
    if written.startswith("%"):
        written = unquote(written).strip()
    if not written.startswith("{"):
        return None
    try:
        return loads(written.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
