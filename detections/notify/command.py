"""Runs a program, with the message as JSON on its standard input.

There is no shell, and the arguments are those of the settings: the content of an event never
becomes part of a command line. It gets the environment without Trailhound's own variables, which
may hold passwords, and with `TRAILHOUND_ALERT_ID`, the message's key.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

from detections.notify.channel import Session, channel_kind
from detections.notify.message import Message
from trailhound.errors import NotifyError
from trailhound.settings import AwsSettings, ChannelSettings


class Command:
    """A channel: exit code 0 is a delivery."""

    def __init__(self, channel: ChannelSettings) -> None:
        self._name = channel.name
        self._command = channel.command
        self._timeout = channel.timeout

    def send(self, message: Message) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("TRAILHOUND_")
        }
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=kept | {"TRAILHOUND_ALERT_ID": message.key},
                start_new_session=True,
            )
        except OSError as error:
            raise NotifyError(
                f"{self._name}: the command cannot be run: {error.strerror}",
                hint="give the full path of an executable program",
            ) from None
        try:
            process.communicate(message.document(), timeout=self._timeout)
        except subprocess.TimeoutExpired:
            # The process and its children.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise NotifyError(
                f"{self._name}: the command did not end within {self._timeout:g} s",
                hint="raise the channel's timeout, or let it work in the background",
            ) from None
        except BrokenPipeError:
            process.wait()
        if process.returncode:
            raise NotifyError(
                f"{self._name}: the command ended with code {process.returncode}",
                hint="have it write why to a log: its output is not kept",
            )


@channel_kind("command")
def _open(channel: ChannelSettings, _aws: AwsSettings, _session: Session) -> Command:
    return Command(channel)
