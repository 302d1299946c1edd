"""What the common flags (`--url`, `--namespace`, `--config`) stand for: settings, and arguments.

Apart from the options themselves, since completion needs it and the options name completion.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any


def flags_of(url: str | None, namespace: str | None) -> dict[str, Any]:
    """The settings that the given common flags stand for."""
    flags: dict[str, Any] = {}
    if url:
        flags["cluster"] = {"hosts": [url]}
    if namespace is not None:
        flags["namespace"] = namespace
    return flags


def command_flags(*, url: str | None, namespace: str | None, config: Path | None) -> str:
    """The flags by which another command uses the same cluster and settings; a blank before each.

    >>> command_flags(url=None, namespace="a b", config=None)
    " --namespace 'a b'"
    """
    from trailhound.cluster.refusals import redact_url  # imports the client, which is slow

    named = {
        "--url": redact_url(url) if url else None,
        "--namespace": namespace,
        "--config": str(config) if config else None,
    }
    return "".join(f" {flag} {shlex.quote(value)}" for flag, value in named.items() if value)
