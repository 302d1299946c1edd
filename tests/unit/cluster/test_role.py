"""The roles that are shipped name the same indices and nothing beyond them."""

from __future__ import annotations

import json

from tests.helpers.roles import ELASTICSEARCH_ROLE_FILE, ROLE_FILE


def test_both_products_roles_are_for_the_same_indices() -> None:
    ours = json.loads(ROLE_FILE.read_text(encoding="utf-8"))
    elastic = json.loads(ELASTICSEARCH_ROLE_FILE.read_text(encoding="utf-8"))
    [indices] = elastic["indices"]
    assert [indices["names"]] == [each["index_patterns"] for each in ours["index_permissions"]]
    assert "all" not in indices["privileges"] + elastic["cluster"]
