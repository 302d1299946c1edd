"""The tables of controls: every name has its evidence, every field is one that is searched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from trailhound.cluster.mappings import EVENT
from trailhound.report.compliance import FRAMEWORKS
from trailhound.report.compliance.evidence import EVIDENCE
from trailhound.settings import MailSettings

FLAT = "flat_object"


def names(query: Any) -> Iterator[str]:
    """Every field that a query asks."""
    for kind, body in query.items():
        if kind == "bool":
            for clauses in (body[key] for key in body if key != "minimum_should_match"):
                for each in clauses if isinstance(clauses, list) else [clauses]:
                    yield from names(each)
        elif kind == "exists":
            yield body["field"]
        elif kind != "match_all":
            yield from body


def searched(path: str) -> bool:
    """Whether the mapping has a field, or a flat object that holds it."""
    at: dict[str, Any] = EVENT
    for part in path.split("."):
        at = at["properties"].get(part)
        if at is None or at.get("type") == FLAT:
            return at is not None
    return "type" in at


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_evidence_asks_for_fields_that_are_searched(name: str) -> None:
    for field in names(EVIDENCE[name].query):
        assert searched(field), field


def test_controls_name_evidence_that_there_is_and_all_of_it_is_used() -> None:
    known = EVIDENCE.keys() | {"alerts", "alerts_closed"}
    used = {each for of in FRAMEWORKS.values() for row in of.rows for each in row.evidence}
    assert used == known


@pytest.mark.parametrize("name", sorted(FRAMEWORKS))
def test_every_control_says_what_it_shows_and_what_it_cannot(name: str) -> None:
    rows = FRAMEWORKS[name].rows
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.title
        assert re.fullmatch(r"[A-Z].*\.", row.shows), row.id
        assert re.fullmatch(r"[A-Z].*\.", row.limits), row.id


def test_the_mail_can_ask_for_every_framework() -> None:
    assert MailSettings.model_validate({"compliance": list(FRAMEWORKS)})
