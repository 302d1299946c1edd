"""Services that apprise supports: Slack, Teams, mail, PagerDuty, about a hundred others.

An apprise address is a secret as a whole: tokens are in the place of the host. No part of it is
shown, and apprise's own log, which repeats some, is disabled.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from detections.notify.channel import Session, channel_kind
from detections.notify.message import Message
from trailhound.errors import NotifyError, SettingsError
from trailhound.settings import AwsSettings, ChannelSettings
from trailhound.settings.secret import require_secret

_KINDS = {"informational": "info", "low": "info", "medium": "warning"}
"""Apprise's type for a level; more severe levels are failures."""

_MENTION: Final = re.compile(r"<(?=[!@#]|users/)|(?<![\w.+-])@(?=[\w*&!])", re.IGNORECASE)
"""Mentions, which would notify people in a chat: `<!here>`, `<@U1>`, `<users/all>`, `@here`,
`@**all**`; not the `@` of a mail address."""
_LINK: Final = re.compile(r"\](?=[(\[:])|<(?=[a-z][a-z0-9+.-]*:)", re.IGNORECASE)
"""The middle of a link or an image whose text hides its address: `[text](address)`, `[text][name]`
and `[name]: address` of Markdown, `<address|text>` of Slack. Many chats interpret these in plain
text, and apprise escapes them for some chats only. A bare address stays a link: it shows its
target."""
_TAG: Final = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
"""The begin of a tag: a service without titles puts the subject into the body, as it is."""
_BREAK: Final = "\u200b"


class AppriseChannel:
    """A channel. Raises `SettingsError` without the extra, or for an address of no known kind."""

    def __init__(self, channel: ChannelSettings) -> None:
        self._name = channel.name
        self._format = channel.format
        self._timeout = channel.timeout
        # The logger of requests' connections names paths at DEBUG: they hold tokens.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        quiet = logging.getLogger("apprise")
        quiet.setLevel(logging.CRITICAL + 1)
        quiet.propagate = False
        try:
            import apprise
        except ImportError:
            raise SettingsError(
                f"{channel.name}: channels of kind apprise need the extra `notify`",
                hint="pip install 'trailhound[notify]'",
            ) from None
        self._apprise: Any = apprise.Apprise(
            asset=apprise.AppriseAsset(
                app_id="Trailhound",
                app_desc="Trailhound",
                app_url="",
                # No picture: the readers' clients would fetch it from a server of others.
                image_url_mask="",
                image_url_logo="",
                async_mode=False,
                http_redirects=False,
                allow_templates=False,
            )
        )
        if not self._apprise.add(
            require_secret(f"{channel.name}: url", channel.url, channel.url_file)
        ):
            raise SettingsError(
                f"{channel.name}: apprise does not recognise its url, or a part is missing",
                hint="see apprise's page on that service for how its address is written",
            )
        for service in self._apprise:
            # Apprise waits 5.5 s between two messages, such as mails, to each service of which it
            # knows no rate: `notify.per_minute` limits them.
            if service.request_rate_per_sec == apprise.NotifyBase.request_rate_per_sec:
                service.request_rate_per_sec = 0

    def send(self, message: Message) -> None:
        text = message.markup or message.text
        subject = _broken(_MENTION, _broken(_LINK, message.subject))
        if message.markup and self._format == "html":
            subject = _broken(_TAG, subject)
        try:
            delivered = self._apprise.notify(
                body=_broken(_MENTION, text if message.markup else _broken(_LINK, text)),
                title=subject,
                notify_type=_KINDS.get(message.level, "failure"),
                body_format=self._format if message.markup else "text",
                timeout=self._timeout,
            )
        except Exception as error:  # noqa: BLE001 - any of a hundred plugins; its text may contain secrets
            raise NotifyError(
                f"{self._name}: apprise failed ({type(error).__name__})",
                hint="check the channel's url with `trailhound notify test`",
            ) from None
        if not delivered:
            raise NotifyError(
                f"{self._name}: the service did not accept the message",
                hint="check the channel's url with `trailhound notify test`",
            )


def _broken(pattern: re.Pattern[str], text: str) -> str:
    """The text with a zero-width space after each match, so that no service interprets it."""
    return pattern.sub(lambda found: f"{found[0]}{_BREAK}", text)


@channel_kind("apprise")
def _open(channel: ChannelSettings, _aws: AwsSettings, _session: Session) -> AppriseChannel:
    return AppriseChannel(channel)
