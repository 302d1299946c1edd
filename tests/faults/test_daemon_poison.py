"""A daemon is fed every poison at once, beside good files: queue, bucket and folder together.

Every good event is in, every bad thing is named where its owner looks, and `/readyz` says at each
moment what is true: not ready while something that is not a single item's fault goes wrong.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import yaml
from opensearchpy import OpenSearch

from ingest.deadletters.spool import SPOOL_FILE
from tests.faults.proxy import Answer, Fault, Proxy, Request
from tests.helpers.ports import free_address
from tests.helpers.processes import LONGEST, printed, run, start
from tests.helpers.queues import Queue, until
from tests.helpers.readyz import codes
from tests.helpers.trails import (
    dead_letters,
    documents,
    ledger,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01"
NAME = "111122223333_CloudTrail_us-east-1_{}Z_{}.json.gz"

BAD_BODIES = {
    "": "not JSON",
    "hello": "not JSON: hello",
    "[" * 3_000: "not JSON",
    '"' + "\\ud800" * 3 + '"': "not JSON",
    "7": "not a JSON object",
    "{}": "keys: none",
    '{"Records": "x"}': "keys: Records",
    '{"Records": [{"eventSource": "aws:s3"}]}': "record 1",
    '{"s3Bucket": "b", "s3ObjectKey": 7}': "s3ObjectKey",
    json.dumps({"s3Bucket": "trail", "s3ObjectKey": ["AWSLogs/\udfff.json.gz"]}): "surrogate",
    json.dumps({"s3Bucket": "trail", "s3ObjectKey": "AWSLogs/" + "k" * 1_100}): "bytes",
    json.dumps({"s3Bucket": "../etc", "s3ObjectKey": "AWSLogs/x.json.gz"}): "bucket",
}
NO_NEWS = [
    {"Service": "Amazon S3", "Event": "s3:TestEvent"},
    {"Type": "Notification", "Message": "CloudTrail validation message."},
    {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x", "Token": "t"},
    {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": {"a": 1e300}},
]
ODD_SIZES = ["1e999", "-1e999", "NaN", "-1", "9223372036854775808", '"big"', "null"]


def notice(bucket: str, key: str, size: str = "5", **more: Any) -> str:
    """S3's own message of one object; `size` as written in the JSON."""
    thing = {"key": quote_plus(key), "eTag": "e"} | more
    s3 = {"bucket": {"name": bucket}, "object": thing | {"size": 987654}}
    made = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
    return json.dumps({"Records": [made]}).replace("987654", size)


class Goods:
    """Good records, to be found again by their ids."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def some(self, number: int = 1, **changes: Any) -> list[dict[str, Any]]:
        made = [record(**changes) for _ in range(number)]
        self.ids |= {each["eventID"] for each in made}
        return made


def fill_folder(folder: Path, goods: Goods) -> set[str]:
    """Good and bad files; the names of those that cannot be read."""
    write_trail(folder, goods.some(3), "good")
    write_trail(folder, goods.some(), "a\nb \x1b[2J")
    write_trail(folder, goods.some(), "old")
    os.utime(folder / "old.json.gz", (-2_000_000_000, -2_000_000_000))
    write_trail(folder, goods.some(), "new")
    os.utime(folder / "new.json.gz", (32_503_680_000, 32_503_680_000))
    Path(os.fsdecode(os.fsencode(folder) + b"/bytes\xff.json.gz")).write_bytes(
        trail_bytes(goods.some())
    )
    numbers = json.dumps(goods.some()[0]).replace('"bob"', '"bob", "n": 1e999, "m": -1e400')
    broken = json.dumps(goods.some()[0])[:-1] + ', "additionalEventData": {"s": "\\ud800"}}'
    write_trail(folder, [numbers.encode(), broken.encode()], "numbers")
    (folder / "dangling.json.gz").symlink_to(folder / "nowhere.json.gz")
    (folder / "loop.json.gz").symlink_to(folder / "loop.json.gz")
    (folder / "a folder.json.gz").mkdir()
    os.mkfifo(folder / "pipe.json.gz")
    (folder / "torn.json.gz").write_bytes(trail_bytes([record()])[:-20])
    (folder / "text.json.gz").write_bytes(b"no gzip at all")
    return {"nowhere.json.gz", "torn.json.gz"}  # text is skipped, as what it is


def fill_bucket(s3: S3Client, bucket: str, queue: Queue, goods: Goods) -> None:
    """Objects, and messages about them and about what is not there."""

    def put(unique: str, body: bytes, when: str = "20250301T1200", folder: str = FOLDER) -> str:
        key = f"{folder}/{NAME.format(when, unique)}"
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return key

    for number, size in enumerate(ODD_SIZES):
        queue.send(notice(bucket, put(f"size{number}", trail_bytes(goods.some())), size))
    by_trail = {"s3Bucket": bucket, "s3ObjectKey": [put("trail +é", trail_bytes(goods.some(2)))]}
    queue.send(json.dumps({"Type": "Notification", "Message": json.dumps(by_trail)}))
    queue.send(notice(bucket, put("etag", trail_bytes(goods.some())), eTag={"a": ["x" * 9_999]}))
    mixed = json.loads(notice(bucket, put("mixed", trail_bytes(goods.some()))))
    mixed["Records"][:0] = [{}, 5, {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]
    queue.send(json.dumps(mixed))
    queue.send(notice(bucket, put("torn", trail_bytes([record()])[:-20])))
    queue.send(notice(bucket, f"{FOLDER}/gone.json.gz"))
    queue.send(notice("there-is-no-such-bucket", f"{FOLDER}/x.json.gz"))
    for body in (*filter(None, BAD_BODIES), *map(json.dumps, NO_NEWS)):
        queue.send(body)
    polled = f"polled/{FOLDER}"
    for when in ("20250301T1200", "20991231T2359", "00010101T0000", "20251399T9999"):
        put(f"poll{when}", trail_bytes(goods.some()) if when[:4] != "2025" or when[4] == "0"
            else trail_bytes([]), when, polled)  # fmt: skip


class Watched:
    """What `/readyz` gave as reasons, again and again."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.answers = 0


