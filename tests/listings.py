"""`make listings`: what commands show on a terminal of 80 columns, into the pages of docs/.

A sample trail is indexed and looked through by the shipped rules on a real engine. Each block of a
page that follows `<!-- 80 columns: COMMAND -->` is replaced by what the command shows; with
`| N` behind it by its first lines. `{incident}` and `{alert}` in a command are the most severe
incident and its most telling alert.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from datetime import date
from pathlib import Path

from tests.helpers import dashboards_api
from tests.helpers.commands import command
from tests.helpers.engines import remove_namespace, session_engine
from tests.helpers.terminal import on_a_terminal
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.sample import SampleSpec, write_sample
from trailhound.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(
    r"^<!-- 80 columns: (?P<command>[^|\n]+?)(?: \| (?P<lines>\d+))? -->\n```\n(?P<shown>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LAST = "terminal.md"
"""The page whose commands change alerts."""
SPEC = SampleSpec(events=20_000, seed=1, start=date(2025, 3, 3), days=7)
NAMESPACE = "listings"
CODES = {"doctor": {0, 1}, "notify test": {0, 1}}
"""Exit codes besides 0 that are right here: the disk of this machine; a channel that fails."""
CHANNELS = [
    {"name": "pager", "kind": "command", "command": ["true"]},
    {"name": "chat", "kind": "command", "command": ["false"]},
]


def pages() -> list[Path]:
    """Pages in the order in which they are made."""
    return sorted(DOCS.glob("*.md"), key=lambda page: (page.name == LAST, page.name))


def filled(settings: Settings) -> dict[str, str]:
    """The values of what commands leave open."""

    def first(*arguments: str) -> dict[str, str]:
        done = command(settings, *arguments, "--json")
        assert done.exit_code == 0, done.output
        found: dict[str, str] = json.loads(done.stdout)[arguments[0]][0]
        return found

    worst = first("incidents", "list")
    return {"incident": worst["id"][:8], "alert": worst["alert"][:8]}


def renew(page: Path, settings: Settings, values: dict[str, str], env: dict[str, str]) -> None:
    """Replace the blocks of one page."""

    def shown(found: re.Match[str]) -> str:
        arguments = shlex.split(found["command"].format(**values))
        codes = CODES.get(" ".join(arguments[:2]), CODES.get(arguments[0], {0}))
        for code in sorted(codes):
            try:
                text = on_a_terminal(settings, *arguments, env=env, code=code)
                break
            except AssertionError:
                if code == max(codes):
                    raise
        lines = [line.rstrip() for line in text.rstrip().splitlines()]
        most = int(found["lines"] or len(lines))
        if len(lines) > most:
            lines = [*lines[:most], "…"]
        print(f"{page.name}: {found['command']}: {len(lines)} lines", flush=True)
        head = found[0][: found.start("shown") - found.start()]
        return "\n".join([head.rstrip("\n"), *lines, "```"])

    text = page.read_text("utf-8")
    page.write_text(BLOCK.sub(shown, text), "utf-8")


def main() -> None:
    folder = Path(tempfile.gettempdir()) / "demo"
    with (
        session_engine() as url,
        dashboards_api.serving() as dashboards,
    ):
        settings = own_settings(url, NAMESPACE, folder / "state")
        remove_namespace(url, NAMESPACE)
        try:
            prepared(settings)
            trail, bad = folder / "trail", folder / "bad"
            if not trail.exists():
                write_sample(trail, SPEC)
            write_trail(bad, [record(), b"5", record(eventTime="never")], "partial")
            (bad / "torn.json").write_text('{"Records": [')
            backfill(settings, trail)
            backfill(settings, bad)
            done = command(settings, "detect", "--since", "2025-03-03", "--until", "2025-03-09")
            assert done.exit_code == 0, done.output
            env = {
                "TRAILHOUND_DASHBOARDS__URL": dashboards.url,
                "TRAILHOUND_NOTIFY__CHANNELS": json.dumps(CHANNELS),
            }
            values = filled(settings)
            for page in pages():
                renew(page, settings, values, env)
        finally:
            remove_namespace(url, NAMESPACE)


if __name__ == "__main__":
    main()
