"""`incidents show`: what to do now, as advice."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.text import Text

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import out, plural, safe, say, say_folded, warn

with late_imports():
    from detections.incidents.containment import Containment

_INDENT, _GOES_ON = " " * 6, " \\"


def _lines(command: str) -> Iterator[str]:
    """A command as it can be copied: on a terminal over several lines, which a shell joins."""
    line, width = "", out.width - len(_INDENT) - len(_GOES_ON)
    for word in map(shlex.quote, shlex.split(command)):
        if line and len(line) + 1 + len(word) > width:
            yield f"{_INDENT}{line}{_GOES_ON}"
            line = " " * 2 + word
        else:
            line = f"{line} {word}" if line else word
    yield f"{_INDENT}{line}"


def show_containment(advice: Containment) -> None:
    """The steps, each with its command on one line, so that it can be copied."""
    for sentence in advice.left_out:
        warn(f"what to do now is incomplete: {sentence}")
    if not advice.steps and not advice.left:
        show_aside(advice)
        return
    say(
        "to contain it: advice by what these events prove was used and made, of which nothing was "
        "run. Look at each first: legitimate work may depend on it"
    )
    for each in advice.steps:
        head = Text().append(f"  {each.account or 'organization'} ", style="dim")
        say_folded(head + safe(f"{each.what} ({each.event}, {each.time})"), 4)
        if each.command:
            for line in _lines(each.command):
                out.print(safe(line))
    if advice.left:
        about = advice.left_objects
        named = ", ".join(
            f"{name} ×{count}" + (f" ({', '.join(about[name])})" if about.get(name) else "")
            for name, count in advice.left.items()
        )
        calls = plural(sum(advice.left.values()), "other successful call")
        of = "of the same principals that changed something"
        say(f"  without a command here: {calls} {of}: {named}", 4)
    show_aside(advice)


def show_aside(advice: Containment) -> None:
    """Who is in the incident and has no step."""
    for sentence in advice.aside:
        say(f"  {sentence}", 4)
