"""The keys of a bucket of trails, and those that a source lists."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable

from ingest.objects import Selection
from ingest.sources.s3 import S3Source

ALL = Selection()
ONE, TWO = "111122223333", "444455556666"
BODY = gzip.compress(b'{"Records":[]}')
Fill = Callable[[Iterable[str]], None]


def keys(source: S3Source, selection: Selection = ALL) -> list[str]:
    root = f"s3://{source.bucket}/"
    return [item.uri.removeprefix(root) for item in source.objects(selection)]


def trail(root: str = "AWSLogs/", days: Iterable[int] = range(1, 11)) -> list[str]:
    """Two accounts, two regions, some days of March 2024, of two kinds; sorted as S3 sorts."""
    return sorted(
        f"{root}{account}/{kind}/{region}/2024/03/{day:02}/{account}_{number}.json.gz"
        for account in (ONE, TWO)
        for kind in ("CloudTrail", "CloudTrail-Insight")
        for region in ("eu-west-1", "us-east-1")
        for day in days
        for number in range(2)
    )


def noise(root: str = "AWSLogs/") -> list[str]:
    """What else lies in such a bucket: none of it a trail file."""
    return [
        root,
        f"{root}{ONE}/CloudTrail/",
        f"{root}{ONE}/CloudTrail-Digest/eu-west-1/2024/03/01/d.json.gz",
        f"{root}{ONE}/Config/eu-west-1/2024/3/1/ConfigHistory/c.json.gz",
        f"{root}{ONE}/elasticloadbalancing/eu-west-1/2024/03/01/e.log.gz",
        f"{root}{ONE}/vpcflowlogs/eu-west-1/2024/03/01/v.log.gz",
    ]
