"""The report by mail: a summary with the report attached, sent on schedule."""

from __future__ import annotations

import base64
import logging
import smtplib
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from opensearchpy import OpenSearch

from detections.rule import Rule
from detections.running.scheduler import Job, Turn
from trailhound.errors import MailError, SettingsError
from trailhound.report.collect.compose import compose
from trailhound.report.collect.query import ReportWindow
from trailhound.report.render.page import as_html
from trailhound.report.render.visible import visible
from trailhound.report.render.words import count, when
from trailhound.report.value import Report
from trailhound.settings import MailSettings, Settings
from trailhound.settings.secret import read_secret
from trailhound.threads import STEPS, Deadline, OverdueError

LOG = logging.getLogger("trailhound.report")

_LOOK_EVERY = 300.0
"""Seconds between two checks whether a mail is due, and before a failed mail is retried."""
_MONDAY = 0
_LOGGED_IN = 235
_LONGEST_LINE = 1_000


def message(report: Report, mail: MailSettings) -> EmailMessage:
    """The mail, ready to be sent. Raises `SettingsError` if a setting is missing."""
    if not mail.to or mail.sender is None:
        missing = "sender" if mail.to else "to"
        raise SettingsError(f"report.mail.{missing} is not set", hint="see docs/settings.md")
    made = EmailMessage()
    try:
        made["From"] = mail.sender
        made["To"] = ", ".join(mail.to)
    except ValueError as error:
        raise SettingsError(
            f"report.mail has an invalid address: {error}",
            hint="fix it: report.mail.to and report.mail.sender",
        ) from None
    made["Subject"] = _subject(report)
    made["Date"] = format_datetime(report.generated)
    made["Message-ID"] = make_msgid(domain=mail.sender.rpartition("@")[2].rstrip("> ") or None)
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(summary(report))
    made.add_attachment(
        as_html(report).encode(),
        maintype="text",
        subtype="html",
        filename=f"cloudtrail-report-{report.generated:%Y-%m-%d}.html",
    )
    return made


def summary(report: Report) -> str:
    """The text of the mail: the report's summary and its first high alerts."""
    lines = [_subject(report), ""]
    lines += [f"- {sentence}" for sentence in report.story]
    high = report.findings.bands[0] if report.findings.bands else None
    if high is not None and high.total:
        lines += ["", f"High alerts: {high.total:,}, {high.open:,} of them open"]
        lines += [
            f"- {finding.severity}/10 {finding.title} ({finding.state}): "
            f"{count(finding.count, 'event')}, first {when(finding.first)}"
            for finding in high.top
        ]
        if high.total > len(high.top):
            lines.append(f"- {high.total - len(high.top):,} more in the attached report")
    important = [gap for gap in report.gaps if gap.important]
    if important:
        lines += ["", "What this report can't see:"]
        lines += [f"- {gap.title}: {gap.detail}" for gap in important]
    lines += ["", "The whole report is attached. It opens in any browser, without a network."]
    return "\n".join(visible(line, _LONGEST_LINE) for line in lines) + "\n"


def _subject(report: Report) -> str:
    high = report.findings.bands[0].total if report.findings.bands else 0
    scope = report.scope
    time = f", {scope.since:%Y-%m-%d}" if scope.since else ""
    if scope.since and scope.until and scope.until - scope.since > timedelta(days=1):
        time += f" to {scope.until - timedelta(microseconds=1):%Y-%m-%d}"
    return f"CloudTrail report{time}: {count(high, 'high alert')}"


