"""The paths of rules and exceptions that settings name, and why one of them cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detections.packs.documents import RuleFault, rule_files
from detections.rule import FilePosition
from trailhound.regular_files import irregular
from trailhound.settings import DetectionSettings

SETTINGS_OF_PATHS: Final = ("rules", "exceptions")
"""The settings of `detections` that name files and folders."""
NO_PATH: Final = "no such file or folder"


@dataclass(frozen=True, slots=True)
class UnreadPath:
    """A file or folder of `detections.rules` or `detections.exceptions`, or one below it, of which
    it is not known what it contains."""

    setting: str
    """The name of the setting within `detections`."""
    given: Path
    """As the setting has it."""
    path: Path
    reason: str

    @property
    def key(self) -> tuple[str, Path]:
        """What it is, without the reason."""
        return self.setting, self.path

    @property
    def message(self) -> str:
        """What is missing, in words: the same ones in `/readyz`, `status`, `doctor` and logs."""
        return f"detections.{self.setting}: {self.reason}: {self.path}"

    @property
    def fault(self) -> RuleFault:
        """As a fault of a pack."""
        place, reason = FilePosition(self.path, 0), f"detections.{self.setting}: {self.reason}"
        return RuleFault(place, reason, "check the path", what="file")


def unread_paths(settings: DetectionSettings) -> list[UnreadPath]:
    """What cannot be read of the paths that settings name, in their order. Reads no file."""
    return [
        UnreadPath(name, given, path, reason)
        for name in SETTINGS_OF_PATHS
        for given in getattr(settings, name)
        for path, reason in _unread(given)
    ]


def missing(settings: DetectionSettings, name: str) -> list[UnreadPath]:
    """The paths of the setting `name` that cannot be read at all: they are not there, or in a
    folder that cannot be read."""
    return [
        UnreadPath(name, given, given, reason)
        for given in getattr(settings, name)
        if (reason := _missing(given))
    ]


def _missing(path: Path) -> str:
    try:
        path.expanduser().stat()
    except (FileNotFoundError, NotADirectoryError):
        return NO_PATH
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except RuntimeError as error:  # `~name` of a user that does not exist
        return str(error)
    return ""


def _unread(path: Path) -> Iterator[tuple[Path, str]]:
    if reason := _missing(path):
        yield path, reason
        return
    for file in rule_files(path.expanduser()):
        if isinstance(file, RuleFault):
            if file.stops:
                yield file.place.path, file.reason
        elif not irregular(file) and not os.access(file, os.R_OK, effective_ids=True):
            gone = not os.path.lexists(file)
            yield file, NO_PATH if gone else "the file cannot be read"
