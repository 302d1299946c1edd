"""A cache of the packs that were used last; an entry is valid until one of its files changes, or
the day, with which an exception may end.

Reading and compiling the shipped pack takes a second. A daemon that reloads its settings, or a
command that needs a pack twice, gets the same pack again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from detections.packs.documents import RuleFault, rule_files
from detections.packs.expiry import today
from detections.packs.pack import Pack
from trailhound.settings import DetectionSettings

_MOST = 4
_packs: dict[tuple[object, ...], Pack] = {}
"""By settings and files."""


def kept(settings: DetectionSettings, paths: Iterable[Path], load: Callable[[], Pack]) -> Pack:
    """The pack of these settings and of the files at these paths; `load` is called if it is not in
    the cache or has changed."""
    made_of = settings.model_dump_json(), today(), *_files(paths)
    pack = _packs.get(made_of)
    if pack is None:
        pack = load()
        if len(_packs) >= _MOST:
            _packs.pop(next(iter(_packs)), None)
    _packs.pop(made_of, None)
    _packs[made_of] = pack  # behind those that were not used since
    return pack


def _files(paths: Iterable[Path]) -> Iterator[object]:
    """The identity and state of every file at these paths: differs if one is changed, added,
    removed."""
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
