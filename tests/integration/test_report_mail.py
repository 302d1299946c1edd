"""The report by mail: what is in it, what a real server gets, and when it goes out."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from detections.running.scheduler import Turn
from tests.helpers.mail_server import LOGIN, PASSWORD, Post, mail_server
from tests.helpers.reports import HOSTILE, report_of
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import MailError, SettingsError
from trailhound.report.mail import (
    deadline_of,
    last_due,
    mail_job,
    message,
    send,
    send_report,
    window_of,
)
from trailhound.report.value import Report
from trailhound.settings import MailSettings

TO, SENDER = "security@example.org", "Trailhound <trailhound@example.org>"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "post.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n", "utf-8")
    return path


def settings_of(post: Post, **more: Any) -> MailSettings:
    return MailSettings(
        to=[TO, "second@example.org"], sender=SENDER, host="localhost", port=post.port, **more
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(HOSTILE)


def test_a_mail_holds_a_summary_and_the_page(report: Report) -> None:
    mail = MailSettings(to=[TO], sender=SENDER)
    made = message_from_bytes(message(report, mail).as_bytes(), policy=policy.default)
    assert isinstance(made, EmailMessage)
    assert made["To"] == TO
    assert made["From"] == SENDER
    assert made["Subject"] == "CloudTrail report, 2025-03-01: 7 high alerts"
    body = made.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "High alerts: 7, 6 of them open" in text
    assert "<script>alert(1)</script>" in text
    assert not set("\x00\x1b\u202e\u200b\ufeff") & set(text)
    (attached,) = made.iter_attachments()
    assert attached.get_content_type() == "text/html"
    assert attached.get_filename() == "cloudtrail-report-2025-03-01.html"
    page = attached.get_content()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<script") == 1


def test_it_goes_by_starttls_with_a_login(report: Report, certificate: Path, secret: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with mail_server(context=context) as post:
        mail = settings_of(post, ca_bundle=certificate, username=LOGIN, password_file=secret)
        assert send_report(report, mail) == ()
        (taken,) = post.taken
        assert taken["Subject"].startswith("CloudTrail report")
        assert post.heard.index("STARTTLS") < post.heard.index("AUTH") < post.heard.index("DATA")


def test_a_server_that_answers_a_byte_at_a_time_is_given_up(report: Report) -> None:
    """Each byte comes within the timeout; the greeting never ends."""
    released = threading.Event()

    def drip(listening: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            while not released.wait(0.02):
                connection.sendall(b"2")
            connection.close()

    with socket.create_server(("localhost", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        port = listening.getsockname()[1]
        mail = MailSettings(to=[TO], sender=SENDER, host="localhost", port=port, tls="none")
        with pytest.raises(MailError, match=r"did not end within 0\.6 s"):
            send_report(report, mail, deadline_of(mail.model_copy(update={"timeout": 0.1})))
        released.set()


def test_what_the_server_refuses_is_told(report: Report, certificate: Path, secret: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    made = message(report, MailSettings(to=[TO, "second@example.org"], sender=SENDER))
    with mail_server(context=context, refuses=("second@",)) as post:
        assert send(made, settings_of(post, ca_bundle=certificate)) == ("second@example.org",)
        secret.write_text("wrong")
        login = {"username": LOGIN, "password_file": secret}
        with pytest.raises(MailError, match="refused the login"):
            send(made, settings_of(post, ca_bundle=certificate, **login))
        with pytest.raises(MailError, match=r"(?i)certificate"):
            send(made, settings_of(post))  # whose authority nobody knows
        assert len(post.taken) == 1
    with mail_server(refuses=("@",)) as post:
        with pytest.raises(MailError, match="refused every address"):
            send(made, settings_of(post, tls="none"))
        with pytest.raises(MailError, match="does not support the settings"):
            send(made, settings_of(post))  # STARTTLS is wanted, and never left out
    with pytest.raises(MailError, match="did not accept the mail"):
        send(made, settings_of(post, tls="none"))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (MailSettings(sender=SENDER), "report.mail.to"),
        (MailSettings(to=[TO]), "report.mail.sender"),
        (MailSettings(to=[TO], sender=SENDER), "report.mail.host"),
        (MailSettings(to=[TO], sender=SENDER, host="h", username="u"), "password_file"),
        (
            MailSettings(
                to=[TO], sender=SENDER, host="h", username="u", tls="none", password_file=Path("x")
            ),
            "unencrypted",
        ),
        (MailSettings(to=["a@b\nBcc: c@d"], sender=SENDER, host="h"), "address"),
    ],
)
def test_what_is_not_set_is_named(settings: MailSettings, word: str, report: Report) -> None:
    with pytest.raises(SettingsError, match=word):
        send_report(report, settings)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("every", "now", "due", "since", "until"),
    [
        ("daily", "2025-03-05T05:59", "2025-03-04T06:00", "2025-03-03", "2025-03-04"),
        ("daily", "2025-03-05T06:00", "2025-03-05T06:00", "2025-03-04", "2025-03-05"),
        ("weekly", "2025-03-05T06:00", "2025-03-03T06:00", "2025-02-24", "2025-03-03"),
        ("weekly", "2025-03-03T05:00", "2025-02-24T06:00", "2025-02-17", "2025-02-24"),
        ("weekly", "2025-03-03T06:00", "2025-03-03T06:00", "2025-02-24", "2025-03-03"),
    ],
)
def test_it_is_due_at_its_hour(every: Any, now: str, due: str, since: str, until: str) -> None:
    mail = MailSettings(every=every)
    found = last_due(mail, at(now))
    assert found == at(due)
    window = window_of(mail, found)
    assert (window.since, window.until) == (at(since), at(until))


def test_the_job_mails_once_for_each_time_it_is_due(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    with mail_server() as post:
        mail = {"to": [TO], "sender": SENDER, "host": "127.0.0.1", "port": post.port, "tls": "none"}
        settings = own_settings(engine, namespace, tmp_path / "home", report={"mail": mail})
        client = prepared(settings)
        write_trail(tmp_path / "trail", [record(eventTime="2025-03-04T12:00:00Z")])
        backfill(settings, tmp_path / "trail")
        now = at("2025-03-05T05:58")
        job = mail_job(client, settings, lambda: (), clock=lambda: now)
        assert job is not None
        job.run(Turn(None, lambda: True))  # the first run of all waits for its hour
        said = job.run(Turn(at("2025-03-05T05:50"), lambda: True))
        assert (said, post.taken) == ("the next report is due at 2025-03-05 06:00 UTC", [])
        now = at("2025-03-05T06:01")
        job.run(Turn(at("2025-03-05T05:58"), lambda: False))  # another daemon has the lease
        assert post.taken == []
        job.run(Turn(at("2025-03-05T05:58"), lambda: True))
        (taken,) = post.taken
        body = taken.get_body(("plain",))
        assert body is not None
        assert "1 event from 4 March 2025, 00:00 UTC to 5 March 2025" in body.get_content()
        job.run(Turn(at("2025-03-05T06:01"), lambda: True))
        assert len(post.taken) == 1
        post.refuses = ("@",)
        now = at("2025-03-06T06:01")
        with pytest.raises(MailError):  # so it is tried again at the next look
            job.run(Turn(at("2025-03-06T05:59"), lambda: True))
    assert mail_job(client, own_settings(engine, namespace, tmp_path), lambda: ()) is None
