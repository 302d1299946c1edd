"""`trailhound event`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import out, plural, safe, say, say_field, warn, write_bytes

with late_imports():
    from msgspec import DecodeError
    from msgspec.json import format as formatted

    from trailhound.app.search.stored_event import stored_event
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


def event(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An event's `_id` or eventID, as alerts name them; INDEX/ID where several days "
            "have one of the same id.",
        ),
    ],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one event: its record, and separately the fields that Trailhound added.

    Example: `trailhound event 3038ebd2-c98a-4c65-9b6e-e22506292313`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        found = stored_event(connect(settings), settings, id_)
    if json:
        write_bytes(found.as_json() + b"\n")
        return
    out.heading("record")
    for line in _indented(found.record):
        out.print(safe(line))
    out.heading("added by Trailhound")
    for name, value in _leaves(found.added):
        # Values that were moved are back in place in the record.
        if name != "trail.original":
            say_field(name, value, 26)
    out.heading("source")
    say(f"index   {found.index}")
    out.print(safe(f"object  {found.object}"))
    if (judged := found.integrity) is not None:
        say(f"verdict {judged.verdict}, since {judged.at}")
        if judged.verdict != "verified" and judged.expected:
            say(f"        expected {judged.expected}, found {judged.found}")
    for each in found.also_by:
        verdict = f", {each.verdict}" if each.verdict else ""
        say(f"also by {each.object} ({plural(each.events, 'event')} of this file{verdict})")
    for other in found.others:
        warn(f"another record has the same eventID: trailhound event {other}")


def _indented(record: bytes) -> list[str]:
    """A record's JSON, indented; text that is not JSON unchanged."""
    with suppress(DecodeError):
        record = formatted(record, indent=2)
    return record.decode("utf-8", "backslashreplace").splitlines()


def _leaves(members: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        elif isinstance(value, list):
            yield path + name, ", ".join(map(str, value))
        else:
            yield path + name, str(value)
