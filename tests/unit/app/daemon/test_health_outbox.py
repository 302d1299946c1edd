"""Messages about health on their way to channels."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from detections.notify.message import Message
from tests.helpers.queues import until
from tests.helpers.receiver import Receiver
from trailhound.app.daemon.health_outbox import HealthOutbox
from trailhound.settings import ChannelSettings, Settings

SECRET = "s3cr3t-t0ken"


def channel(name: str, receiver: Receiver) -> ChannelSettings:
    url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
    return ChannelSettings.model_validate(
        {"name": name, "kind": "webhook", "url": url, "secret": SECRET}
    )


def test_each_channel_is_tried_until_it_accepts_the_newest_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    refusing = [503, 503]
    with Receiver() as well, Receiver(lambda _: refusing.pop() if refusing else 200) as down:
        outbox, settings = HealthOutbox(), Settings()

        def sending(condition: Callable[[], bool]) -> Callable[[], bool]:
            def done() -> bool:
                outbox.send(settings)
                return condition()

            return done

        channels = [channel("well", well), channel("down", down)]
        outbox.post(channels, Message("1", "health", "down", "text"))
        until(sending(lambda: outbox.accepted("1")), "one that accepts it")
        until(sending(lambda: len(down.received) == 1), "one that does not")
        outbox.post(channels, Message("2", "health", "ready", "text"))
        assert not outbox.accepted("1")
        until(sending(lambda: len(down.received) == 3), "until it accepts it")
        outbox.wait(10.0)
    assert [each.json["id"] for each in well.received] == ["1", "2"]
    assert [each.json["id"] for each in down.received] == ["1", "2", "2"]
    assert "a message about health was not delivered: down: 127.0.0.1 answered" in caplog.text
    assert SECRET not in caplog.text
