"""Channels one by one: what they send, how they fail, and that no secret is seen."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import botocore.session
import pytest

from detections.notify.channel import open_channel
from detections.notify.deadline import WithDeadline
from detections.notify.message import Message
from detections.notify.trial import try_channels
from detections.notify.webhook import signature
from tests.helpers.queues import until
from tests.helpers.receiver import Received, Receiver
from tests.helpers.secured import Authority
from trailhound.errors import NotifyError, SettingsError, TrailhoundError
from trailhound.settings import AwsSettings, ChannelSettings, load

SECRET = "s3cr3t-t0ken"
MESSAGE = Message(
    "alert-1", "alert", "a subject", "a text\nof two lines", "high", alert={"id": "1"}
)


def channel(kind: str, **given: Any) -> ChannelSettings:
    return ChannelSettings.model_validate({"name": "mine", "kind": kind, "timeout": 60} | given)


def send(settings: ChannelSettings, message: Message = MESSAGE) -> None:
    open_channel(settings, AwsSettings(), lambda _: botocore.session.Session()).send(message)


def webhook(port: int, **given: Any) -> ChannelSettings:
    url = f"http://127.0.0.1:{port}/hook/{SECRET}"
    return channel("webhook", **{"url": url, "secret": SECRET} | given)


@pytest.fixture(autouse=True)
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Whatever a test does, the secret is in no log of any library at any level."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert SECRET not in caplog.text


def test_a_webhook_is_signed_over_time_and_body() -> None:
    with Receiver() as receiver:
        send(webhook(receiver.port))
    (request,) = receiver.received
    assert request.json["kind"] == "alert"
    assert request.headers["idempotency-key"] == request.json["id"] == "alert-1"
    timestamp = int(request.headers["x-trailhound-timestamp"])
    assert abs(timestamp - time.time()) < 60
    assert request.headers["x-trailhound-signature"] == signature(SECRET, timestamp, request.body)
    assert signature(SECRET, timestamp + 1, request.body) != signature(
        SECRET, timestamp, request.body
    )


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_a_webhook_that_refuses_is_a_failure_without_a_secret(status: int) -> None:
    with Receiver(lambda _: status) as receiver, pytest.raises(NotifyError) as caught:
        send(webhook(receiver.port))
    assert f"status {status}" in caught.value.message
    assert SECRET not in f"{caught.value!r}{caught.value.hint}{caught.value.__cause__}"


def test_a_webhook_follows_no_redirect() -> None:
    with Receiver() as other:

        def answer(_: Received) -> tuple[int, str]:
            return 307, f"http://localhost:{other.port}/"

        with Receiver(answer) as receiver, pytest.raises(NotifyError, match="redirect"):
            send(webhook(receiver.port))
        assert not other.received


def test_a_webhook_that_is_silent_or_away_is_a_failure_without_a_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(NotifyError, match="did not answer in time") as caught:
            send(webhook(port, timeout=0.2))
    assert SECRET not in str(caught.value)
    with pytest.raises(NotifyError, match="cannot be reached") as caught:
        send(webhook(port))
    assert SECRET not in str(caught.value)


def test_a_receiver_that_answers_a_byte_at_a_time_does_not_hold_the_notifier() -> None:
    """Each byte comes within the timeout; all of them take longer than the deadline. The channel's
    own is six timeouts; a shorter one is put around it."""
    came, released = [], Event()

    def drip(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                came.append(connection)
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1_000 + b"\r\n\r\n":
                    connection.sendall(bytes([byte]))
                    if released.wait(0.02):
                        break
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=drip, args=(listening,), daemon=True).start()
        settings = webhook(listening.getsockname()[1])
        own = open_channel(settings, AwsSettings(), lambda _: botocore.session.Session())
        assert isinstance(own, WithDeadline)
        opened = WithDeadline(own, "mine", 0.1)
        with pytest.raises(NotifyError, match=r"did not end within 0\.6 s") as caught:
            opened.send(MESSAGE)
        assert SECRET not in f"{caught.value!r}{caught.value.hint}"
        with pytest.raises(NotifyError, match="previous delivery has not ended"):
            opened.send(MESSAGE)
        until(lambda: bool(came), "the first one")
        assert len(came) == 1
        released.set()
    # It ends when the receiver does, and the channel is used again.
    for thread in threading.enumerate():
        if thread.name == "notify-mine":
            thread.join(120)
    with pytest.raises(NotifyError, match="cannot be reached"):
        opened.send(MESSAGE)


def test_a_webhook_trusts_no_unknown_certificate(tmp_path: Path) -> None:
    with Receiver() as receiver, pytest.raises(NotifyError, match="TLS"):
        send(webhook(receiver.port, url=f"https://127.0.0.1:{receiver.port}/{SECRET}"))
    assert not receiver.received


def test_a_webhook_trusts_the_authority_that_is_named_and_the_name_must_fit(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Receiver(tls=authority.issue("receiver")) as receiver:

        def over(host: str, bundle: Path | None) -> ChannelSettings:
            url = f"https://{host}:{receiver.port}/{SECRET}"
            return webhook(receiver.port, url=url, ca_bundle=bundle)

        send(over("127.0.0.1", authority.bundle))
        for host, bundle in (("127.0.0.1", None), ("localhost", authority.bundle)):
            with pytest.raises(NotifyError, match="certificate") as caught:
                send(over(host, bundle))
            assert SECRET not in str(caught.value)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"url": f"http://hooks.example/{SECRET}", "secret": "x"},
        {"url": f"ftp://hooks.example/{SECRET}", "secret": "x"},
        {"url": f"https://[{SECRET}", "secret": "x"},
        {"url": " ", "secret": SECRET},
        {"url": f"https://hooks.example/{SECRET}", "secret": "  "},
        {"url": f"https://hooks.example/{SECRET}", "secret_file": "/nowhere"},
    ],
)
def test_settings_that_cannot_work_are_told_without_the_secret(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        send(channel("webhook", **given))
    assert SECRET not in f"{caught.value!r}{caught.value.hint}{caught.value.__cause__}"


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    with Receiver() as receiver:
        (tmp_path / "url").write_text(f"http://127.0.0.1:{receiver.port}/{SECRET}\n")
        send(channel("webhook", url_file=tmp_path / "url", secret_file=tmp_path / "secret"))
    (request,) = receiver.received
    timestamp = int(request.headers["x-trailhound-timestamp"])
    assert request.headers["x-trailhound-signature"] == signature(SECRET, timestamp, request.body)


def test_a_faulty_channel_is_told_of_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "trailhound.yaml"
    channels = [
        {"name": "a", "kind": "webhook", "url": f"https://x/{SECRET}"},
        {"name": "b", "kind": "pigeon", "url": SECRET},
        {"name": "c", "kind": "apprise", "url": SECRET, "url_file": "/x"},
    ]
    file.write_text(json.dumps({"notify": {"channels": channels}}))
    with pytest.raises(SettingsError, match=r"channels\.0.*needs") as caught:
        load(file)
    assert SECRET not in str(caught.value)
    assert "channels.1.kind" in str(caught.value)
    channels = [{"name": "a", "kind": "apprise", "url": f"json://{SECRET}"}]
    file.write_text(json.dumps({"notify": {"channels": channels}}))
    assert SECRET not in repr(load(file))
    assert SECRET not in load(file).model_dump_json()
    twice = [{"name": "a", "kind": "command", "command": ["true"]}] * 2
    file.write_text(json.dumps({"notify": {"channels": twice}}))
    with pytest.raises(SettingsError, match="same name"):
        load(file)


def test_apprise_sends_to_what_its_address_names() -> None:
    with Receiver() as receiver:
        address = f"json://127.0.0.1:{receiver.port}/{SECRET}"
        hostile = Message("k", "alert", "hi @channel", "<!here> {{ app_id }} <b>", "critical")
        send(channel("apprise", url=address), hostile)
    (request,) = receiver.received
    assert request.path == f"/{SECRET}"
    assert request.json["type"] == "failure"
    assert request.json["title"] == "hi @\u200bchannel"
    assert request.json["message"] == "<\u200b!here> {{ app_id }} <b>"


@pytest.mark.parametrize(
    "active",
    [
        "[Events](https://evil.example/a)",
        "![x](https://evil.example/pixel.png)",
        "[Events][1]",
        "[1]: https://evil.example",
        "<https://evil.example|Events>",
        "<mailto:x@evil.example|Events>",
        "<users/all>",
        "<@&1234>",
        "@**all**",
        "@ada",
        "@everyone",
    ],
)
def test_a_text_of_an_event_is_no_link_and_no_mention_in_a_chat(active: str) -> None:
    """A plain text is Markdown to Discord, Mattermost and Zulip, and links to Google Chat."""
    with Receiver() as receiver:
        address = f"json://127.0.0.1:{receiver.port}/x"
        send(channel("apprise", url=address), Message("k", "alert", active, f"ada: {active}"))
    (request,) = receiver.received
    for sent in (request.json["title"], request.json["message"]):
        assert active not in sent
        assert active in sent.replace("\u200b", "")


def test_a_message_has_no_picture_of_another_server() -> None:
    with Receiver() as receiver:
        send(channel("apprise", url=f"mmost://127.0.0.1:{receiver.port}/abcdefghijklmnop"))
    (request,) = receiver.received
    assert b"https://" not in request.body


def test_what_is_harmless_is_sent_as_it_is_and_so_is_our_own_markup() -> None:
    text = "ada@example.com read a[0] (https://console.example/x) <b> #1"
    markup = "**HIGH**\n\n[Events](https://dashboards.example/x)"
    with Receiver() as receiver:
        address = f"json://127.0.0.1:{receiver.port}/x"
        send(channel("apprise", url=address), Message("k", "alert", text, text))
        send(
            channel("apprise", url=f"{address}?format=markdown", format="markdown"),
            Message("k", "alert", "s", "s", markup=markup),
        )
        send(
            channel("apprise", url=f"{address}?format=html", format="html"),
            Message("k", "alert", "u<img src=x>", "s", markup="<p>ours</p>"),
        )
    plain, marked, html = receiver.received
    assert (html.json["title"], html.json["message"]) == ("u<\u200bimg src=x>", "<p>ours</p>")
    assert (plain.json["title"], plain.json["message"]) == (text, text)
    assert marked.json["message"] == markup


def test_apprise_that_is_refused_is_a_failure_without_a_secret() -> None:
    with Receiver(lambda _: 500) as receiver, pytest.raises(NotifyError) as caught:
        send(channel("apprise", url=f"json://127.0.0.1:{receiver.port}/{SECRET}"))
    assert receiver.received
    assert SECRET not in f"{caught.value!r}{caught.value.hint}{caught.value.__cause__}"
    with pytest.raises(SettingsError, match="does not recognise its url") as unknown:
        send(channel("apprise", url=f"pigeon://{SECRET}"))
    assert SECRET not in f"{unknown.value!r}{unknown.value.hint}"


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SettingsError, match="extra `notify`") as caught:
        send(channel("apprise", url=f"json://{SECRET}"))
    assert "trailhound[notify]" in caught.value.hint


def script(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "program.py"
    path.write_text(text)
    return [sys.executable, str(path), str(tmp_path / "out"), "$(touch /tmp/x); `id`"]


def test_a_command_gets_the_alert_on_its_standard_input_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAILHOUND_CLUSTER__PASSWORD", SECRET)
    program = (
        "import json, os, sys\n"
        "seen = {'argv': sys.argv[2:], 'stdin': json.load(sys.stdin)}\n"
        "seen['environ'] = dict(os.environ)\n"
        "json.dump(seen, open(sys.argv[1], 'w'))\n"
    )
    send(channel("command", command=script(tmp_path, program)))
    seen = json.loads((tmp_path / "out").read_text())
    assert seen["argv"] == ["$(touch /tmp/x); `id`"]
    assert seen["stdin"]["id"] == seen["environ"]["TRAILHOUND_ALERT_ID"] == "alert-1"
    assert SECRET not in json.dumps(seen)


def test_a_command_that_fails_hangs_or_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotifyError, match="code 3"):
        send(channel("command", command=script(tmp_path, "raise SystemExit(3)")))
    big = Message("k", "alert", "s", "x" * 1_000_000)
    send(channel("command", command=script(tmp_path, "")), big)  # it reads nothing, and is content
    with pytest.raises(NotifyError, match="cannot be run"):
        send(channel("command", command=["/nowhere/at-all"]))
    hang = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    for seconds in (2, 20, 60):  # a slow machine has not begun with it after two
        with pytest.raises(NotifyError, match="did not end"):
            send(channel("command", command=script(tmp_path, hang), timeout=seconds))
        if (tmp_path / "out").exists() and (said := (tmp_path / "out").read_text()):
            break
    until(lambda: ended(said), "the end of what the command started")


def ended(process: str) -> bool:
    try:
        state = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_every_failure_is_of_the_tree() -> None:
    assert issubclass(NotifyError, TrailhoundError)


def test_apprise_waits_between_messages_only_where_it_knows_the_rate_of_a_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For others it would wait 5.5 s a message, which `notify.per_minute` is for."""
    waited: list[float] = []
    monkeypatch.setattr("apprise.url.time.sleep", waited.append)
    for kind in ("email.base.NotifyEmail", "slack.NotifySlack"):
        monkeypatch.setattr(
            f"apprise.plugins.{kind}.send", lambda self, **_: self.throttle() is None
        )
    for url, waits in (
        ("mailto://me:secret@mail.example", 0),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", 1),
    ):
        waited.clear()
        opened = open_channel(
            channel("apprise", url=url), AwsSettings(), lambda _: botocore.session.Session()
        )
        for _ in range(2):
            opened.send(MESSAGE)
        assert len(waited) == waits


def test_a_channel_that_does_not_answer_delays_the_test_of_no_other() -> None:
    tested = Event()

    def slow(_: Received) -> int:
        return 200 if tested.wait(20) else 503

    def answer(_: Received) -> int:
        tested.set()
        return 200

    with Receiver(slow) as first, Receiver(answer) as second:
        channels = [
            {"name": name, "kind": "webhook", "url": f"http://127.0.0.1:{port}/", "secret": SECRET}
            for name, port in (("slow", first.port), ("well", second.port))
        ]
        settings = load(flags={"notify": {"channels": channels}})
        tried = try_channels(settings, lambda _: botocore.session.Session(), datetime.now(UTC))
    assert [(each.channel, each.error) for each in tried] == [("slow", None), ("well", None)]
