"""`retry-deadletters` and `reconcile --repair` leave the note that a backfill leaves.

They record the events that are too late for the rules by themselves, at the end of each step. One
that is killed cannot: its note is left, by which `status` names its events, and the next of these
commands that ends counts them as late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Self

from opensearchpy import OpenSearch

from trailhound.app.backfill.undetected import undetected
from trailhound.app.backfill.unfinished import BackfillNote
from trailhound.cluster import templates
from trailhound.settings import Settings
from trailhound.state.backfills import BACKFILL, BackfillState
from trailhound.state.late_events import LateEvents, LateEventsStore


class NotedRun:
    """A run of one of these commands, within which its note is renewed from `begin` on. It stays
    unless the run has said that it `end`ed. Methods raise `ClusterError` and opensearch-py's
    exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings, command: str) -> None:
        self._client = client
        self._settings = settings
        self._note = BackfillNote(client, settings, command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._note.close()

    @cached_property
    def earlier(self) -> Sequence[BackfillState]:
        """Those before that have not ended. Asked once, before this run indexes anything."""
        return [each for each in self._note.earlier() if each.command != BACKFILL]

    def begin(self) -> None:
        """Write the note, before the first event. Raises `ForeignTemplateError`."""
        templates.check(self._client, self._settings)
        self.earlier  # noqa: B018 - before the first event
        self._note.begin(datetime.now(UTC))

    def recorded(self) -> None:
        """The late events of all that was indexed until now are recorded."""
        self._note.recorded(datetime.now(UTC))

    def end(self) -> LateEvents | None:
        """The run has ended. The events of those before that had not are counted as late, as far as
        no rule looks at them, and returned; None for none."""
        late = self._left() if self.earlier else None
        if late is not None:
            LateEventsStore(self._client, self._settings).add(late)
        self._note.end(self.earlier)
        return late

    def _left(self) -> LateEvents | None:
        # What was ingested after this run began is its own: they had ended before.
        began = self._note.began
        spans = [
            replace(span, until=min(span.until, began))
            for span in self._note.unfinished.spans(self.earlier)
            if span.since < began
        ]
        left = undetected(self._client, self._settings, spans) if spans else None
        return left.late() if left is not None else None
