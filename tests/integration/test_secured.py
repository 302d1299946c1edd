"""A secured cluster: with the shipped role everything works, and nothing of it is too much."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.notify.notifier import Notifier
from ingest.sources.session import aws_session
from tests.helpers.findings import at, put_events, rule, single
from tests.helpers.roles import least_privilege_role
from tests.helpers.secured import SecuredEngine
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.initialization import init
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import AccessDeniedError, ClusterError, ClusterUnreachableError
from trailhound.settings import ChannelSettings, NotifySettings, Settings

NAMESPACE = "team"
PASSWORD = "c0rrect-Horse-battery"
DAY = f"{NAMESPACE}-cloudtrail-2024.01.01"
ALIAS = f"{NAMESPACE}-cloudtrail"
LEDGER = f"{NAMESPACE}-trailhound-ledger"
DEADLETTER = f"{NAMESPACE}-trailhound-deadletter"
ALERTS = f"{NAMESPACE}-trailhound-alerts"

SETTINGS = Settings(namespace=NAMESPACE)
EVENT = {"eventID": "1", "@timestamp": "2024-01-01T00:00:00Z"}
PERMISSIONS: tuple[tuple[str | int, ...], ...] = (
    ("cluster_permissions",),
    ("index_permissions", 0, "allowed_actions"),
)
"""Where a role's permissions stand in it."""
EVERYTHING: dict[str, Any] = {"query": {"match_all": {}}}


def _info(client: OpenSearch) -> None:
    with cluster_errors():
        client.info()


def _bulk(client: OpenSearch) -> None:
    """Create, index and delete, as events, ledger entries and dead letters are written."""
    lines = [
        {"create": {"_index": DAY, "_id": "1"}},
        EVENT,
        {"index": {"_index": LEDGER, "_id": "s3://b/k"}},
        {"state": "done"},
        {"create": {"_index": DEADLETTER, "_id": "1"}},
        {"reason": "no eventTime"},
        {"delete": {"_index": DEADLETTER, "_id": "1"}},
        {"update": {"_index": LEDGER, "_id": "s3://b/k"}},
        {"doc": {"state": "claimed"}},
    ]
    body = "\n".join(map(json.dumps, lines)) + "\n"
    reply = client.transport.perform_request("POST", "/_bulk", body=body)
    refused = [
        each["error"]["reason"]
        for item in reply["items"]
        for each in item.values()
        if each["status"] == 403
    ]
    if refused:
        raise AccessDeniedError(refused[0])


def _mget(client: OpenSearch) -> None:
    docs = [{"_index": DAY, "_id": "1"}, {"_index": LEDGER, "_id": "s3://b/k"}]
    reply = client.mget(body={"docs": docs})
    for doc in reply["docs"]:
        if "error" in doc:
            raise AccessDeniedError(doc["error"]["reason"])
        assert doc["found"]


def _many(client: OpenSearch) -> None:
    """Several searches in one request, as rules are run."""
    reply = client.msearch(body=[{"index": ALIAS}, EVERYTHING])
    for each in reply["responses"]:
        if "error" in each:
            raise AccessDeniedError(each["error"]["reason"])


def _page(client: OpenSearch) -> None:
    """A point in time, read in pages."""
    opened = client.create_pit(index=ALIAS, params={"keep_alive": "1m"})
    body = {**EVERYTHING, "pit": {"id": opened["pit_id"]}, "sort": [{"_shard_doc": "asc"}]}
    try:
        assert client.search(body=body)["hits"]["total"]["value"] == 1
    finally:
        client.delete_pit(body={"pit_id": [opened["pit_id"]]})


def _by_query(client: OpenSearch) -> None:
    """Marks a day's events, as verified digests do."""
    script = {"source": "ctx._source.put('x', 1)", "lang": "painless"}
    reply = client.update_by_query(index=DAY, body={**EVERYTHING, "script": script})
    assert reply["updated"] == 1


