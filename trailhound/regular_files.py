"""What a path names that is no regular file: reading a device or a pipe may never end."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

_OPENED: Final = re.compile(r"/dev/(?:stdin|fd/\d+)|/proc/(?:self|\d+)/fd/\d+")
PIPE: Final = "a named pipe"
_KINDS: Final = (
    (stat.S_ISFIFO, PIPE),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def irregular(path: Path | str) -> str:
    """What a path names, as `a named pipe`, `a device`, `a socket`; empty for files and folders,
    for what is not there, and for what a shell has opened (`<(command)`, `/dev/stdin`).

    >>> irregular("/dev/zero"), irregular("/dev/stdin"), irregular("/")
    ('a device', '', '')
    """
    if _OPENED.fullmatch(str(path)):
        return ""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return ""
    return next((name for is_one, name in _KINDS if is_one(mode)), "")
