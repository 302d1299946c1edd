"""A bucket that is polled: new files of every account and region, late ones too, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opensearchpy import OpenSearch

from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.poll import PollFeed
from tests.helpers.denying_proxy import denying
from tests.helpers.queues import until
from tests.helpers.trails import own_settings
from trailhound.settings import FeedSettings, Settings
from trailhound.state.feed_checkpoints import FeedCheckpoints

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path, s3_endpoint: str) -> Settings:
    aws = {"endpoint_url": s3_endpoint}
    return own_settings(engine, namespace, tmp_path / "home", aws=aws)


class Bucket:
    """A bucket that trail files are put into, by the time of their delivery."""

    def __init__(self, s3: S3Client, name: str) -> None:
        self._s3 = s3
        self.name = name

    def put(
        self,
        when: str,
        unique: str = "x",
        *,
        account: str = "111122223333",
        region: str = "us-east-1",
        kind: str = "CloudTrail",
    ) -> str:
        """Put one file delivered at `YYYYMMDDTHHMM`; its name's unique part is returned."""
        folder = f"AWSLogs/{account}/{kind}/{region}/{when[:4]}/{when[4:6]}/{when[6:8]}"
        key = f"{folder}/{account}_{kind}_{region}_{when}Z_{unique}.json.gz"
        self._s3.put_object(Bucket=self.name, Key=key, Body=unique.encode())
        return unique


@pytest.fixture
def trail(s3: S3Client, bucket: str) -> Bucket:
    return Bucket(s3, bucket)


