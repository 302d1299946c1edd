"""A store that speaks S3 and STS over HTTP (moto in server mode), and requests made to it."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.hooks import EventAliaser, HierarchicalEmitter
from moto.core import serialize
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# For every request, moto looks through its package's folders for the service that is meant.
DomainDispatcherApplication.get_backend_for_host = functools.cache(  # type: ignore[method-assign]
    DomainDispatcherApplication.get_backend_for_host
)
# And botocore, for every session and client, through a table of old names for those of its events.
_alias = functools.cache(EventAliaser(HierarchicalEmitter())._alias_event_name)  # type: ignore[attr-defined]
EventAliaser._alias_event_name = lambda _, name: _alias(name)  # type: ignore[attr-defined]
# moto keeps a key's time of change as text, and parses it for every listing that has the key: a
# quarter of what a listing takes.
serialize.parse_to_aware_datetime = functools.lru_cache(10_000)(  # type: ignore[attr-defined]
    serialize.parse_to_aware_datetime  # type: ignore[attr-defined]
)


_find_keys = serialize.XFormedAttributePicker.get_possible_keys


def _possible_keys(
    self: serialize.XFormedAttributePicker, context: serialize.AttributePickerContext
) -> Iterable[str]:
    """Names under which moto looks for a member of an answer. It finds them out for each member of
    each key of a listing, which was two fifths of it: here once for each shape."""
    if context.shape is None:
        return _find_keys(self, context)
    known = context.shape.__dict__.setdefault("_possible_keys", {})
    of = type(self), type(context.obj), context.key
    if of not in known:
        known[of] = tuple(_find_keys(self, context))
    names: tuple[str, ...] = known[of]
    return names


serialize.XFormedAttributePicker.get_possible_keys = _possible_keys  # type: ignore[assignment,method-assign]

LOGIN = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What clients of moto have in their environment."""


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The address of a moto server that lives as long as the test session."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_endpoint(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of S3, with credentials in the environment and STS at the same place."""
    for name, value in (LOGIN | {"AWS_ENDPOINT_URL_STS": moto_endpoint}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return moto_endpoint


@pytest.fixture
def s3(s3_endpoint: str) -> S3Client:
    """A plain client of that S3, apart from Trailhound's own."""
    return boto3.client("s3", endpoint_url=s3_endpoint)


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """An empty bucket of this test's own; it goes with the server, at the session's end."""
    name = f"trail-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name
