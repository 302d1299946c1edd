"""The packs that were loaded last, each for as long as nothing of it has changed.

To read and compile the shipped one takes a second. A daemon that reloads its settings, or a command
that needs a pack twice, gets it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from detections.packs.documents import RuleFault, rule_files
from detections.packs.pack import Pack
from trailhound.settings import DetectionSettings

_MOST = 4
_packs: dict[tuple[object, ...], Pack] = {}
"""By all that each was made of."""


def kept(settings: DetectionSettings, paths: Iterable[Path], load: Callable[[], Pack]) -> Pack:
    """The pack of these settings and of the files at these paths; `load` makes it where it is new
    or changed."""
    made_of = settings.model_dump_json(), *_files(paths)
    pack = _packs.get(made_of)
    if pack is None:
        pack = load()
        if len(_packs) >= _MOST:
            _packs.pop(next(iter(_packs)), None)
        _packs[made_of] = pack
    return pack


def _files(paths: Iterable[Path]) -> Iterator[object]:
    """What differs once a file at these paths, or which files there are, changes."""
    for path in paths:
        yield path
        for file in rule_files(path.expanduser()):
            if isinstance(file, RuleFault):
                yield file
                continue
            try:
                found = file.stat()
            except OSError:
                yield object()  # it may be there the next time
            else:
                yield file, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
