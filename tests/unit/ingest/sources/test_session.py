"""What clients make of replies: their times and names, by handlers of their own session."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import botocore
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.session import aws_session, moment, s3_client
from trailhound import __version__
from trailhound.errors import SettingsError
from trailhound.settings import AwsSettings

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Name>trail</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>
<EncodingType>url</EncodingType>
<IsTruncated>false</IsTruncated><Contents><Key>a%20b</Key>
<LastModified>2025-03-01T12:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag><Size>1</Size>
</Contents></ListBucketResult>"""


@pytest.mark.parametrize(
    "value",
    [
        "2025-03-01T12:00:00Z",
        "2025-03-01T12:00:00.1Z",
        "2025-03-01T12:00:00.123456789Z",
        "2025-03-01T12:00:00+02:00",
        "2025-03-01T12:00:00",
        "2025-03-01",
        "20250301T120000Z",
        "20250301",
        "Sat, 01 Mar 2025 12:00:00 GMT",
        "Saturday, 01-Mar-25 12:00:00 GMT",
        "Sat, 01 Mar 2025 12:00:00 +0100",
        1740830400,
        "1740830400",
        1740830400.5,
    ],
)
def test_a_time_is_as_botocore_reads_it(value: Any) -> None:
    assert moment(value) == parse_timestamp(value)


SINCE_1970 = st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(SINCE_1970, st.sampled_from(["seconds", "milliseconds"]))
def test_any_time_of_the_common_form_is_as_botocore_reads_it(when: datetime, unit: str) -> None:
    value = when.isoformat(timespec=unit).replace("+00:00", "Z")
    assert moment(value) == parse_timestamp(value)


@given(SINCE_1970)
def test_any_time_of_a_header_is_as_botocore_reads_it(when: datetime) -> None:
    value = format_datetime(when.replace(microsecond=0), usegmt=True)
    assert moment(value) == parse_timestamp(value)


@pytest.mark.parametrize(
    "value",
    [
        "2025-13-01T12:00:00Z",
        "2025-03-01T24:00:00Z",
        "2025-03-01T12:00:60Z",
        "never",
        "",
        "Sat, 31 Feb 2025 12:00:00 GMT",
    ],
)
def test_what_is_no_time_is_none_for_botocore_either(value: str) -> None:
    for read in (moment, parse_timestamp):
        with pytest.raises(ValueError, match="Invalid timestamp"):
            read(value)


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


Sent = list[AWSPreparedRequest]


@pytest.fixture
def sent() -> Sent:
    """The requests of `listed`."""
    return []


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, sent: Sent) -> dict[str, Any]:
    """The one key of `LISTING`, as a client lists it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "siem")
    client: Any = s3_client(AwsSettings(region="us-east-1"), connections=1)

    def reply(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body(LISTING))

    client.meta.events.register("before-send.s3", reply)
    (found,) = client.list_objects_v2(Bucket="trail")["Contents"]
    assert isinstance(found, dict)
    return found


def test_clients_read_times_so(listed: dict[str, Any]) -> None:
    assert listed["LastModified"] == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert listed["LastModified"].tzinfo is UTC  # botocore's own would be the machine's


@pytest.mark.usefixtures("listed")
def test_a_request_says_by_what_and_for_whom_it_is_made(sent: Sent) -> None:
    (agent,) = (request.headers["User-Agent"] for request in sent)
    agent = agent.decode() if isinstance(agent, bytes) else agent
    assert agent.startswith(f"Botocore/{botocore.__version__} Python/")
    assert agent.endswith(f" app/siem trailhound/{__version__}")


def test_clients_have_botocores_own_handlers(listed: dict[str, Any]) -> None:
    assert listed["Key"] == "a b"  # one of them decodes it


def test_a_sessions_handlers_are_its_own() -> None:
    heard = []
    one, other = (aws_session(AwsSettings(region="us-east-1")) for _ in range(2))
    one.register("a.b", lambda **_: heard.append(1))
    other.get_component("event_emitter").emit("a.b")
    assert not heard
    one.get_component("event_emitter").emit("a.b")
    assert heard == [1]


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_that_does_not_exist_is_named_with_who_asked_for_it(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, "nope")
    with pytest.raises(SettingsError, match=f"^{variable}: there is no profile 'nope'$"):
        aws_session(AwsSettings())
    with pytest.raises(SettingsError, match=r"^aws\.profile: there is no profile 'mine'$"):
        aws_session(AwsSettings(profile="mine"))