class Polled:
    """A feed at work, its arrivals, and where its listings began."""

    def __init__(self, feed: PollFeed) -> None:
        self.feed = feed
        self.arrivals: list[Delivery] = []
        self.listed: list[dict[str, Any]] = []
        events = feed.source.client.meta.events
        events.register("provide-client-params.s3.ListObjectsV2", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.listed.append(params)

    def take(self, arrival: Delivery) -> bool:
        self.arrivals.append(arrival)
        return True

    @property
    def names(self) -> list[str]:
        return [each.item.uri.rpartition("_")[2].split(".")[0] for each in self.arrivals]

    def finish(self, outcome: Outcome = Outcome.DONE) -> None:
        arrivals, self.arrivals = self.arrivals, []
        for arrival in arrivals:
            arrival.finish(outcome)

    def await_names(self, *names: str) -> None:
        until(lambda: sorted(self.names) == sorted(names), f"{names}, not {self.names}")

    def await_looks(self, number: int) -> None:
        """So many more requests: so many looks at least have begun."""
        wanted = len(self.listed) + number * 6
        until(lambda: len(self.listed) >= wanted, "more looks")


@contextmanager
def polling(
    settings: Settings,
    client: OpenSearch,
    trail: Bucket,
    *,
    sweep_every: float = 86_400.0,
    **more: Any,
) -> Iterator[Polled]:
    wanted = {"poll": f"s3://{trail.name}", "every": 0.2, "since": date(2025, 3, 1)} | more
    checkpoints = FeedCheckpoints(client, settings)
    feed = PollFeed(settings, FeedSettings(**wanted), checkpoints, sweep_every=sweep_every)
    polled = Polled(feed)
    feed.start(polled.take)
    try:
        yield polled
    finally:
        feed.stop()
        feed.close()


def test_accounts_and_regions_are_found_as_they_appear(
    client: OpenSearch, settings: Settings, trail: Bucket
) -> None:
    trail.put("20250228T2300", "before")
    trail.put("20250301T1200", "a")
    trail.put("20250301T1200", "digest", kind="CloudTrail-Digest")
    trail.put("20250301T1205", "insight", kind="CloudTrail-Insight")
    with polling(settings, client, trail) as polled:
        polled.await_names("a", "insight")
        polled.finish()
        trail.put("20250301T1210", "region", region="eu-west-1")
        trail.put("20250301T1210", "account", account="444455556666")
        polled.await_names("region", "account")
        polled.finish()
        polled.await_looks(3)
        assert "a" not in polled.names


def test_an_organisation_trail_is_followed(
    client: OpenSearch, settings: Settings, s3: S3Client, trail: Bucket
) -> None:
    folder = "AWSLogs/o-ab12cd/111122223333/CloudTrail/us-east-1/2025/03/01"
    key = f"{folder}/111122223333_CloudTrail_us-east-1_20250301T1200Z_org.json.gz"
    s3.put_object(Bucket=trail.name, Key=key, Body=b"x")
    with polling(settings, client, trail) as polled:
        polled.await_names("org")
        polled.finish()
        s3.put_object(Bucket=trail.name, Key=key.replace("T1200Z_org", "T1210Z_next"), Body=b"x")
        polled.await_names("next")


def test_only_what_came_since_the_mark_is_listed_and_late_files_are_found(
    client: OpenSearch, settings: Settings, trail: Bucket
) -> None:
    trail.put("20250301T0100", "old")
    trail.put("20250301T2350", "evening")
    with polling(settings, client, trail, overlap_minutes=60) as polled:
        polled.await_names("old", "evening")
        polled.finish()
        trail.put("20250302T0005", "morning")  # over midnight
        polled.await_names("morning")
        polled.finish()
        trail.put("20250301T2355", "late")
        polled.await_names("late")
        polled.finish()
        trail.put("20250301T0200", "far too late")
        polled.listed.clear()
        polled.await_looks(2)
        begun = {each["StartAfter"] for each in polled.listed if "StartAfter" in each}
        assert {each.rpartition("_")[2] for each in begun} == {"20250301T2305"}
        assert polled.names == []


def test_files_that_come_days_late_are_found_by_a_sweep(
    client: OpenSearch, settings: Settings, trail: Bucket
) -> None:
    trail.put("20250310T1200", "newest")
    with polling(settings, client, trail, sweep_every=0.1) as polled:
        polled.await_names("newest")
        polled.finish()
        trail.put("20250304T0200", "replicated")
        until(lambda: "replicated" in polled.names, "the late file")
        polled.finish(Outcome.FAILED)
        until(lambda: "replicated" in polled.names, "the late file, again")
        polled.finish()


def test_a_start_looks_for_what_came_late_while_no_daemon_ran(
    client: OpenSearch, settings: Settings, trail: Bucket
) -> None:
    trail.put("20250310T1200", "newest")
    with polling(settings, client, trail) as polled:
        polled.await_names("newest")
        polled.finish()
    for when in ("20250302T0200", "20250308T0200", "20250309T0200"):
        trail.put(when, when)
    with polling(settings, client, trail, since=date(2025, 3, 9)) as polled:
        polled.await_names("20250309T0200", "newest")
    with polling(settings, client, trail) as polled:
        polled.await_names("20250308T0200", "20250309T0200", "newest")
        polled.finish(Outcome.FAILED)  # and comes again, though no look lists it until tomorrow
        polled.await_names("20250308T0200", "20250309T0200", "newest")
    with polling(settings, client, trail, late_days=0) as polled:
        polled.await_looks(2)
        assert polled.names == ["newest"]


def test_files_of_a_whole_month_are_found_until_late_days_after_its_end(
    client: OpenSearch, settings: Settings, s3: S3Client, trail: Bucket
) -> None:
    """Someone puts a month's files together; the folder of a month has no later day."""

    def put(name: str) -> None:
        key = f"AWSLogs/111122223333/CloudTrail/us-east-1/{name}.json.gz"
        s3.put_object(Bucket=trail.name, Key=key, Body=b"x")

    begin = date(2024, 6, 1)
    trail.put("20250107T1200", "newest")
    with polling(settings, client, trail, since=begin) as polled:
        polled.await_names("newest")
        polled.finish()
    put("2024/11/all_november")
    put("2024/12/all_december")
    put("2024/all_year")
    put("2025/01/all_january")
    with polling(settings, client, trail, since=begin, late_days=6) as polled:
        polled.await_names("january", "newest")
    with polling(settings, client, trail, since=begin, late_days=7) as polled:
        polled.await_names("december", "january", "newest", "year")
    with polling(settings, client, trail, since=begin, late_days=38) as polled:
        polled.await_names("december", "january", "newest", "november", "year")


def test_names_out_of_cloudtrails_form_are_announced_once(
    client: OpenSearch, settings: Settings, s3: S3Client, trail: Bucket
) -> None:
    def put(key: str, body: bytes = b"x") -> None:
        s3.put_object(Bucket=trail.name, Key=key, Body=body)

    trail.put("20250301T1200", "a")
    put("firehose/2025/03/01/stream_1.json.gz")
    put("AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01/copied_renamed.json.gz")
    with polling(settings, client, trail) as polled:
        polled.await_names("a", "1", "renamed")
        polled.finish()
        put("firehose/2025/03/01/stream_2.json.gz")
        polled.await_names("2")
        polled.finish(Outcome.FAILED)
        polled.await_names("2")
        polled.finish()
        put("firehose/2025/03/01/stream_1.json.gz", b"changed")
        polled.await_names("1")
        polled.finish()
        polled.await_looks(3)
        assert polled.names == []


def test_another_daemon_goes_on_from_the_mark(
    client: OpenSearch, settings: Settings, trail: Bucket
) -> None:
    for hour in range(10):
        trail.put(f"20250301T{hour:02}00", f"n{hour}")
    with polling(settings, client, trail, overlap_minutes=60) as polled:
        polled.await_names(*(f"n{hour}" for hour in range(10)))
        early = [each for each in polled.arrivals if each.item.uri.endswith("_n5.json.gz")]
        for arrival in polled.arrivals:
            if arrival not in early:
                arrival.finish(Outcome.DONE)
    root = f"s3://{trail.name}/"
    assert list(FeedCheckpoints(client, settings).get(root).values()) == [
        datetime(2025, 3, 1, 5, 0, tzinfo=UTC)
    ]
    with polling(settings, client, trail, overlap_minutes=60, since=date(2030, 1, 1)) as polled:
        polled.await_names("n4", "n5", "n6", "n7", "n8", "n9")
        polled.finish(Outcome.SKIPPED)
    # One that is behind never moves a mark back.
    store = FeedCheckpoints(client, settings)
    (folder,) = store.get(root)
    store.put({folder: datetime(2025, 3, 1, 1, 0, tzinfo=UTC)})
    assert store.get(root)[folder].hour == 9


def test_what_is_handed_back_or_fails_comes_again(
    client: OpenSearch, settings: Settings, trail: Bucket
) -> None:
    trail.put("20250301T1200", "a")
    with polling(settings, client, trail) as polled:
        for _ in range(7):
            polled.await_names("a")
            polled.finish(Outcome.RETURNED)
        for _ in range(5):
            polled.await_names("a")
            polled.finish(Outcome.FAILED)
        polled.await_looks(3)
        assert polled.names == []  # five tries are enough
        trail.put("20250301T1200", "a")
        assert polled.feed.status().counters == {"returned_objects": 7, "failed_objects": 5}


def test_a_bucket_that_is_not_there_is_waited_for(
    client: OpenSearch, settings: Settings, s3: S3Client, trail: Bucket
) -> None:
    missing = Bucket(s3, f"{trail.name}-later")
    with polling(settings, client, missing) as polled:
        until(lambda: missing.name in polled.feed.status().last_error, "an error that names it")
        s3.create_bucket(Bucket=missing.name)
        missing.put("20250301T1200", "a")
        polled.await_names("a")


def test_a_folder_that_may_not_be_listed_is_named_and_the_others_are_followed(
    client: OpenSearch, settings: Settings, s3_endpoint: str, trail: Bucket
) -> None:
    denied = f"s3://{trail.name}/AWSLogs/111122223333/"
    trail.put("20250301T1200", "denied")
    trail.put("20250301T1200", "other", account="444455556666")
    with denying(s3_endpoint) as proxy:
        proxy.denied = "AWSLogs/111122223333/"
        aws = settings.aws.model_copy(update={"endpoint_url": proxy.url})
        with polling(settings.model_copy(update={"aws": aws}), client, trail) as polled:
            polled.await_names("other")
            polled.finish()
            until(lambda: denied in polled.feed.status().failing, "the folder's name")
            trail.put("20250301T1210", "next", account="444455556666")
            polled.await_names("next")
            polled.finish()
            proxy.denied = ""
            polled.await_names("denied")
            until(lambda: not polled.feed.status().failing, "no fault any more")
