"""A call that says that all is well, to a service that raises an alarm once it stays away.

It is the only message that also a dead machine causes. A GET, as such services take it; any status
of 200 to 299 is an answer.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from detections.notify.https_client import HttpsClient
from trailhound import __version__
from trailhound.errors import NotifyError
from trailhound.settings import HeartbeatSettings
from trailhound.settings.secret import require_secret
from trailhound.threads import STEPS, Deadline, OverdueError

SETTING: Final = "notify.heartbeat"


class Heartbeat:
    """Raises `SettingsError` for invalid settings."""

    def __init__(self, settings: HeartbeatSettings) -> None:
        url = require_secret(f"{SETTING}.url", settings.url, settings.url_file)
        self._client = HttpsClient(SETTING, url, settings.ca_bundle, settings.timeout)
        self._deadline = Deadline("heartbeat", STEPS * settings.timeout)

    def call(self) -> None:
        """Raises `NotifyError` where it was not answered."""
        headers = {"User-Agent": f"trailhound/{__version__}"}
        try:
            self._deadline.run(partial(self._client.request, "GET", headers))
        except OverdueError as error:
            raise NotifyError(
                f"{SETTING}: {error}", hint="check that the receiver answers at once"
            ) from None
