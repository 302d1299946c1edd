"""The namespaces that there are on a cluster."""

from __future__ import annotations

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

_LEDGER = "trailhound-ledger"


def has_namespace(client: OpenSearch, prefix: str) -> bool:
    """Whether there is the namespace of this prefix, "" for none: its ledger. A role needs no
    right to other indices. Raises opensearch-py's exceptions."""
    try:
        client.count(index=f"{prefix}{_LEDGER}")
    except NotFoundError:
        return False
    return True


def ledger_uuid(client: OpenSearch, prefix: str) -> str:
    """The UUID of the ledger index, which one of the same name that is created later does not
    have; empty where there is none. Raises opensearch-py's exceptions."""
    index = f"{prefix}{_LEDGER}"
    try:
        found = client.indices.get_settings(index=index, name="index.uuid")
    except NotFoundError:
        return ""
    return str(found[index]["settings"]["index"]["uuid"]) if index in found else ""


def namespaces_of(client: OpenSearch) -> list[str]:
    """Every namespace, sorted; "" is that of indices without a prefix. Raises opensearch-py's
    exceptions."""
    rows = client.cat.indices(index=f"*{_LEDGER}", format="json", params={"h": "index"})
    prefixes = {str(row["index"]).removesuffix(_LEDGER) for row in rows}
    return sorted(each.removesuffix("-") for each in prefixes if not each or each.endswith("-"))