def send(mail: EmailMessage, settings: MailSettings) -> tuple[str, ...]:
    """Send a mail; returns the addresses that the server refused, if it accepted others.

    Raises `MailError` if the server can't be reached or refused all, `SettingsError`.
    """
    if settings.host is None:
        raise SettingsError("report.mail.host is not set", hint="name the mail server")
    password = _password(settings)
    place = f"{settings.host}:{settings.port}"
    try:
        with _connected(settings) as server:
            if settings.username is not None:
                _log_in(server, settings.username, password)
            return tuple(server.send_message(mail))
    except smtplib.SMTPAuthenticationError:
        raise MailError(
            f"the mail server {place} refused the login",
            hint="check report.mail.username and report.mail.password_file",
        ) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailError(
            f"the mail server {place} does not support the settings: {error}",
            hint="check report.mail.tls and report.mail.port",
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise MailError(
            f"the mail server {place} refused every address: {', '.join(error.recipients)}",
            hint="check report.mail.to",
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(
            f"the mail server {place} did not accept the mail: {visible(str(error))}",
            hint="check report.mail.host, port and tls",
        ) from None


def _log_in(server: smtplib.SMTP, username: str, password: str) -> None:
    """Log in by a method that the server offers. Done here in UTF-8 (RFC 4616), since `smtplib` is
    limited to ASCII."""
    if (username + password).isascii():
        server.login(username, password)
        return
    server.ehlo_or_helo_if_needed()
    given = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
    code, reply = server.docmd("AUTH", f"PLAIN {given}")
    if code != _LOGGED_IN:
        raise smtplib.SMTPAuthenticationError(code, reply)


def _connected(settings: MailSettings) -> smtplib.SMTP:
    host, port = settings.host or "", settings.port
    if settings.tls == "none":
        return smtplib.SMTP(host, port, timeout=settings.timeout)
    try:
        context = ssl.create_default_context(cafile=settings.ca_bundle)
    except OSError as error:
        raise SettingsError(
            f"report.mail.ca_bundle {settings.ca_bundle} can't be read: {error}",
            hint="it is a PEM file",
        ) from None
    if settings.tls == "implicit":
        return smtplib.SMTP_SSL(host, port, timeout=settings.timeout, context=context)
    server = smtplib.SMTP(host, port, timeout=settings.timeout)
    try:
        server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _password(settings: MailSettings) -> str:
    if settings.username is None:
        return ""
    if settings.password_file is None:
        raise SettingsError(
            "report.mail.username needs report.mail.password_file",
            hint="a file that holds the password and nothing else",
        )
    if settings.tls == "none":
        raise SettingsError(
            "report.mail would send its password unencrypted",
            hint="set report.mail.tls to starttls or implicit",
        )
    return read_secret("report.mail.password", None, settings.password_file) or ""


def send_report(
    report: Report, settings: MailSettings, deadline: Deadline | None = None
) -> tuple[str, ...]:
    """Make the mail and send it: `message` and `send` together, within the deadline."""
    made = message(report, settings)
    try:
        return (deadline or deadline_of(settings)).run(lambda: send(made, settings))
    except OverdueError as error:
        raise MailError(
            f"the mail server {settings.host}:{settings.port} did not take the mail: {error}",
            hint="check that it answers at once, or raise report.mail.timeout",
        ) from None


def deadline_of(settings: MailSettings) -> Deadline:
    """The deadline of a mail as a whole; a caller that sends several passes one to each."""
    return Deadline("report-mail", STEPS * settings.timeout)


# The schedule.


def last_due(mail: MailSettings, now: datetime) -> datetime:
    """The latest moment, up to now, at which a mail was due.

    >>> last_due(MailSettings(hour=6), datetime(2025, 3, 5, 5, 59, tzinfo=UTC)).isoformat()
    '2025-03-04T06:00:00+00:00'
    >>> last_due(MailSettings(every="weekly"), datetime(2025, 3, 5, 7, tzinfo=UTC)).isoformat()
    '2025-03-03T06:00:00+00:00'
    """
    due = now.astimezone(UTC).replace(hour=mail.hour, minute=0, second=0, microsecond=0)
    if due > now:
        due -= timedelta(days=1)
    if mail.every == "weekly":
        due -= timedelta(days=(due.weekday() - _MONDAY) % 7)
    return due


def window_of(mail: MailSettings, due: datetime) -> ReportWindow:
    """The complete UTC days before: one day, or seven for a weekly mail."""
    until = due.replace(hour=0)
    return ReportWindow(until - timedelta(days=7 if mail.every == "weekly" else 1), until)


def mail_job(
    client: OpenSearch,
    settings: Settings,
    rules: Callable[[], Sequence[Rule]],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Job | None:
    """The job that mails the report once for each time it is due; None without a recipient.

    Whether it is due depends on the job's last success: a mail that was due while no daemon ran is
    sent late, a failed one is retried, and the first one waits for its hour.
    """
    mail = settings.report.mail
    if not mail.to:
        return None
    deadline = deadline_of(mail)

    def look(turn: Turn) -> str:
        now = clock()
        due = last_due(mail, now)
        upcoming = due + timedelta(days=7 if mail.every == "weekly" else 1)
        said = f"the next report is due at {upcoming:%F %H:%M} UTC"
        if turn.last_success is None or turn.last_success >= due or not turn.holds_lease():
            return said
        report = compose(
            client,
            settings,
            window_of(mail, due),
            rules=rules(),
            frameworks=mail.compliance,
            now=now,
        )
        for address in send_report(report, mail, deadline):
            LOG.warning("the mail server refused %s", address)
        LOG.info("report mailed", extra={"fields": {"to": len(mail.to), "due": due.isoformat()}})
        return said

    return Job("report-mail", _LOOK_EVERY, look)
