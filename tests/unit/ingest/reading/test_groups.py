"""Groups of a window: where they end, and how much is searched for that."""

from __future__ import annotations

import pytest

from ingest.reading.groups import Groups
from ingest.reading.window import SlidingWindow

MARK = b',{"eventVersion":'


class Counted(bytes):
    """A text that counts the bytes in which something is searched for."""

    searched = 0

    def rfind(self, *arguments: object) -> int:
        sub, start, end = arguments
        assert isinstance(start, int)
        assert isinstance(end, int)
        self.searched += max(0, min(end, len(self)) - start)
        return super().rfind(sub, start, end)  # type: ignore[arg-type]


def test_what_was_searched_in_vain_is_not_searched_again() -> None:
    """Else a small file of half a million values takes as many searches of a whole window."""
    text = Counted(b"{}," * 20_000 + b"{}]}")
    window = SlidingWindow(text)
    groups = Groups(window, 10_000)
    for _ in range(20_000):
        assert groups.of_list(MARK) is None
        window.at += 3
    assert text.searched < 20 * len(text)


@pytest.mark.parametrize("step", range(1, 8))
@pytest.mark.parametrize("cut", range(1, len(MARK)))
def test_a_mark_across_the_end_of_what_was_searched_is_found(step: int, cut: int) -> None:
    """Also where the end is that of the buffer, which then slides on."""
    size = 60
    before, record = b"0,1,2,3,4,5", b'{"eventVersion":"1"}'
    text = before + b"," + record + b"," + record + b"]}"
    first = len(before) + cut
    pieces = [text[at : at + step] for at in range(first, len(text), step)]
    window = SlidingWindow(text[:first], iter(pieces), step=1)
    groups = Groups(window, size)
    found = None
    for _ in range(6):
        if group := groups.of_list(MARK):
            found = group
            break
        window.peek()
        window.at += 1
        window.peek()
        window.at += 1
    assert found is not None
    assert window.buffer.startswith(MARK, window.at)
