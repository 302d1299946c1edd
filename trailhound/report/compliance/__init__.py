"""What a trail can show for the controls of a framework, and what it cannot.

A control names pieces of evidence (`evidence`); each is a query of the index. The tables of the
frameworks (`cis`, `pci`, `soc2`, `nist`) say what they show. Titles are our own
words: the frameworks' texts are their publishers'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trailhound.errors import UsageError
from trailhound.report.collect.alerts import Counted
from trailhound.report.collect.query import Index, moment
from trailhound.report.compliance.cis import CIS
from trailhound.report.compliance.clauses import FAILED
from trailhound.report.compliance.control import ControlRow, Framework
from trailhound.report.compliance.evidence import EVIDENCE
from trailhound.report.compliance.nist import NIST
from trailhound.report.compliance.pci import PCI
from trailhound.report.compliance.soc2 import SOC2
from trailhound.report.value import Compliance, Control, Integrity, Proof, Verdict

FRAMEWORKS: Mapping[str, Framework] = {"cis": CIS, "pci": PCI, "soc2": SOC2, "nist": NIST}

NOTE = (
    "This is evidence for an auditor, not a verdict of compliance. It is what the trail recorded "
    "in this time; a trail does not show how accounts are configured or what people decided."
)


_NEVER_GOOD = frozenset({"tampered"})
"""Evidence that needs a person's review in every control."""


def framework(name: str) -> Framework:
    """Raises `UsageError` for an unknown name."""
    if name not in FRAMEWORKS:
        raise UsageError(
            f"no framework is called {name!r}", hint=f"choose one of {', '.join(FRAMEWORKS)}"
        )
    return FRAMEWORKS[name]


def compliance(index: Index, name: str, count: Counted, integrity: Integrity) -> Compliance:
    """Each control of a framework with its evidence in the window. `integrity`: the counts of
    events by the state of their files."""
    of = framework(name)
    wanted = sorted({each for row in of.rows for each in row.evidence} & EVIDENCE.keys())
    proofs = _proofs(index, wanted) | {
        "alerts": Proof("alerts raised", count.total),
        "alerts_closed": Proof("alerts that are closed", count.closed),
    }
    # Counted from the ledger, which has later verdicts than the events.
    for known, events in (("verified", integrity.verified), ("tampered", integrity.tampered)):
        if known in proofs:
            proofs[known] = replace(proofs[known], events=events)
    controls = tuple(_control(row, proofs) for row in of.rows)
    return Compliance(name, of.title, NOTE, controls)


def _control(row: ControlRow, proofs: Mapping[str, Proof]) -> Control:
    mine = tuple(proofs[each] for each in row.evidence)
    found = any(proof.events for proof in mine)
    verdict: Verdict = row.found if found else "none"
    if any(name in _NEVER_GOOD and proofs[name].events for name in row.evidence):
        verdict = "look"
    return Control(row.id, row.title, verdict, row.shows, row.limits, mine)


def _proofs(index: Index, wanted: list[str]) -> dict[str, Proof]:
    def asked(name: str) -> dict[str, Any]:
        return {
            "filter": EVIDENCE[name].query,
            "aggs": {
                "last": {"max": {"field": "@timestamp"}},
                "failed": {"filter": FAILED},
                # Only the names of the principals with the most events are shown.
                "who": {"terms": {"field": "user.name", "size": 2, "shard_size": 1_000}},
            },
        }

    found = index.ask({name: asked(name) for name in wanted})["aggregations"]
    return {
        name: Proof(
            EVIDENCE[name].what,
            found[name]["doc_count"],
            moment(found[name]["last"]["value"]),
            tuple(str(each["key"]) for each in found[name]["who"]["buckets"]),
            found[name]["failed"]["doc_count"],
        )
        for name in wanted
    }
