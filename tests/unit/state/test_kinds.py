"""Every kind of document has a name, ids and a form of its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest

import trailhound.state
from trailhound.state.alert_groups import AlertGroup, GroupedAlert
from trailhound.state.daemons import DaemonState
from trailhound.state.document import StateDocument, StateDocumentError
from trailhound.state.feed_checkpoints import FeedCheckpoint
from trailhound.state.kinds import KINDS
from trailhound.state.rule_checkpoints import RuleCheckpoint

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def below(kind: type[StateDocument]) -> Iterator[type[StateDocument]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


def test_every_class_is_in_the_list_of_kinds() -> None:
    for module in pkgutil.iter_modules(trailhound.state.__path__, "trailhound.state."):
        importlib.import_module(module.name)
    assert set(below(StateDocument)) == set(KINDS)


def test_no_two_kinds_share_a_value_or_can_share_an_id() -> None:
    for one, other in combinations(KINDS, 2):
        assert one.kind != other.kind
        if one.id_prefix and other.id_prefix:
            assert not one.id_prefix.startswith(other.id_prefix)
            assert not other.id_prefix.startswith(one.id_prefix)
    assert sum(not kind.id_prefix for kind in KINDS) <= 1, "only objects have hashes alone as ids"
    assert all(each.id_prefix.endswith("-") for each in KINDS if each.id_prefix)


def test_no_kind_is_found_by_the_query_for_rule_checkpoints_of_the_last_release() -> None:
    assert all(kind.legacy_state != "mark" for kind in KINDS)


@pytest.mark.parametrize(
    "document",
    [
        RuleCheckpoint(rule_id="r", title="R", seen_until=NOW, ran_at=NOW, found=3),
        FeedCheckpoint(uri="s3://b/AWSLogs/1/CloudTrail/x/", mark=NOW),
        DaemonState(id="d", heartbeat=NOW, host="h", pid=3, report={"objects": {"done": 2}}),
        AlertGroup(group="g", rule="r", alerts=(GroupedAlert(id="a", first=NOW, last=NOW),)),
    ],
)
def test_what_is_stored_is_read_again(document: StateDocument) -> None:
    stored = document.document()
    assert stored["kind"] == document.kind
    if not isinstance(document, DaemonState):  # whose report holds whatever it says
        stored["of_a_later_release"] = 1
    assert type(document).parse(document.identifier, stored) == document


def test_a_document_that_lacks_a_field_is_named() -> None:
    broken: dict[str, Any] = {"kind": "rule_checkpoint", "rule_id": "r"}
    with pytest.raises(StateDocumentError, match="rule-checkpoint-r is not"):
        RuleCheckpoint.parse("rule-checkpoint-r", broken)


def test_a_checkpoint_of_the_last_release_is_read() -> None:
    old = {
        "state": "mark",
        "rule_id": "r",
        "title": "R",
        "seen_until": "2026-03-01T12:00:00+00:00",
        "ran_at": "2026-03-01T12:00:00.123456+00:00",
        "seconds": 0.0,
        "found": 0,
        "failures": 0,
        "last_error": "",
        "resting": True,
    }
    read = RuleCheckpoint.parse("mark-r", old)
    assert (read.seen_until, read.inactive) == (NOW, True)
