"""The result for each object of an import, from the reply of Dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dashboards.ndjson import Line

Outcome = Literal["imported", "replaced", "kept", "failed"]

_CONFLICTS = ("conflict", "ambiguous_conflict")
_RESOLVABLE = (*_CONFLICTS, "missing_references", "missing_data_source")
"""Errors that a user can resolve: with one of these Dashboards writes no object at all, and its
results name the objects that it would write."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result for one object. `kept`: it exists already, and overwriting was not requested."""

    kind: str
    id: str
    title: str
    outcome: Outcome
    detail: str = ""


def outcomes(lines: Sequence[Line], reply: Mapping[str, Any]) -> list[Imported]:
    """One for each object that was sent, in that order.

    An object that is in neither the results nor the errors of the reply was not written.
    """
    errors = {(each["type"], each["id"]): each["error"] for each in reply.get("errors") or ()}
    done = {(each["type"], each["id"]): each for each in reply.get("successResults") or ()}
    all_done = reply.get("success") is True and not errors
    none_written = any(each.get("type") in _RESOLVABLE for each in errors.values())
    made = []
    for line in lines:
        key = (line["type"], line["id"])
        title = str(line["attributes"].get("title", ""))
        outcome: Outcome
        if error := errors.get(key):
            outcome = "kept" if error.get("type") in _CONFLICTS else "failed"
            detail = "exists already" if outcome == "kept" else _why(error)
        elif not none_written and (key in done or all_done):
            outcome = "replaced" if done.get(key, {}).get("overwrite") else "imported"
            detail = ""
        else:
            outcome, detail = "failed", "not written, because others failed"
        made.append(Imported(*key, title, outcome, detail))
    return made


def _why(error: Mapping[str, Any]) -> str:
    """An object's error in words."""
    kind = str(error.get("type", "unknown"))
    if kind == "missing_references":
        missing = (f"{each['type']} {each['id']}" for each in error.get("references") or ())
        return f"refers to missing objects: {', '.join(missing)}"
    if kind == "unsupported_type":
        return "the server does not support this kind of object"
    return str(error.get("message") or error.get("reason") or kind.replace("_", " "))