OPERATIONS: dict[str, Callable[[OpenSearch], Any]] = {
    "info": lambda client: client.info(),
    "health": lambda client: client.cluster.health(),
    "settings": lambda client: client.cluster.get_settings(include_defaults=True),
    "disk": lambda client: client.nodes.stats(metric="fs"),
    "plugins": lambda client: client.cat.plugins(format="json"),
    "init": lambda client: init(client, SETTINGS),
    "templates": lambda client: templates.check(client, SETTINGS),
    "upgrade a template": lambda client: client.indices.put_index_template(
        name=f"{NAMESPACE}-trailhound-events", body=templates.template("events", SETTINGS)
    ),
    "create a day": lambda client: client.indices.create(index=DAY),
    "mapping": lambda client: client.indices.put_mapping(
        index=DAY, body=templates.mapping("events", SETTINGS)
    ),
    "marks": lambda client: templates.index_marks(client, f"{NAMESPACE}-cloudtrail-*"),
    "bulk": _bulk,
    "index alerts": lambda client: client.index(index=ALERTS, id="1", body={}),
    "refresh": lambda client: client.indices.refresh(index=f"{NAMESPACE}-cloudtrail-*,{ALERTS}"),
    "mget": _mget,
    "get": lambda client: client.get(index=LEDGER, id="s3://b/k"),
    "search": lambda client: client.search(index=ALIAS, body=EVERYTHING),
    "search many at once": _many,
    "count": lambda client: client.count(index=DEADLETTER),
    "page": _page,
    "update by query": _by_query,
    "list days": lambda client: client.cat.indices(
        index=f"{NAMESPACE}-cloudtrail-*", format="json", h="index"
    ),
    "sizes": lambda client: client.indices.stats(
        index=f"{NAMESPACE}-cloudtrail-*", metric="docs,store", level="cluster"
    ),
    "describe": lambda client: client.indices.get(index=DAY),
    "alias": lambda client: client.indices.get_alias(index=f"{NAMESPACE}-cloudtrail-*"),
    "close a day": lambda client: client.indices.close(index=DAY),
    "reopen it": lambda client: client.indices.open(index=DAY),
    "make it read-only": lambda client: client.indices.put_settings(
        index=DAY, body={"index.blocks.write": False}
    ),
    "retention, merging": lambda client: client.indices.forcemerge(
        index=DAY, params={"max_num_segments": "1"}
    ),
    "retention, segments": lambda client: client.indices.stats(
        index=f"{NAMESPACE}-cloudtrail-*", metric="segments", level="shards"
    ),
    "retention, closing": lambda client: client.indices.close(index=DAY),
    "retention": lambda client: client.indices.delete(index=DAY),
}
"""Every kind of request Trailhound makes, in an order in which they work."""


@pytest.fixture(scope="module")
def cluster(secured_engine: SecuredEngine) -> SecuredEngine:
    """The secured engine with a user `loader` who has the shipped role, and one who has none."""
    for user in ("loader", "nobody"):
        secured_engine.create_user(user, PASSWORD)
    secured_engine.create_role("trailhound", least_privilege_role(NAMESPACE), ["loader"])
    return secured_engine


def _client(cluster: SecuredEngine, user: str) -> OpenSearch:
    return connect(cluster.settings(NAMESPACE, username=user, password=PASSWORD))


def _refusals(client: OpenSearch) -> Iterator[str]:
    """Why operations are refused, one by one. What depends on one of them may fail too."""
    for name, operation in OPERATIONS.items():
        try:
            with cluster_errors():
                operation(client)
        except ClusterError as error:
            if "already exists" not in error.message:
                yield f"{name}: {error.message}"
        except (AssertionError, LookupError) as error:
            yield f"{name}: {error!r}"


def test_the_shipped_role_is_enough(cluster: SecuredEngine) -> None:
    assert list(_refusals(_client(cluster, "loader"))) == []


