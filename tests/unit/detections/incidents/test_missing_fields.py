"""What readers of stored events make of an event of which fields are missing, empty or otherwise
formed: AWS leaves replies out, and who redacts a trail removes members."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from opensearchpy import OpenSearch

from detections.alerts.facts import fact_of
from detections.alerts.named_events import NamedEvents
from detections.incidents.acting import NO_FUNCTIONS
from detections.incidents.actors import Actor, actor_of
from detections.incidents.creations import ISSUING, token
from detections.incidents.facts import AlertEvents, Facts, issued
from detections.incidents.links import links_of
from detections.investigation.nodes import actor_node, target_nodes
from detections.investigation.sessions import session_of
from trailhound.cluster.templates import Names
from trailhound.internal_errors import Skipped

KEY: Final = "ASIAMADE"
ACCOUNT: Final = "111122223333"
EVENT: Final[dict[str, Any]] = {
    "@timestamp": "2025-03-01T12:00:00Z",
    "eventName": "AssumeRole",
    "eventSource": "sts.amazonaws.com",
    "sharedEventID": "b1",
    "awsRegion": "eu-west-1",
    "recipientAccountId": ACCOUNT,
    "sourceIPAddress": "203.0.113.7",
    "source": {"ip": "203.0.113.7"},
    "user": {"name": "ada"},
    "user_type": "iam_user",
    "user_agent": {"name": "aws-cli"},
    "event": {"outcome": "success"},
    "trail": {"account": ACCOUNT},
    "userIdentity": {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/ada",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAOWN",
        "principalId": "AROA:ada",
        "userName": "ada",
        "sessionContext": {
            "sessionIssuer": {"arn": f"arn:aws:iam::{ACCOUNT}:role/Deploy"},
            "sourceIdentity": "ada",
            "attributes": {"creationDate": "2025-03-01T11:00:00Z"},
        },
    },
    "resource": {
        "access_key": [KEY, "ASIAOWN"],
        "arn": [f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops/s"],
        "role": ["Ops"],
    },
}
MISSING: Final[object] = Ellipsis
SHAPES: Final[tuple[object, ...]] = (
    MISSING,
    None,
    "",
    [],
    (),
    {},
    [None],
    [[]],
    ["a", "b"],
    "a",
    7,
)


def paths(node: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in node.items():
        if (*above, name) != ("@timestamp",):  # every stored event has its time
            yield (*above, name)
        if isinstance(inner, dict):
            yield from paths(inner, (*above, name))


def changed(path: tuple[str, ...], shape: object) -> dict[str, Any]:
    made = copy.deepcopy(EVENT)
    at = made
    for name in path[:-1]:
        at = at[name]
    if shape is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = shape
    return made


@pytest.mark.parametrize("path", list(paths(EVENT)), ids=".".join)
def test_an_event_is_read_whatever_a_field_holds(path: tuple[str, ...]) -> None:
    for shape in SHAPES:
        source = changed(path, shape)
        actor_node(source), target_nodes(source), session_of(source), fact_of(source)
        actor = actor_of(source)
        for key, by in issued(source):
            assert (bool(token("key", key)), by) == (True, actor), shape
        links = links_of([source], {KEY: Actor("user:1:bob", frozenset({"user:1:bob"}))})
        tokens = links.own | links.created | links.used
        assert all(isinstance(each, str) and each for each in tokens), shape


@pytest.mark.parametrize("call", ISSUING)
@pytest.mark.parametrize(
    ("held", "keys"),
    [
        (MISSING, []),
        (None, []),
        ("", []),
        ([], []),
        ((), []),
        ([None, ""], []),
        (KEY, [KEY]),
        ([KEY], [KEY]),
        ([KEY, "ASIAOWN", "ASIAOTHER"], [KEY, "ASIAOTHER"]),
    ],
    ids=str,
)
def test_a_call_issued_the_keys_that_it_names(call: str, held: object, keys: list[str]) -> None:
    source = changed(("resource", "access_key"), held) | {"eventName": call}
    assert [key for key, _ in issued(source)] == keys


def test_an_alert_is_linked_without_those_of_its_events_that_cannot_be_read() -> None:
    """No stored event lacks its time; one that did would be such an event."""
    client, names = OpenSearch("http://127.0.0.1:9"), Names("x-")
    skipped = Skipped(logging.getLogger("trailhound.incidents"))
    facts = Facts(NamedEvents(client, names.days), skipped)
    at = datetime(2025, 3, 1, 12, tzinfo=UTC)
    alert = AlertEvents("a1", at, at, ("good", "odd"))
    odd = {name: value for name, value in EVENT.items() if name != "@timestamp"}
    links = facts._links_of(alert, {"good": EVENT, "odd": odd}, {}, NO_FUNCTIONS)
    assert links == links_of([EVENT], {})
    assert skipped.sentence().startswith("skipped 1 item: the event odd: internal error")
