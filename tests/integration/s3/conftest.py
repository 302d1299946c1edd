"""A bucket that is filled without requests, and sources of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from ingest.sources import open_source
from ingest.sources.s3 import S3Source
from tests.integration.s3.bucket_keys import BODY, Fill
from trailhound.settings import AwsSettings, Settings


@pytest.fixture
def fill(bucket: str) -> Fill:
    """Puts objects into the bucket without a request each: thousands take no time."""

    def put(keys: Iterable[str], body: bytes = BODY) -> None:
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key in keys:
            backend.put_object(bucket, key, body)

    return put


@pytest.fixture
def opened(s3_endpoint: str, bucket: str) -> Callable[..., S3Source]:
    """A source of the bucket: `opened(prefix, **aws settings)`."""

    def source(prefix: str = "", **aws: Any) -> S3Source:
        settings = Settings(aws=AwsSettings(endpoint_url=s3_endpoint, **aws))
        found = open_source(f"s3://{bucket}/{prefix}", settings)
        assert isinstance(found, S3Source)
        return found

    return source
