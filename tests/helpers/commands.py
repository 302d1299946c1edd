"""Commands run within the test's own process: quicker than a process each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from types import MappingProxyType

from typer.testing import CliRunner, Result

from trailhound.cli.main import app
from trailhound.cli.stopping import interrupted_by_sigterm
from trailhound.settings import Settings


def command(
    settings: Settings, *arguments: str, env: Mapping[str, str] = MappingProxyType({})
) -> Result:
    """A command, run within this process: what it prints, and the error that it would show."""
    given = {name: None for name in os.environ if name.startswith("TRAILHOUND")} | {
        "TRAILHOUND_HOME": str(settings.home),
        "TRAILHOUND_NAMESPACE": settings.namespace,
        "TRAILHOUND_CLUSTER__HOSTS": json.dumps(settings.hosts),
        **env,
    }
    # As `main` does: a signal that ended an earlier command of this process did not end this one.
    with interrupted_by_sigterm():
        return CliRunner().invoke(app, arguments, env=given)
