"""Templates, indices and aliases of others, in the place of ours or above them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.helpers.processes import run
from tests.helpers.trails import (
    backfill,
    ledger,
    prepared,
)
from tests.integration.templates.stored import get_template, mapped
from trailhound.app.doctor.template_checks import indices
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.initialization import init
from trailhound.cluster.templates import Names
from trailhound.errors import ForeignTemplateError, SettingsError
from trailhound.settings import Settings

pytestmark = pytest.mark.fresh_namespace
"""They are about the making of what prepared ones have."""


def foreign(client: OpenSearch, name: str, pattern: str, priority: int) -> None:
    body = {
        "index_patterns": [pattern],
        "priority": priority,
        "template": {"mappings": {"properties": {"eventName": {"type": "text"}}}},
    }
    client.indices.put_index_template(name=name, body=body)


def test_a_foreign_template_above_ours_is_refused_before_anything_is_written(
    settings: Settings, trail: Path
) -> None:
    client = prepared(settings)
    foreign(client, f"{settings.prefix}other", f"{settings.prefix}cloudtrail-*", 900)
    with pytest.raises(ForeignTemplateError) as refusal:
        backfill(settings, trail)
    assert "priority" in refusal.value.hint
    with pytest.raises(ForeignTemplateError):
        init(client, settings)
    ended = run(settings, "backfill", trail, "--json")
    assert ended.returncode == 3
    assert b"Traceback" not in ended.stderr
    assert client.cat.indices(index=f"{settings.prefix}cloudtrail-*") == ""
    assert ledger(client, settings) == []


def test_a_foreign_template_above_the_ledgers_is_refused_where_it_would_apply(
    settings: Settings, trail: Path
) -> None:
    client = prepared(settings)
    name = Names(settings.prefix).ledger
    foreign(client, f"{settings.prefix}other", name, 900)
    templates.check(client, settings)  # the index is there, and no template changes it
    client.indices.delete(index=name)
    with pytest.raises(ForeignTemplateError, match=name):
        backfill(settings, trail)
    assert not client.indices.exists(index=name)


def test_a_foreign_template_under_our_name_is_left_alone(settings: Settings) -> None:
    client = connect(settings)
    name = Names(settings.prefix).template("events")
    foreign(client, name, f"{settings.prefix}cloudtrail-*", 500)
    with pytest.raises(ForeignTemplateError, match="not made by Trailhound"):
        init(client, settings)
    assert "_meta" not in get_template(client, name)


@pytest.mark.parametrize("kind", ["ledger", "deadletter"])
def test_a_foreign_index_of_our_name_is_refused(
    kind: templates.IndexKind, settings: Settings, trail: Path
) -> None:
    """One of a day keeps out the events of that day alone (test_blocked_days.py)."""
    client = connect(settings)
    index = Names(settings.prefix).single(kind)
    client.indices.create(index=index, body={"mappings": {"properties": {"a": {"type": "text"}}}})
    for refused in (partial(init, client, settings), partial(backfill, settings, trail)):
        with pytest.raises(ForeignTemplateError, match=index):
            refused()
    assert client.count(index=index)["count"] == 0
    assert mapped(client, index) == {"a": {"type": "text"}}


def test_what_the_cluster_refuses_of_a_template_is_said_in_our_words(settings: Settings) -> None:
    client, prefix = connect(settings), settings.prefix
    taken = f"{prefix}cloudtrail"
    client.indices.create(index=taken)
    with pytest.raises(ForeignTemplateError, match=f"index {taken}, and the alias of the daily"):
        init(client, settings)
    client.indices.delete(index=taken)
    foreign(client, f"{prefix}other", f"{prefix}cloud*", templates.PRIORITY)
    with pytest.raises(ForeignTemplateError, match=f"as {prefix}other, of the same") as refused:
        init(client, settings)
    assert "another priority" in refused.value.hint
    client.indices.delete_index_template(name=f"{prefix}other")
    init(client, settings)
    within = settings.model_copy(update={"namespace": f"{prefix}cloudtrail-b"})
    with pytest.raises(ForeignTemplateError, match=f"as {prefix}trailhound-events") as refused:
        init(client, within)
    assert "one lies within the other" in refused.value.hint
    for name, value in {"shards": 3_000, "refresh_interval": "soon"}.items():
        index = settings.index.model_copy(update={name: value})
        with pytest.raises(SettingsError, match=f"^index.{name}: .* the value {value} "):
            init(client, settings.model_copy(update={"index": index}))


def test_doctor_names_an_alias_in_the_place_of_a_day(settings: Settings) -> None:
    client = prepared(settings)
    other, day = f"{settings.prefix}other", Names(settings.prefix).day("2025.03.01")
    client.indices.create(index=other, body={"aliases": {day: {}}})
    found = indices(client, settings)
    assert found.verdict == "warning"
    assert other in found.fact


def test_a_missing_template_is_said_of_new_days(settings: Settings, trail: Path) -> None:
    client = prepared(settings)
    client.indices.delete_index_template(name=Names(settings.prefix).template("events"))
    with pytest.raises(ForeignTemplateError, match=r"new days") as refused:
        backfill(settings, trail)
    assert Names(settings.prefix).days in refused.value.message
    assert "1970" not in refused.value.message
    assert "trailhound init" in refused.value.hint
