"""The shipped least-privilege roles, for a namespace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[2] / "trailhound" / "cluster"
ROLE_FILE = _FOLDER / "role.json"
"""The body of `PUT _plugins/_security/api/roles/trailhound`, for no namespace."""
ELASTICSEARCH_ROLE_FILE = _FOLDER / "role.elasticsearch.json"
"""The body of `PUT _security/role/trailhound` of Elasticsearch, for no namespace."""


def least_privilege_role(namespace: str = "") -> dict[str, Any]:
    """The role in the security plugin's format, its index patterns under `namespace`.

    >>> least_privilege_role("team")["index_permissions"][0]["index_patterns"]
    ['team-cloudtrail', 'team-cloudtrail-*', 'team-trailhound-*']
    """
    role: dict[str, Any] = json.loads(ROLE_FILE.read_text(encoding="utf-8"))
    prefix = f"{namespace}-" if namespace else ""
    for permission in role["index_permissions"]:
        permission["index_patterns"] = [
            f"{prefix}{pattern}" for pattern in permission["index_patterns"]
        ]
    return role
