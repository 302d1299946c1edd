"""What differs between the products: one dialect for each, chosen once from `GET /`.

This is the only place where queries and mappings depend on the product. They are written for
OpenSearch, and translated for Elasticsearch where it differs:

- free-form objects are `flattened`, which takes fewer kinds of queries than `flat_object`: see
  `trailhound.cluster.flattened`;
- a point in time is opened by `POST /INDEX/_pit` and named by `id`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from trailhound.cluster import flattened, mappings
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import AccessDeniedError, RequestFailedError
from trailhound.plural import plural

Query = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """OpenSearch. `version` is that of the server; empty if it does not report one."""

    version: str = ""
    product: str = "OpenSearch"
    codecs: frozenset[str] = frozenset({"default", "best_compression", "zstd", "zstd_no_dict"})
    """Values of `index.codec`. Some need a plugin that a cluster may lack."""
    oldest: tuple[int, int] = (2, 19)
    """The oldest version that the tests run on."""
    monitors: bool = True
    """Whether the product has monitors like those of OpenSearch's Alerting plugin."""
    lifecycle: Literal["ism", "ilm"] = "ism"
    """The feature that deletes days past retention, if the cluster has it."""
    any_order: tuple[Mapping[str, str], ...] = ()
    """A unique sort of the documents at a point in time that costs nothing; empty if there is
    none."""
    kibana: bool = False
    """Whether its dashboards are for Kibana."""
    marks_flat: bool = False
    """Whether events are marked with `trail.flat`, which makes queries of
    `trailhound.cluster.flattened` cheaper."""
    parts: tuple[tuple[str, str], ...] = (
        ("security", "opensearch-security"),
        ("alerting", "opensearch-alerting"),
        ("index-management", "opensearch-index-management"),
    )
    """Features that matter to an operator, and the plugin or module of each."""

    @property
    def name(self) -> str:
        """Product and version.

        >>> Dialect("3.8.0").name
        'OpenSearch 3.8.0'
        """
        return f"{self.product} {self.version}".strip()

    @property
    def is_older(self) -> bool:
        """Whether its version is older than any that the tests run on.

        >>> Dialect("2.4.1").is_older, Dialect("3.8.0-SNAPSHOT").is_older
        (True, False)
        """
        known = re.match(r"(\d+)\.(\d+)", self.version)
        return known is not None and (int(known[1]), int(known[2])) < self.oldest

    def mapping(self, fields: mappings.Mapping) -> mappings.Mapping:
        """A mapping of `trailhound.cluster.mappings` in this product's types."""
        return fields

    def translated(self, query: Query) -> tuple[Query, bool]:
        """A query in this product's form, and whether it matches exactly the same documents.

        If not, it matches more, and the caller decides on each hit.
        """
        return query, True

    def subset(self, query: Query) -> Query:
        """A query in this product's form for a subset of what `query` matches."""
        return query

    def superset(self, query: Query) -> Query | None:  # noqa: ARG002
        """A query for a superset of what `query` matches, without clauses that are expensive on
        this product. None if it would match everything, or if no clause is expensive.
        """
        return None

    def presence(self, path: str, query: Query) -> Query:  # noqa: ARG002
        """A query for a value at a path; `query` is the one for OpenSearch."""
        return query

    def open_point_in_time(self, client: OpenSearch, index: str, keep_alive: str) -> str | None:
        """Open a point in time and return its id; None if a node keeps as many as it may. Raises
        opensearch-py's exceptions.

        Each shard counts: OpenSearch allows a node 300 by default (`search.max_open_pit_context`),
        which is less than a year of daily indices.
        """
        try:
            made = client.create_pit(
                index=index,
                params={
                    "keep_alive": keep_alive,
                    "ignore_unavailable": "true",
                    "allow_partial_pit_creation": "false",
                },
            )
        except TransportError as error:
            if "search.max_open_pit_context" in str(error.info):
                return None
            raise
        failed = (made.get("_shards") or {}).get("failed")
        if failed:
            raise RequestFailedError(
                f"{plural(failed, 'shard')} of {index} did not answer",
                hint="check the cluster's health",
            )
        return str(made["pit_id"])

    def close_point_in_time(self, client: OpenSearch, identifier: str) -> None:
        """Close a point in time. Raises opensearch-py's exceptions."""
        client.delete_pit(body={"pit_id": [identifier]})


