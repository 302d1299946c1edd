"""Finds accounts, regions, days and sources that were asked for and do not exist: a typing error is
no success."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from typing import TYPE_CHECKING, Final, Protocol

from opensearchpy import OpenSearch

from ingest.matched import Matched, SelectedRecords
from ingest.objects import Selection, Source
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

if TYPE_CHECKING:
    from ingest.sources.inventory import Inventory

_SHOWN: Final = 10


class Run(Protocol):
    """The report of a backfill, a plan, an enqueuing or a reconciliation."""

    @property
    def objects(self) -> int: ...

    @property
    def skipped_objects(self) -> int: ...

    @property
    def matched(self) -> Matched: ...

    @property
    def ignored_objects(self) -> int: ...


InIndex = Callable[[str, str], bool]
"""Whether the index has an event of an account or a region: `("region", "eu-west-1")`."""

_FIELDS: Final = {"account": ("recipientAccountId", "trail.account"), "region": ("awsRegion",)}


def in_index(client: OpenSearch, settings: Settings) -> InIndex:
    """Asks the daily indices. The answer raises `ClusterError`."""
    days = Names(settings.prefix).days
    reader = IndexReader(client, days)

    def known(kind: str, value: str) -> bool:
        make_searchable(client, days)  # what this very run has written counts
        fields = [{"term": {field: {"value": value}}} for field in _FIELDS[kind]]
        return reader.count({"bool": {"should": fields, "minimum_should_match": 1}}) > 0

    return known


def unmatched(
    run: Run,
    sources: Sequence[Source],
    selection: Selection,
    selected: SelectedRecords | None = None,
    known_events: InIndex = lambda _kind, _value: True,
) -> tuple[list[str], list[str]]:
    """(faults, notes): what was asked for and does not exist, and other reasons why nothing was
    read. A fault makes the run incomplete.

    `selected`: what the selection did with records, if any were read. `known_events` is called for
    objects that an earlier run read and whose folders name no account and region. If something is
    missing, the sources are listed again, up to a limit. Raises `SourceUnreachableError`, and
    `ClusterError` if the index is searched.
    """
    records = selected or SelectedRecords()
    # For objects that were not read now, only their folders are known.
    unsure = run.matched.unplaced and (selected is None or run.skipped_objects)
    accounts = _missing("account", selection.accounts, run.matched.accounts, records)
    regions = _missing("region", selection.regions, run.matched.regions, records)
    if unsure:
        unknown = [
            f"no folder is named for {kind} {name}, and the index has no event of it"
            for kind, names in (("account", accounts), ("region", regions))
            for name in sorted(names)
            if not known_events(kind, name)
        ]
        if unknown:
            return unknown, []
        accounts, regions = set(), set()
    empty = not (run.objects or run.skipped_objects)
    if not (accounts or regions or empty):
        return [], []
    # Imported here: it brings AWS's client, which a run over files does not need.
    from ingest.sources.inventory import Inventory, inventory_of

    found = Inventory()
    for source in sources:
        found.merge(inventory_of(source))
    faults = _absent(found, accounts, regions, records)
    if not empty or faults:
        return faults, []
    if found.absent:
        return [f"no object's name begins with {each}" for each in found.absent], []
    if run.ignored_objects and not found.accounts:
        number = f"{run.ignored_objects:,}"
        return [f"objects found: {number}, none of them a CloudTrail log file"], []
    if found.accounts or found.unplaced:
        days = "" if found.first is None else f"; days found: {found.first} to {found.last}"
        accounts_found = _list(found.accounts)
        return [], [f"nothing to read in the selection; accounts found: {accounts_found}{days}"]
    return [], ["nothing to read: the source is empty"]


def unknown_places(sources: Sequence[Source], selection: Selection, folders: Matched) -> list[str]:
    """A sentence for the selected accounts, and one for the regions, that no folder has; with those
    that there are. `folders`: those that the selection matched. If one is missing, the sources are
    listed again, up to a limit. Raises `SourceUnreachableError`."""
    accounts, regions = selection.accounts - folders.accounts, selection.regions - folders.regions
    if not (accounts or regions):
        return []
    from ingest.sources.inventory import Inventory, inventory_of

    found = Inventory()
    for source in sources:
        found.merge(inventory_of(source))
    return _absent(found, accounts, regions, SelectedRecords())


def _absent(
    found: Inventory, accounts: Set[str], regions: Set[str], records: SelectedRecords
) -> list[str]:
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
    return faults


def _missing(
    kind: str, named: Iterable[str], folders: set[str], records: SelectedRecords
) -> set[str]:
    return {name for name in named if name not in folders and (kind, name) not in records.matched}


def _list(names: set[str]) -> str:
    if not names:
        return "none"
    shown = sorted(names)[:_SHOWN]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more
