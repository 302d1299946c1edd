"""Which feed an entry of `run.sources` opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from ingest.feeds.kinds import feed_kind, feed_kinds, open_feed
from trailhound.settings import AwsSettings, FeedSettings, Settings


def test_every_kind_of_the_settings_has_a_feed() -> None:
    assert set(feed_kinds()) == set(FeedSettings.KINDS)


@pytest.mark.parametrize(
    ("entry", "name", "kind"),
    [
        ({"queue": "trail-events"}, "trail-events", "sqs"),
        ({"poll": "s3://trail/logs"}, "s3://trail/logs", "s3"),
        ({"watch": "/trails"}, "/trails", "folder"),
    ],
)
def test_an_entry_opens_the_feed_of_its_kind(entry: dict[str, Any], name: str, kind: str) -> None:
    settings = Settings(aws=AwsSettings(region="eu-west-1"))
    status = open_feed(settings, FeedSettings(**entry), OpenSearch("http://127.0.0.1:1")).status()
    assert (status.name, status.kind) == (name, kind)


def test_a_kind_has_one_feed() -> None:
    feed_kinds()
    with pytest.raises(ValueError, match="two feeds for `queue`"):
        feed_kind("queue")(lambda _settings, _feed, _client: pytest.fail("never opened"))


def test_an_entry_knows_its_kind_and_its_place() -> None:
    feed = FeedSettings(watch=Path("/trails"))
    assert (feed.kind, feed.place) == ("watch", "/trails")


def test_an_entry_goes_before_the_settings_for_aws() -> None:
    base = AwsSettings(region="eu-west-1", profile="audit")
    assert FeedSettings(queue="q", region="us-east-1").own_aws(base).region == "us-east-1"
    assert FeedSettings(queue="q").own_aws(base) == base
