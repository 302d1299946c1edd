"""Commands that a message names: with the flags by which they use the cluster of this command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trailhound.cli.commands import COMMANDS, loaded
from trailhound.cli.named_commands import TAKES_FEWER, set_given, with_flags


@pytest.fixture(autouse=True)
def given() -> Iterator[None]:
    set_given(url="http://u:secret@x:9200", namespace="a b", config=Path("own.yaml"))
    yield
    set_given(url=None, namespace=None, config=None)


ALL = "--url http://x:9200 --namespace 'a b' --config own.yaml"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `trailhound init`", f"run `trailhound init {ALL}`"),
        (
            "`trailhound detect --since 2025-03-01`, then `trailhound alerts list`",
            f"`trailhound detect --since 2025-03-01 {ALL}`, then `trailhound alerts list {ALL}`",
        ),
        (
            "`trailhound retry-deadletters --reopen`",
            f"`trailhound retry-deadletters --reopen {ALL}`",
        ),
        # Each gets only what it takes.
        ("`trailhound rules check`", "`trailhound rules check --config own.yaml`"),
        ("`trailhound sample DIR`", "`trailhound sample DIR`"),
        (
            "`trailhound dashboards import`",
            "`trailhound dashboards import --namespace 'a b' --config own.yaml`",
        ),
        # What it has already stays, once.
        (
            "`trailhound init --namespace=x --url y`",
            "`trailhound init --namespace=x --url y --config own.yaml`",
        ),
        ("`trailhound alerts`, `trailhound no-such`, `init`, trailhound init", None),
    ],
)
def test_a_named_command_has_the_flags_that_it_takes(text: str, shown: str | None) -> None:
    assert with_flags(text) == (shown or text)


def test_without_common_flags_a_message_is_as_it_was() -> None:
    set_given(url=None, namespace=None, config=None)
    assert with_flags("run `trailhound init`") == "run `trailhound init`"


def test_every_command_is_said_to_take_what_it_takes() -> None:
    common = {"--url", "--namespace", "--config"}
    options: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = loaded(name, None)
        parts = getattr(command, "commands", None)
        named = {name: command} if parts is None else {f"{name} {k}": parts[k] for k in parts}
        for full, each in named.items():
            options[full] = {option for param in each.params for option in param.opts} & common
    assert options["dashboards import"] == common
    options["dashboards import"].remove("--url")  # of Dashboards
    fewer = {name: taken for name, taken in options.items() if taken != common}
    assert fewer == {name: set(taken) for name, taken in TAKES_FEWER.items()}
    for name, taken in options.items():
        shown = with_flags(f"`trailhound {name}`")
        assert {word for word in shown.strip("`").split() if word.startswith("--")} == taken
