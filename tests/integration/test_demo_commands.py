"""The README's commands for the demo are about names that the demo's sample has."""

from __future__ import annotations

import gzip
import inspect
import re
import shlex
from dataclasses import replace
from datetime import date
from pathlib import Path

from tests.helpers.commands import command
from tests.helpers.trails import backfill, own_settings, prepared
from trailhound.cli.demo import demo
from trailhound.sample import SampleSpec, write_sample

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
NAMED = re.compile(r"\bsvc-|^ada$")
"""Names that a command looks for."""
SPEC = replace(
    SampleSpec(events=inspect.signature(demo).parameters["events"].default), start=date(2026, 1, 5)
)


def lines(heading: str) -> list[list[str]]:
    """The commands of the first block below a heading, without those that leave an id open."""
    block = README.split(f"\n{heading}\n", 1)[1].split("```sh\n")[1].split("```")[0]
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [words[1:] for words in commands if words[:1] == ["trailhound"] and "ID" not in words]


def test_the_names_that_are_looked_for_are_those_of_the_demo(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    made = write_sample(tmp_path / "all", SPEC)
    steps = {step.event_id.encode() for attack in made.attacks for step in attack.steps}
    for file in sorted((tmp_path / "all").rglob("*.json.gz")):
        if steps.intersection(
            re.findall(rb'"eventID":\s?"([^"]+)"', gzip.decompress(file.read_bytes()))
        ):
            file.rename(tmp_path / file.name)
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    backfill(settings, *sorted(tmp_path.glob("*.json.gz")))
    asked = [
        words
        for heading in ("## Investigate", "## Detect")
        for words in lines(heading)
        if any(NAMED.search(word) for word in words)
    ]
    assert {each[0] for each in asked} == {"whois", "paths", "events"}
    for words in asked:
        if "--since" in words:  # of the demo, whose week ends today
            words[words.index("--since") + 1] = f"{SPEC.start:%Y-%m-%d}"
        done = command(settings, *words)
        assert done.exit_code == 0, (words, done.exception, done.output)
        assert len(done.stdout.splitlines()) > 1, (words, done.output)
