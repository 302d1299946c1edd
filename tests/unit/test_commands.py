"""The commands: each is there, and costs its start no other's imports."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import typer

from trailhound.cli.commands import COMMANDS
from trailhound.cli.main import app


def test_each_command_is_found_under_its_name_with_its_panel() -> None:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    assert group.list_commands(context) == list(COMMANDS)
    for name, (panel, _) in COMMANDS.items():
        command = group.get_command(context, name)
        assert (command.name, command.rich_help_panel) == (name, panel)
        assert command.help
    assert group.get_command(context, "no-such-command") is None


def test_a_start_imports_what_its_command_needs() -> None:
    """What takes long to import waits until something is to be done with it."""
    script = "import sys, trailhound.cli.main, trailhound.cli.engine; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"boto3", "jinja2", "apprise", "ingest.pipeline"} & set(done.stdout.split())