@dataclass(frozen=True, slots=True)
class Elasticsearch(Dialect):
    """Elasticsearch 8.19 and 9.x."""

    product: str = "Elasticsearch"
    codecs: frozenset[str] = frozenset({"default", "best_compression"})
    oldest: tuple[int, int] = (8, 19)
    monitors: bool = False
    lifecycle: Literal["ism", "ilm"] = "ilm"
    any_order: tuple[Mapping[str, str], ...] = ({"_shard_doc": "asc"},)
    kibana: bool = True
    marks_flat: bool = True
    parts: tuple[tuple[str, str], ...] = (
        ("security", "x-pack-security"),
        ("lifecycle", "x-pack-ilm"),
    )

    def mapping(self, fields: mappings.Mapping) -> mappings.Mapping:
        made: mappings.Mapping = {}
        for name, value in fields.items():
            if not isinstance(value, Mapping):
                made[name] = value
            elif value.get("type") == "flat_object":
                # Not `ignore_above`: it would silently hide longer values from rules.
                made[name] = {"type": "flattened", "depth_limit": 1_000}
            elif value.get("type") == "wildcard":
                made[name] = {"type": "keyword", "index": False, "doc_values": False}
            elif value == mappings.STAMP:
                made[name] = dict(mappings.DATE)
            else:
                made[name] = self.mapping(dict(value))
        return made

    def translated(self, query: Query) -> tuple[Query, bool]:
        made = flattened.translated(query, wider=True)
        return made, made == query

    def subset(self, query: Query) -> Query:
        return flattened.translated(query, wider=False)

    def superset(self, query: Query) -> Query | None:
        """Leaves out expressions on the root of a free-form object, which are tried on the values
        of all paths. Expressions that can be applied to a leaf of flat events stay."""
        made = flattened.superset(query)
        return None if made == flattened.EVERYTHING else made

    def presence(self, path: str, query: Query) -> Query:
        """`exists` on a leaf finds a value at exactly that path, and none below it."""
        made, exact = self.translated(query)
        return made if exact else {"exists": {"field": path}}

    def open_point_in_time(self, client: OpenSearch, index: str, keep_alive: str) -> str | None:
        made = client.transport.perform_request(
            "POST",
            f"/{index}/_pit",
            params={"keep_alive": keep_alive, "ignore_unavailable": "true"},
        )
        return str(made["id"])

    def close_point_in_time(self, client: OpenSearch, identifier: str) -> None:
        client.transport.perform_request("DELETE", "/_pit", body={"id": identifier})


OPENSEARCH: Final = Dialect()

_CHOSEN: WeakKeyDictionary[OpenSearch, Dialect] = WeakKeyDictionary()


def dialect_of(client: OpenSearch) -> Dialect:
    """The dialect of a client's cluster, which is asked once. Raises `ClusterError`."""
    chosen = _CHOSEN.get(client)
    if chosen is None:
        try:
            with cluster_errors():
                chosen = _CHOSEN[client] = from_answer(client.info())
        except AccessDeniedError:
            return OPENSEARCH  # the next request names the permission that it needs
    return chosen


def from_answer(answer: Mapping[str, Any]) -> Dialect:
    """The dialect of the server that gave this answer to `GET /`.

    Raises `RequestFailedError` for Elasticsearch Serverless: it has none of the cluster and node
    APIs, and takes no number of shards in a template ("Serverless differences" of its
    documentation).

    >>> from_answer({"version": {"number": "9.5.3", "build_flavor": "default"}}).product
    'Elasticsearch'
    """
    about = answer.get("version")
    about = about if isinstance(about, Mapping) else {}
    number = str(about.get("number") or "")
    if about.get("distribution") == "opensearch" or "build_flavor" not in about:
        return Dialect(number)
    if about["build_flavor"] == "serverless":
        raise RequestFailedError(
            "Elasticsearch Serverless is not supported: it lacks the cluster and index APIs that "
            "every command needs",
            hint="use a hosted deployment of Elastic Cloud or a cluster of your own",
        )
    return Elasticsearch(number)
