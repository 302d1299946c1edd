"""Changes of who may do what: an administrator made, an outsider let in, credentials made for
others.

Each is found by shipped rules about single events, so that a hunt and an alert agree on what they
are, with the overrides and exceptions of the settings; only calls that succeeded count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from opensearchpy import OpenSearch

from detections.compiled import Compiled, Query
from detections.events.daily_indices import DailyIndices
from detections.events.index import EventIndex
from detections.finding import Finding
from detections.investigation.hunting import Part
from detections.investigation.lead import EVIDENCE, Lead
from detections.investigation.past import Looking
from detections.investigation.scoring import leads_of
from detections.investigation.sign_reader import SUCCEEDED
from detections.packs.loading import SHIPPED, load_paths
from detections.running.evaluation import Evaluator
from detections.span import Span
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class Change:
    """A kind of leads, its score, and the shipped rules that find it."""

    pattern: str
    score: int
    what: str
    rules: tuple[str, ...]


CHANGES: Final = (
    Change(
        "administrator_made",
        9,
        "administrators that were made",
        (
            "privilege-escalation/administrator_policy_attached",
            "privilege-escalation/policy_allows_everything",
        ),
    ),
    Change(
        "outsider_let_in",
        8,
        "outsiders that were let in",
        (
            "credential-access/secret_opened_to_others",
            "execution/ssm_document_shared",
            "exfiltration/bucket_opened_to_another_account",
            "exfiltration/bucket_opened_to_everybody",
            "exfiltration/data_lake_opened",
            "exfiltration/database_snapshot_shared",
            "exfiltration/disk_snapshot_made_public",
            "exfiltration/disk_snapshot_shared",
            "exfiltration/image_shared",
            "exfiltration/resource_shared_outside",
            "persistence/lambda_open_to_outsiders",
            "persistence/role_trust_opened",
            "persistence/roles_anywhere_trust_anchor",
        ),
    ),
    Change(
        "credentials_for_others",
        7,
        "credentials that were made for others",
        (
            "persistence/access_key_by_session",
            "persistence/access_key_for_another_user",
            "persistence/other_iam_credential_made",
            "privilege-escalation/password_of_another_user_changed",
        ),
    ),
)


class Changes:
    """Finds them in a span. Raises `ClusterError`, and `RuleError` for a rule that an override made
    invalid."""

    def __init__(
        self, client: OpenSearch, settings: Settings, index: EventIndex, days: DailyIndices
    ) -> None:
        files = {name: SHIPPED / f"{name}.yml" for each in CHANGES for name in each.rules}
        self._pack = load_paths(files.values(), settings.detections)
        self._rules = {rule.place.path: rule for rule in self._pack.rules if rule.alerts}
        self._of = {name: self._rules.get(path) for name, path in files.items()}
        narrowed = {name: _succeeded(each) for name, each in self._pack.compiled.items()}
        self._evaluator = Evaluator(client, settings, narrowed, index=days)
        self._index = index
        self.disabled = tuple(sorted(rule.title for rule in self._pack.disabled))
        """Titles of the rules that are not looked for, since they are switched off."""

    def parts(self) -> list[Part]:
        """What can be looked for."""
        return [Part(each.what, partial(self._leads, each)) for each in CHANGES]

    def _leads(self, change: Change, span: Span, _: Looking) -> Iterator[Lead]:
        """A lead for each principal and rule."""
        for name in change.rules:
            if (rule := self._of[name]) is None:
                continue
            found = list(self._evaluator.evaluate(rule, span))
            calls = self._calls(found)
            leads = leads_of("change", change.pattern, rule, found, partial(_calls_of, calls))
            for lead in leads:
                yield replace(lead, score=change.score, description=rule.title)

    def _calls(self, findings: Sequence[Finding]) -> Mapping[str, str]:
        """The calls of the events of findings, by `_id`."""
        ids = {event for each in findings for event in each.events[:EVIDENCE]}
        named: dict[str, str] = {}
        if ids:
            body = {"_source": False, "docvalue_fields": ["eventName"]}
            for hit in self._index.documents({"ids": {"values": sorted(ids)}}, body):
                named[hit["_id"]] = str((hit.get("fields", {}).get("eventName") or [""])[0])
        return named


def _calls_of(calls: Mapping[str, str], finding: Finding) -> list[str]:
    return list(dict.fromkeys(filter(None, map(calls.get, finding.events[:EVIDENCE]))))


def _succeeded(compiled: Compiled) -> Compiled:
    def narrowed(query: Query) -> Query:
        return {"bool": {"filter": [query, SUCCEEDED]}}

    plain = narrowed(compiled.plain) if compiled.plain else {}
    return replace(compiled.narrowed(narrowed), plain=plain)
