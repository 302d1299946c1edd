"""Decisions about alerts as changes of their documents. Pure; `store` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from detections.alerts.disposition import Disposition
from detections.alerts.document import HISTORY, LONGEST_TEXT, Document, stamp
from detections.alerts.facts import LONGEST_VALUE
from detections.alerts.text import one_line
from trailhound.errors import UsageError

Verb = Literal["ack", "close", "reopen", "assign", "note"]

NOBODY: Final = "nobody"
"""The assignee of unassigned alerts."""

_STATES: Final[Mapping[Verb, str]] = {"ack": "acknowledged", "close": "closed", "reopen": "open"}


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision, perhaps about many alerts. `by`: who made it; `note`: why.

    `disposition` belongs to `close`, `assignee` to `assign`. Applying it again changes
    nothing, so that an interrupted command can be repeated.
    """

    verb: Verb
    by: str
    note: str = ""
    disposition: Disposition | None = None
    assignee: str = NOBODY

    def applied(self, name: str, document: Document, now: datetime) -> Document | None:
        """The alert's document as decided; None if it is as decided already.

        Raises `UsageError` if the alert's state does not allow it.
        """
        self._check(name, document)
        who, note = one_line(self.by, LONGEST_VALUE), one_line(self.note, LONGEST_TEXT)
        state = _STATES.get(self.verb, document["state"])
        entry: Document = {"state": state, "by": who, "at": stamp(now)}
        changes = self._of_state(document, entry) | self._of_assignee(document)
        if changes.get("disposition"):
            entry["disposition"] = changes["disposition"]
        if state == document["state"] == changes.get("state") == "acknowledged":
            entry["taken_over"] = True
        if "assignee" in changes:
            entry["assignee"] = changes["assignee"]
        if note and not _is_noted(document, who, note):
            entry["note"] = note
        elif not changes:
            return None
        history = [*document.get("history", ()), entry][-HISTORY:]
        made = document | changes | {"history": history}
        return {key: value for key, value in made.items() if value != "" or key not in _REMOVED}

    def _check(self, name: str, document: Mapping[str, Any]) -> None:
        into = document.get("merged_into")
        closes_again = self.verb == "close" and self.disposition is None
        if into and not closes_again:
            raise UsageError(f"the alert {name} was merged into {into}", hint=f"name {into}")
        if self.verb == "ack" and document["state"] == "closed":
            raise UsageError(
                f"the alert {name} is closed, by {document['state_by']}",
                hint=f"reopen it: trailhound alerts reopen {name}",
            )

    def _of_state(self, document: Mapping[str, Any], entry: Document) -> Document:
        """The fields of the state that differ from the document's."""
        if self.verb not in _STATES:
            return {}
        before, state = document["state"], entry["state"]
        changes: Document = {}
        taken_over = state == "acknowledged" and document["state_by"] != entry["by"]
        if state != before or taken_over:
            changes = {"state": state, "state_by": entry["by"], "state_at": entry["at"]}
        disposition = document.get("disposition")
        if self.verb == "close" and self.disposition not in (None, disposition):
            # Whoever changes it is who says what the alert was.
            changes |= {"state": state, "state_by": entry["by"], "state_at": entry["at"]}
            changes["disposition"] = self.disposition
        if self.verb == "reopen" and disposition:
            changes["disposition"] = ""
        return changes

    def _of_assignee(self, document: Mapping[str, Any]) -> Document:
        if self.verb != "assign":
            return {}
        given = self.assignee.strip()
        wanted = "" if given.lower() == NOBODY else one_line(given, LONGEST_VALUE)
        return {} if wanted == document.get("assignee", "") else {"assignee": wanted}


_REMOVED = ("disposition", "assignee")
"""Fields that are removed from a document when they have no value."""


def _is_noted(document: Mapping[str, Any], who: str, note: str) -> bool:
    """Whether the history has this note of this person already, because the command was
    repeated."""
    return any(
        (each["by"], each.get("note")) == (who, note) for each in document.get("history", ())
    )
