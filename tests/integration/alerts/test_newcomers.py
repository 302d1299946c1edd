"""Which identities of alerts are new: by their own first events, and those of their account."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from detections.incidents.newcomers import Newcomers, Subject, subject_of
from detections.incidents.own_accounts import OwnAccounts
from tests.helpers.findings import START, put_events
from tests.helpers.identities import user
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def act(
    client: OpenSearch, settings: Settings, name: str, before: timedelta, number: int, **more: Any
) -> None:
    """An event of a user, so long before `START`."""
    put_events(client, settings, [number], START - before, userIdentity=user(name), **more)


def subject(name: str, after: timedelta = timedelta()) -> Subject:
    """Of an alert about a user that begins so long after `START`."""
    first = (START + after).isoformat()
    entity = {"arn": [user(name)["arn"]], "account": ["111122223333"]}
    found = subject_of({"first_seen": first, "entity": entity})
    assert found is not None
    return found


@pytest.fixture
def newcomers(client: OpenSearch, settings: Settings) -> Newcomers:
    return Newcomers(EventIndex(client, Names(settings.prefix).days))


def test_who_acted_more_than_a_day_before_is_not_new(
    client: OpenSearch, settings: Settings, newcomers: Newcomers
) -> None:
    for number, (name, before) in enumerate(
        {"daily": 2 * DAY, "long-ago": 40 * DAY, "today": 3 * HOUR, "just": 23 * HOUR}.items()
    ):
        act(client, settings, name, before, number)
    asked = {name: subject(name) for name in ("daily", "long-ago", "today", "just", "never")}
    act(client, settings, "denied", 2 * DAY, 9, event={"outcome": "failure"})
    asked["denied"] = subject("denied")
    new = {"today", "just", "never", "denied"}
    assert newcomers.of(asked) == {name: name for name in new}
    # Of two alerts about one user the earlier one may be about a new one.
    both = {"first": subject("just"), "later": subject("just", 2 * HOUR)}
    assert newcomers.of(both) == {"first": "just"}
    assert newcomers.of({"later": both["later"]}) == {}


def test_in_an_account_without_history_nobody_is_new(
    client: OpenSearch, settings: Settings, newcomers: Newcomers
) -> None:
    act(client, settings, "colleague", 6 * DAY, 1)
    assert newcomers.of({"alert": subject("ada")}) == {}
    act(client, settings, "colleague", 8 * DAY, 2)
    assert newcomers.of({"alert": subject("ada")}) == {"alert": "ada"}
    # By the same event its account is an own one, which an alert may let in.
    own = OwnAccounts(EventIndex(client, Names(settings.prefix).days))
    let_in = {"own": ["111122223333"], "both": ["111122223333", "444455556666"], "nobody": []}
    assert own.inside(let_in) == {"own"}