def test_alerts_are_raised_handled_and_told_of_with_the_shipped_role(
    cluster: SecuredEngine,
) -> None:
    client = _client(cluster, "loader")
    init(client, SETTINGS)
    put_events(client, SETTINGS, [1, 2])
    rules = {each.id: each for each in (rule("plain"), rule("near", suppress=timedelta(minutes=1)))}
    recorder = Recorder(client, SETTINGS, rules)
    recorder.record([single("near", 1), single("near", 2), single("plain", 1)])
    alert_store = AlertStore(client, SETTINGS)
    near, plain = (alert_store.find(AlertQuery(rule=name))[0]["id"] for name in ("near", "plain"))
    alert_store.close(plain, "ada")
    channel = ChannelSettings(name="true", kind="command", command=["true"])
    settings = SETTINGS.model_copy(update={"notify": NotifySettings(channels=[channel])})
    assert Notifier(client, settings, aws_session).deliver(at(60)).sent == {"true": 1}
    assert alert_store.get(near)["delivery"]["true"]["state"] == "sent"
    client.indices.delete(index=f"{NAMESPACE}-cloudtrail-{at(1):%Y.%m.%d}")


def test_no_permission_of_the_shipped_role_is_too_much(cluster: SecuredEngine) -> None:
    """Each is taken away in turn; something is refused then, and the error names it."""
    cluster.create_user("probe", PASSWORD)
    client = _client(cluster, "probe")
    whole = least_privilege_role(NAMESPACE)
    cluster.create_role("probe", whole, ["probe"])
    needless = []
    for place in PERMISSIONS:
        for permission in _at(whole, place):
            role = copy.deepcopy(whole)
            _at(role, place).remove(permission)
            cluster.change_role("probe", role)
            cluster.ask("DELETE", f"/{DAY}")  # as the last refusal left it: there, or closed
            if not any(permission.rstrip("*") in refusal for refusal in _refusals(client)):
                needless.append(permission)
    assert not needless, needless


def _at(role: Any, place: tuple[str | int, ...]) -> list[str]:
    for step in place:
        role = role[step]
    found: list[str] = role
    return found


def test_other_indices_stay_out_of_reach(cluster: SecuredEngine) -> None:
    client = _client(cluster, "loader")
    for index in ("cloudtrail-2024.01.01", "other", f"{NAMESPACE}-other"):
        with pytest.raises(AccessDeniedError, match="indices:admin/create"), cluster_errors():
            client.indices.create(index=index)


def test_without_a_role_the_error_names_the_permission(cluster: SecuredEngine) -> None:
    client = _client(cluster, "nobody")
    with pytest.raises(
        AccessDeniedError, match="nobody lacks the permission cluster:monitor/main"
    ) as caught:
        _info(client)
    assert "role.json" in caught.value.hint
    with (
        pytest.raises(AccessDeniedError, match="indices:admin/index_template/get"),
        cluster_errors(),
    ):
        init(client, SETTINGS)


@pytest.mark.parametrize("login", [{"username": "loader", "password": "wrong-Horse"}, {}])
def test_wrong_login(cluster: SecuredEngine, login: dict[str, str]) -> None:
    with pytest.raises(AccessDeniedError, match="user and password") as caught, cluster_errors():
        connect(cluster.settings(**login)).info()
    assert "wrong-Horse" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_client_certificate_is_a_login(cluster: SecuredEngine) -> None:
    certificate = cluster.authority.issue("loader")
    settings = cluster.settings(client_cert=certificate.certificate, client_key=certificate.key)
    with cluster_errors():
        assert connect(settings).info()["version"]["number"] == "3.4.0"
        account = connect(settings).transport.perform_request("GET", "/_plugins/_security/authinfo")
    assert account["user_name"] == "loader"


def test_an_unknown_authority_is_no_connection(cluster: SecuredEngine) -> None:
    settings = cluster.settings(ca_bundle=None, username="loader", password=PASSWORD)
    with pytest.raises(ClusterUnreachableError, match="certificate verify failed") as caught:
        _info(connect(settings))
    assert "cluster.ca_bundle" in caught.value.hint


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_can_be_switched_off(cluster: SecuredEngine) -> None:
    settings = cluster.settings(
        ca_bundle=None, verify_certs=False, username="loader", password=PASSWORD
    )
    assert connect(settings).info()["version"]["number"] == "3.4.0"


def test_plain_http_to_a_tls_port_says_so(cluster: SecuredEngine) -> None:
    url = cluster.url.replace("https", "http")
    with pytest.raises(ClusterUnreachableError), cluster_errors():
        connect(Settings(cluster={"hosts": [url]})).info()
