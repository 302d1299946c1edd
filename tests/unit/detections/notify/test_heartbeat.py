"""The heartbeat: what counts as an answer, and that its address stays a secret."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from detections.notify.heartbeat import Heartbeat
from tests.helpers.receiver import Received, Receiver
from trailhound.errors import NotifyError, SettingsError, TrailhoundError
from trailhound.settings import HeartbeatSettings

SECRET = "s3cr3t-t0ken"


def beat(**given: Any) -> None:
    Heartbeat(HeartbeatSettings.model_validate({"timeout": 60} | given)).call()


def test_it_is_a_get_of_the_address_that_a_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with Receiver() as receiver:
        file.write_text(f"http://127.0.0.1:{receiver.port}/{SECRET}\n")
        beat(url_file=file)
    assert [(each.method, each.path) for each in receiver.received] == [("GET", f"/{SECRET}")]


@pytest.mark.parametrize(
    ("answer", "said"), [(503, "status 503"), (302, "redirect"), (200, "not encrypted"), (0, "url")]
)
def test_what_is_no_answer_is_an_error_without_the_secret(
    answer: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver() as other:

        def answered(_: Received) -> int | tuple[int, str]:
            return (answer, f"http://127.0.0.1:{other.port}/") if answer == 302 else answer

        with Receiver(answered) as receiver:
            host = {200: "example.com", 0: ""}.get(answer, f"127.0.0.1:{receiver.port}")
            with pytest.raises(TrailhoundError, match=said) as caught:
                beat(url=f"http://{host}/{SECRET}")
    assert not other.received
    assert isinstance(caught.value, NotifyError if answer > 200 else SettingsError)
    assert SECRET not in f"{caught.value!r}{caught.value.hint}{caplog.text}"
