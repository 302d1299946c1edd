"""An account's folder that may not be listed is named until a run has listed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.listed_folders import ListedFolders
from ingest.feeds.poll import PollFeed
from ingest.sources import open_source
from ingest.sources.readable import look_at
from tests.helpers.commands import command
from tests.helpers.denying_proxy import DenyingProxy, denying
from tests.helpers.queues import until
from tests.helpers.schemas import require_listing
from tests.helpers.trails import own_settings, prepared, record, trail_bytes
from trailhound.cluster.client import connect
from trailhound.errors import FoldersDeniedError
from trailhound.settings import FeedSettings, Settings
from trailhound.state.denied_folders import DeniedFolders
from trailhound.state.feed_checkpoints import FeedCheckpoints

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ, DENIED = "111122223333", "444455556666"
TODAY = datetime.now(UTC).date()
SINCE = f"{TODAY - timedelta(days=9)}"
FOLDER = f"AWSLogs/o-a1b2c3d4e5/{DENIED}/"


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[DenyingProxy]:
    with denying(s3_endpoint) as made:
        made.denied = FOLDER
        yield made


@pytest.fixture
def settings(
    engine: str, namespace: str, tmp_path: Path, s3: S3Client, bucket: str, proxy: DenyingProxy
) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", aws={"endpoint_url": proxy.url})
    prepared(made)
    day = TODAY - timedelta(days=9)
    for account in (READ, DENIED):
        key = (
            f"AWSLogs/o-a1b2c3d4e5/{account}/CloudTrail/us-east-1/{day:%Y/%m/%d}/"
            f"{account}_CloudTrail_us-east-1_{day:%Y%m%d}T1210Z_a.json.gz"
        )
        body = trail_bytes([record(eventTime=f"{day}T12:00:00Z", recipientAccountId=account)])
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    return made


def test_a_denied_account_is_named_until_a_run_has_listed_it(
    settings: Settings, bucket: str, proxy: DenyingProxy
) -> None:
    place, folder = f"s3://{bucket}/AWSLogs/", f"s3://{bucket}/{FOLDER}"
    env = {"TRAILHOUND_AWS__ENDPOINT_URL": proxy.url}

    def backfill(*arguments: str, code: int = 0) -> None:
        done = command(settings, "backfill", place, *arguments, env=env)
        assert done.exit_code == code, done.output

    def listed(*arguments: str) -> list[dict[str, Any]]:
        found = json.loads(command(settings, "ledger", "list", "--json", *arguments).stdout)
        require_listing(found, "ledger list")
        assert found["total"] == len(found["objects"])
        rows: list[dict[str, Any]] = found["objects"]
        return rows

    def said() -> list[str]:
        status = json.loads(command(settings, "status", "--json").stdout)
        return [each["message"] for each in status["reasons"] if each["code"] == "folder"]

    backfill("--since", SINCE, "--workers", "2", code=1)
    (row,) = listed()
    assert (row["uri"], row["state"]) == (folder, "denied")
    assert "listing is denied" in row["reason"]
    assert listed("--state", "denied") == [row]
    shown = command(settings, "ledger", "show", folder)
    assert (shown.exit_code, folder in shown.output) == (0, True)
    (reason,) = said()
    assert f"not allowed to list {folder} (last at " in reason

    proxy.denied = ""
    backfill("--since", SINCE, "--account", READ)  # not of this account
    backfill("--since", f"{TODAY}")  # not all of its days
    assert [each["uri"] for each in listed()] == [folder]
    assert said() == [reason]
    backfill("--since", SINCE, "--account", DENIED)
    assert (listed(), said()) == ([], [])

    proxy.denied = FOLDER
    backfill("--since", SINCE, code=1)
    put_away = command(settings, "ledger", "gone", folder)
    assert (put_away.exit_code, listed(), said()) == (0, [], [])


def test_a_repair_and_a_feed_that_list_a_denied_folder_are_the_end_of_its_note(
    settings: Settings, bucket: str, proxy: DenyingProxy
) -> None:
    place = f"s3://{bucket}/AWSLogs/"
    env = {"TRAILHOUND_AWS__ENDPOINT_URL": proxy.url}
    client = connect(settings)
    notes = DeniedFolders(client, settings)

    def denied() -> None:
        proxy.denied = FOLDER
        assert command(settings, "backfill", place, "--since", SINCE, env=env).exit_code == 1
        assert [each.uri for each in notes.all()] == [f"s3://{bucket}/{FOLDER}"]
        proxy.denied = ""

    def reconcile(*arguments: str) -> int:
        return command(settings, "reconcile", place, *arguments, env=env).exit_code

    denied()
    assert reconcile() == 1, "what it holds is missing"
    assert reconcile("--repair", "--since", f"{TODAY}") == 0, "not all of its days"
    assert len(notes.all()) == 1
    assert reconcile("--repair") == 0
    assert notes.all() == []

    listings: list[str] = []

    def polling(since: date, finished: list[str]) -> PollFeed:
        def take(delivery: Delivery) -> bool:
            finished.append(delivery.item.uri)
            delivery.finish(Outcome.DONE)
            return True

        wanted = FeedSettings(poll=place, since=since, every=0.1)
        checkpoints, folders = FeedCheckpoints(client, settings), ListedFolders(client, settings)
        feed = PollFeed(settings, wanted, checkpoints, folders=folders)
        events = feed.source.client.meta.events
        events.register("provide-client-params.s3.ListObjectsV2", lambda **_: listings.append(""))
        feed.start(take)
        return feed

    denied()
    names: list[str] = []
    feed = polling(TODAY - timedelta(days=9), names)
    until(lambda: not notes.all(), "a note that is gone")
    feed.close()
    assert sum(f"/{DENIED}/" in name for name in names) == 1

    denied()
    before = len(listings)
    feed = polling(TODAY - timedelta(days=9), names)
    until(lambda: len(listings) > before + 40, "looks of a feed that followed it before")
    feed.close()
    assert len(notes.all()) == 1, "this feed has not listed its older days"


def test_a_look_at_a_bucket_lists_the_folder_of_each_account(
    settings: Settings, bucket: str, proxy: DenyingProxy
) -> None:
    source = open_source(f"s3://{bucket}/", settings)
    with pytest.raises(FoldersDeniedError, match=f"{FOLDER}: listing is denied"):
        look_at(source, 20)
    proxy.denied = ""
    fact = look_at(source, 20).fact()
    assert fact.startswith(f"the folders of 2 accounts may be listed, and s3://{bucket}/AWSLogs/")
