"""A selection that names something that does not exist is a typing error, and no success."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from ingest.backfill.matched import Matched, Selected
from ingest.objects import Selection, Source
from ingest.sources.inventory import Inventory, inventory_of

_SHOWN: Final = 10


class Run(Protocol):
    """What a backfill, a plan or an enqueuing says of itself."""

    objects: int
    skipped_objects: int
    matched: Matched

    @property
    def ignored_objects(self) -> int: ...


def unmatched(
    run: Run, sources: Sequence[Source], selection: Selection, selected: Selected | None = None
) -> tuple[list[str], list[str]]:
    """(faults, notes): what the selection or the source names and is not there, and what else
    explains that nothing was read. A fault makes the run incomplete.

    `selected` is what the records said, where they were read. Lists the sources again, up to a
    limit, where something is missing. Raises `SourceUnreachableError`.
    """
    records = selected or Selected()
    # Of objects that were not read now, only their folders are known.
    unsure = run.matched.unplaced and (selected is None or run.skipped_objects)
    accounts = _missing("account", selection.accounts, run.matched.accounts, records)
    regions = _missing("region", selection.regions, run.matched.regions, records)
    if unsure:
        accounts, regions = set(), set()
    empty = not (run.objects or run.skipped_objects)
    if not (accounts or regions or empty):
        return [], []
    found = Inventory()
    for source in sources:
        found.merge(inventory_of(source))
    faults = []
    for kind, missing, there in (
        ("account", accounts, found.accounts),
        ("region", regions, found.regions),
    ):
        known = there | {value for name, value in records.left_out if name == kind and value}
        if names := sorted(missing - known):
            faults.append(
                f"no {kind} {' or '.join(names)} in what was given: {kind}s found: {_list(known)}"
            )
    if not empty or faults:
        return faults, []
    if found.absent:
        return [f"no object's name begins with {each}" for each in found.absent], []
    if run.ignored_objects and not found.accounts:
        number = f"{run.ignored_objects:,}"
        return [f"objects found: {number}, CloudTrail log files among them: none"], []
    if found.accounts or found.unplaced:
        return [], [f"nothing to read in the selection: accounts found: {_list(found.accounts)}"]
    return [], ["nothing to read: the place is empty"]


def _missing(kind: str, named: Iterable[str], folders: set[str], records: Selected) -> set[str]:
    return {name for name in named if name not in folders and (kind, name) not in records.matched}


def _list(names: set[str]) -> str:
    if not names:
        return "none"
    shown = sorted(names)[:_SHOWN]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more
