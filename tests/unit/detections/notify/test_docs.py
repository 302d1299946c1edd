"""What docs/alerts.md says of signatures, channels and templates is what the code does."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import yaml

from detections.notify.renderer import SHIPPED
from detections.notify.webhook import signature
from trailhound.settings import Settings

DOCS = (Path(__file__).parents[4] / "docs" / "alerts.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_verification_that_is_shown_accepts_ours_and_nothing_else() -> None:
    shown: dict[str, Any] = {}
    exec(block("python"), shown)  # noqa: S102 - our own page
    is_genuine = shown["is_genuine"]
    now, body = int(time.time()), b'{"id":"1"}'
    headers = {
        "x-trailhound-timestamp": str(now),
        "x-trailhound-signature": signature("key", now, body),
    }
    assert is_genuine("key", headers, body)
    assert not is_genuine("other", headers, body)
    assert not is_genuine("key", headers, body + b" ")
    assert not is_genuine("key", headers, body, now=now + 301)
    assert not is_genuine("key", {**headers, "x-trailhound-timestamp": str(now + 1)}, body)
    assert not is_genuine("key", {**headers, "x-trailhound-timestamp": "soon"}, body)
    assert not is_genuine("key", {}, body)


def test_the_channels_that_are_shown_are_settings() -> None:
    notify = Settings.model_validate(yaml.safe_load(block("yaml"))).notify
    assert {channel.kind for channel in notify.channels} == {
        "sns",
        "apprise",
        "webhook",
        "command",
    }


def test_the_templates_that_are_named_are_shipped() -> None:
    named = set(re.findall(r"`([a-z]+\.[a-z]+\.j2)`", DOCS))
    assert named == {path.name for path in SHIPPED.iterdir()}
