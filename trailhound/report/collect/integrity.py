"""Trail integrity: what the digests proved, and which events had to be changed."""

from __future__ import annotations

from trailhound.report.collect.query import Index
from trailhound.report.render.words import count, share
from trailhound.report.value import Integrity


def integrity(index: Index) -> Integrity:
    """Counts of events by `trail.integrity`; a value that is not known counts as unverified."""
    reply = index.ask(
        {
            "proof": {"terms": {"field": "trail.integrity", "size": 100}},
            "conflicts": {"filter": {"exists": {"field": "trail.conflict"}}},
            "repaired": {"filter": {"exists": {"field": "trail.repaired"}}},
            "incomplete": {"filter": {"exists": {"field": "resource_incomplete"}}},
        }
    )
    events = reply["hits"]["total"]["value"]
    found = reply["aggregations"]
    proof = {each["key"]: each["doc_count"] for each in found["proof"]["buckets"]}
    verified, tampered = proof.get("verified", 0), proof.get("tampered", 0)
    corrupt = proof.get("corrupt", 0)
    return Integrity(
        verified=verified,
        unverified=events - verified - tampered - corrupt,
        tampered=tampered,
        corrupt=corrupt,
        conflicts=found["conflicts"]["doc_count"],
        repaired=found["repaired"]["doc_count"],
        incomplete=found["incomplete"]["doc_count"],
        sentence=sentence(events, verified, tampered, corrupt),
    )


def sentence(events: int, verified: int, tampered: int, corrupt: int = 0) -> str:
    """What the figures mean.

    >>> sentence(10, 0, 0).split(":")[0]
    'Nothing was verified'
    """
    said = _sentence(events, verified, tampered, corrupt)
    if corrupt:
        said += (
            f" {count(corrupt, 'event')} came from damaged files: their gzip checksum is wrong or "
            "missing, so what was read of them may have been altered."
        )
    return said


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
