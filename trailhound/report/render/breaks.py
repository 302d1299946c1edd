"""Where a long name may be broken over lines: between its words, not within one."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from trailhound.report.render.visible import visible

_AFTER = "/:.@_,;=&?|+"
_WHOLE = 20
"""The longest name that is never broken."""
_LONGEST = 24
"""The most characters without a place to break, such as an id, that stay on one line."""
_PLACES = re.compile(
    # after a separator, but not within a number, a time or an address
    rf"(?<=[{re.escape(_AFTER)}])(?<!\d[.,:](?=\d))(?=[^\s{re.escape(_AFTER)}])"
    r"|(?<=[^\s-])(?<=[a-z0-9])(?=[A-Z][a-z])"  # between the words of CamelCase
)
_RUN = re.compile(r"[^\s-]+")
_WBR = Markup("<wbr>")


def breakable(text: str, longest: int = 1_000) -> Markup:
    """The text as HTML, with `<wbr>` where a line may end: after separators and between the words
    of CamelCase. After 24 characters without such a place (an id, not a word) a line may end
    anywhere.

    >>> str(breakable("Client.UnauthorizedOperation")), str(breakable("i-0abc <b>"))
    ('Client.<wbr>Unauthorized<wbr>Operation', 'i-0abc &lt;b&gt;')
    """
    return Markup().join(
        _WBR.join(map(escape, pieces(part))) if number % 2 else escape(part)
        for number, part in enumerate(_parted(visible(text, longest)))
    )


def _parted(text: str) -> list[str]:
    """The text as separators and runs in turn; runs have the odd indices."""
    made, at = [], 0
    for run in _RUN.finditer(text):
        made += [text[at : run.start()], run[0]]
        at = run.end()
    return [*made, text[at:]]


def pieces(run: str) -> list[str]:
    """The pieces of a run without blanks; each piece stays on one line.

    >>> pieces("arn:aws:iam::1:user/ada-lovelace")
    ['arn:', 'aws:', 'iam::', '1:', 'user/', 'ada-lovelace']
    >>> [len(each) for each in pieces("0" * 60)]
    [24, 24, 12]
    """
    if len(run) <= _WHOLE:
        return [run]
    return [
        piece[at : at + _LONGEST]
        for piece in _PLACES.split(run)
        for at in range(0, len(piece), _LONGEST)
    ]
