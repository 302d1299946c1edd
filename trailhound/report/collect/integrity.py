"""Trail integrity: what the digests proved, and which events had to be changed.

An event has the state of its file when it was indexed; the ledger has later verdicts by object,
which take precedence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from trailhound.report.collect.query import Index
from trailhound.report.render.words import count, share
from trailhound.report.value import Integrity
from trailhound.state.objects import names_in_events

_UNKNOWN: Final = "unverified"
_OBJECTS: Final = 5_000
"""Objects in one search; an engine allows 65,536 terms."""


def integrity(index: Index) -> Integrity:
    """Counts of events by the state of their files; an unknown state counts as unverified."""
    reply = index.ask(
        {
            "proof": _PROOF,
            "conflicts": {"filter": {"exists": {"field": "trail.conflict"}}},
            "repaired": {"filter": {"exists": {"field": "trail.repaired"}}},
            "incomplete": {"filter": {"exists": {"field": "resource_incomplete"}}},
        }
    )
    events = reply["hits"]["total"]["value"]
    found = reply["aggregations"]
    proof = _by_value(found)
    if events:
        _join(index, proof)
    verified, tampered = proof["verified"], proof["tampered"]
    corrupt = proof["corrupt"]
    return Integrity(
        verified=verified,
        unverified=events - verified - tampered - corrupt,
        tampered=tampered,
        corrupt=corrupt,
        missing=proof["missing"],
        conflicts=found["conflicts"]["doc_count"],
        repaired=found["repaired"]["doc_count"],
        incomplete=found["incomplete"]["doc_count"],
        sentence=sentence(events, verified, tampered, corrupt, proof["missing"]),
    )


_PROOF: Final[Mapping[str, Any]] = {"terms": {"field": "trail.integrity", "size": 100}}


def _by_value(aggregations: Mapping[str, Any]) -> Counter[str]:
    buckets = aggregations["proof"]["buckets"]
    return Counter({str(each["key"]): int(each["doc_count"]) for each in buckets})


def _join(index: Index, proof: Counter[str]) -> None:
    """Count events by the ledger's verdicts on their objects, instead of by their own field.
    `missing` counts in addition: events read before their file was deleted are verified if its hash
    was that in the digest, and unverified otherwise."""
    for verdict, genuine in _KINDS:
        objects = _objects(index, verdict, genuine=genuine)
        while part := list(islice(objects, _OBJECTS)):
            reply = index.ask({"proof": _PROOF}, query=[{"terms": {"trail.object": part}}])
            if not reply["hits"]["total"]["value"]:
                continue
            held = _by_value(reply["aggregations"])
            total = held.total()
            proof.subtract(held)
            proof["verified" if genuine else verdict if verdict != "missing" else _UNKNOWN] += total
            if verdict == "missing":
                proof["missing"] += total


_KINDS: Final = (
    ("verified", True),
    ("tampered", True),
    ("tampered", False),
    ("corrupt", True),
    ("corrupt", False),
    ("missing", True),
    ("missing", False),
)
"""The verdicts that change the count of an event, and whether the content read was genuine."""


def _objects(index: Index, verdict: str, *, genuine: bool) -> Iterator[str]:
    """The values that `trail.object` of the events of objects may have."""
    for entry in index.entries({"term": {"integrity.verdict": verdict}}, _FIELDS):
        digest = (entry.get("integrity") or {}).get("expected")
        read = verdict == "verified" or bool(digest and entry.get("sha256") == digest)
        if read == genuine:
            yield from names_in_events(entry["uri"])


_FIELDS: Final = ("uri", "sha256", "integrity.expected")


def sentence(events: int, verified: int, tampered: int, corrupt: int = 0, missing: int = 0) -> str:
    """A sentence about the numbers.

    >>> sentence(10, 0, 0).split(":")[0]
    'Nothing was verified'
    """
    text = _sentence(events, verified, tampered, corrupt)
    if corrupt:
        text += (
            f" {count(corrupt, 'event')} came from damaged files: their gzip checksum is wrong or "
            "missing, so what was read of them may have been altered."
        )
    if missing:
        text += (
            f" The files of {count(missing, 'event')} are gone since: digests list them, and they "
            "were deleted."
        )
    return text


def _sentence(events: int, verified: int, tampered: int, corrupt: int) -> str:
    if events == 0:
        return "There are no events whose trail could be verified."
    if tampered:
        return (
            f"{count(tampered, 'event')} came from files that do not match CloudTrail's digests: "
            "those files were changed after delivery, and their content can't be trusted. "
            f"Of the other events, {verified:,} came from files proved genuine."
        )
    if verified == 0:
        return (
            "Nothing was verified: none of these events is known to come from a file that its "
            "digest proved genuine, so this report rests on the assumption that nobody changed "
            "the trail's files."
        )
    unverified = events - verified - corrupt
    if unverified:
        return (
            f"{count(verified, 'event')} ({share(verified, events)}) came from files whose digest "
            f"proved them genuine; {count(unverified, 'event')} "
            f"{'was' if unverified == 1 else 'were'} not verified."
        )
    every = "Every other event" if corrupt else "Every event"
    return f"{every} came from a file whose digest proved it genuine."