@contextmanager
def asking(address: str) -> Iterator[Watched]:
    """Ask as long as the block runs, from the daemon's first word on."""
    watched, ended = Watched(), threading.Event()

    def ask() -> None:
        while not ended.wait(0.2):
            watched.seen |= codes(address)
            watched.answers += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield watched
    finally:
        ended.set()
        thread.join(LONGEST)


def test_every_poison_at_once(
    s3: S3Client,
    s3_endpoint: str,
    bucket: str,
    client: OpenSearch,
    settings: Settings,
    tmp_path: Path,
) -> None:
    goods, queue, address = Goods(), Queue(s3_endpoint), free_address()
    folder, spool, file = tmp_path / "trail", tmp_path / "spool", tmp_path / "trailhound.yaml"
    bad_files = fill_folder(folder, goods)
    large = record(requestParameters={"x": "y" * 60_000})
    write_trail(folder, [*goods.some(2), large], "large")
    spool.touch()  # a file where the folder should be
    fill_bucket(s3, bucket, queue, goods)

    def refuse_large(request: Request) -> Fault | None:
        return Answer(413) if len(request.body) > 50_000 and b"y" * 50_000 in request.body else None

    with Proxy(settings.hosts[0], refuse_large) as proxy:
        content = {
            "cluster": {"hosts": [proxy.url]},
            "aws": {"endpoint_url": s3_endpoint},
            "ingest": {"batch_seconds": 0.2, "spool": str(spool)},
            "detections": {"shipped": False},
            "filter": [{"eventName": "NeverCalled"}],
            "run": {
                "sources": [
                    {"queue": queue.url},
                    {"watch": str(folder), "every": 0.5},
                    {"poll": f"s3://{bucket}/polled/", "every": 1, "since": "0001-01-01"},
                ],
                "visibility_seconds": 10,
                "listen": address,
                "log": "json",
            },
        }
        file.write_text(yaml.safe_dump(content))
        direct = {"TRAILHOUND_CLUSTER__HOSTS": json.dumps([proxy.url])}
        process = start(settings, "run", "--config", file, env=direct, log=tmp_path / "log")
        try:
            until(lambda: codes(address) == {("deferred", "spool")}, "the spool alone")
            with asking(address) as watched:
                until(lambda: goods.ids <= documents(client, settings).keys(), "every good")
                assert process.poll() is None
                spool.unlink()
                until(lambda: (spool / SPOOL_FILE).exists(), "the record in the spool")
                until(lambda: queue.left() == 0, "a queue that holds nothing any more")
                s3.put_object(
                    Bucket=bucket, Key="AWSLogs/last.json.gz", Body=trail_bytes(goods.some())
                )
                queue.send(notice(bucket, "AWSLogs/last.json.gz"))
                until(lambda: goods.ids <= documents(client, settings).keys(), "the last")
                until(lambda: not codes(address), "a daemon that is ready")
                until(lambda: status_of(settings, file)["ready"], "the same in status")
                report = status_of(settings, file)
            process.send_signal(signal.SIGTERM)
            process.wait(LONGEST)
        finally:
            process.kill()
            process.wait()

    assert process.returncode == 0
    assert goods.ids <= documents(client, settings).keys()
    # Never a reason that is a single item's fault, or a thread's.
    assert watched.answers, "it was asked"
    assert watched.seen <= {("deferred", "spool"), ("feed", queue.url)}
    (followed,) = [each for each in report["daemons"][0]["sources"] if each["name"] == queue.url]
    reasons = [each["what"] for each in followed["unknown"]]
    for body, reason in BAD_BODIES.items():
        assert not body or any(reason in each for each in reasons), (body[:50], reasons)
    assert {each["what"] for each in followed["ignored"]} >= {
        "S3 test event", "validation message", "SNS SubscriptionConfirmation",
        "EventBridge aws.guardduty: GuardDuty Finding",
    }  # fmt: skip
    failed = {
        Path(each["uri"]).name: each["reason"]
        for each in ledger(client, settings)
        if each.get("state") == "failed"
    }
    assert {*bad_files, "gone.json.gz"} <= failed.keys()
    assert all(failed.values())
    lines = (spool / SPOOL_FILE).read_bytes().splitlines()
    assert [json.loads(json.loads(each)["raw"])["eventID"] for each in lines] == [large["eventID"]]
    assert not {each["reason"] for each in dead_letters(client, settings) if not each["reason"]}
    said = (tmp_path / "log").read_text("utf-8", "replace")
    assert "started again" not in said
    assert "internal error" not in said
    assert "there-is-no-such-bucket" in said


def status_of(settings: Settings, file: Path) -> dict[str, Any]:
    return printed(run(settings, "status", "--json", "--config", file).stdout)
