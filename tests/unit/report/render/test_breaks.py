"""Lines end between the words of a name; nothing of the text is changed or let through."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.helpers.reports import HOSTILE
from trailhound.report.render.breaks import breakable, pieces
from trailhound.report.render.visible import visible


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Client.UnauthorizedOperation", ["Client.", "Unauthorized", "Operation"]),
        ("GetAccountAuthorizationDetails", ["Get", "Account", "Authorization", "Details"]),
        ("GetSecretValue", ["GetSecretValue"]),
        ("i-0aaaaaaaaaaaaaaa1", ["i-0aaaaaaaaaaaaaaa1"]),
        ("gspajwz8z9wrutsz", ["gspajwz8z9wrutsz"]),
        ("2001:0db8:0000:0000:0000:8a2e:0370:7334", None),
        ("2025-03-01T10:00:00.123456Z", None),
        ("arn:aws:iam::111122223333:user/ada", None),
    ],
)
def test_a_name_ends_a_line_between_its_words(text: str, lines: list[str] | None) -> None:
    made = pieces(text)
    assert "".join(made) == text
    assert max(map(len, made)) <= 24
    if lines is not None:
        assert made == lines


@pytest.mark.parametrize("text", [HOSTILE, "", " ", "a b", "x" * 5_000, "-" * 90, "日本" * 40])
def test_the_text_stays_what_it_was(text: str) -> None:
    made = str(breakable(text))
    assert unescape(made.replace("<wbr>", "")) == visible(text, 1_000)
    assert re.findall(r"<(?!wbr>)", made) == []
