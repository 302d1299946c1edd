"""Which alerts are about nobody outside: whatever their events let in is an account whose own trail
is in the index.

An account's trail delivers to it only where its owner made it do so, and an intruder's account does
not. Of an organization whose accounts share one trail all are known by that, without a list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from detections.events.identity import RECIPIENT
from detections.events.index import EventIndex
from detections.incidents.undoing.outsiders import account_in
from trailhound.batching import batched
from trailhound.cluster.reader import has_any, is_any

_SEARCHES: Final = 50
_MOST: Final = 20
"""An alert with more is about too many to look up, and stays about outsiders."""


class OwnAccounts:
    """Looks up whose trails are in the index. Raises `ClusterError`.

    Once there is an event of an account it stays one of the own: it is remembered for as long as
    this is.
    """

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._own: set[str] = set()

    def inside(self, alerts: Mapping[str, Collection[str]]) -> set[str]:
        """The alerts, of those with the `accounts_of` each, that are about own accounts alone."""
        asked = sorted({each for several in alerts.values() for each in several} - self._own)
        for part in batched(asked, _SEARCHES):
            replies = self._index.searches([has_any({"term": {RECIPIENT: each}}) for each in part])
            self._own |= {each for each, reply in zip(part, replies, strict=True) if is_any(reply)}
        return {
            name for name, several in alerts.items() if several and self._own.issuperset(several)
        }


def accounts_of(document: Mapping[str, Any]) -> Sequence[str]:
    """The accounts that an alert's events let in; none where there is anybody else: everybody, a
    network, an organization, a bucket of an unknown owner.

    >>> accounts_of({"entity": {"outsider": ["111122223333", "arn:aws:iam::444455556666:root"]}})
    ('111122223333', '444455556666')
    >>> accounts_of({"entity": {"outsider": ["111122223333", "everybody"]}})
    ()
    """
    named = (document.get("entity") or {}).get("outsider") or ()
    found = tuple(account_in(str(each)) for each in named)
    return found if all(found) and len(found) <= _MOST else ()
