"""What to rotate: the secrets that were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from detections.events.outcome import failed
from detections.incidents.step import Event, Step, listed, step
from detections.incidents.undoing.rows import applies, values_at
from detections.incidents.undoing.secrets import SECRETS


def rotations(events: Iterable[Event]) -> Iterator[Step]:
    """A step for the secrets of one kind, account and region, which are many where an intruder read
    all that there were."""
    found: dict[tuple[str, str, str], tuple[Event, dict[str, None]]] = {}
    for event in events:
        if failed(event):
            continue
        service = str(event.get("eventSource") or "").partition(".")[0]
        for row in SECRETS.get((service, str(event.get("eventName") or "")), ()):
            if not applies(row, event):
                continue
            account, region = (
                str(event.get(each) or "") for each in ("recipientAccountId", "awsRegion")
            )
            first = found.setdefault((account, region, row.what), (event, {}))
            first[1].update(dict.fromkeys(values_at(event, row.values[0].paths) or ["(no name)"]))
    for (account, region, what), (event, names) in found.items():
        of = listed(list(names))
        yield step(event, f"{what.format(of)} (in {region})", None, account, of)
