"""Loads a pack: rules, exceptions and settings from files to compiled rules.

A broken rule, exception or file is a fault with its place and reason; the others load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from detections.packs.applying import ExceptionApplier
from detections.packs.compiling import PackCompiler
from detections.packs.documents import RuleFault
from detections.packs.exceptions import DEFAULTS
from detections.packs.kept_packs import kept
from detections.packs.load_faults import LoadFaults
from detections.packs.overrides import Overrides
from detections.packs.pack import Pack
from detections.packs.parsing import SHIPPED as SHIPPED
from detections.packs.parsing import parse_files
from detections.packs.placeholders import UsedPlaceholders
from detections.packs.references import first_of_each_id, resolve
from detections.packs.rule_names import PackFolders
from detections.rule import FilePosition
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings

NO_PATH: Final = "no such file or folder"


def load(settings: DetectionSettings, more: Sequence[Path] = ()) -> Pack:
    """The shipped pack, those of the settings, and `more`, with exceptions and overrides.

    A path of `detections.rules` that does not exist is a fault, and so is everything invalid in a
    file; the other rules load. Raises `UsageError` for a missing path of `more` or of
    `detections.exceptions`.
    """
    shipped = [SHIPPED] if settings.shipped and SHIPPED.is_dir() else []
    missing = missing_paths(settings)["rules"]
    present = [path for path in settings.rules if path not in missing]
    pack = load_paths([*shipped, *present, *more], settings)
    faults = (
        RuleFault(
            FilePosition(path),
            f"detections.rules: {NO_PATH}",
            "check the path",
            what="file",
        )
        for path in missing
    )
    return replace(pack, faults=(*faults, *pack.faults))


def missing_paths(settings: DetectionSettings) -> dict[str, list[Path]]:
    """The paths of `detections.rules` and `detections.exceptions` that do not exist, by the name of
    the setting within its section."""
    return {
        name: [path for path in getattr(settings, name) if not path.expanduser().exists()]
        for name in ("rules", "exceptions")
    }


def require_paths(missing: Mapping[str, Sequence[Path]]) -> None:
    """Raises `UsageError` with every missing path and its setting, if there is one."""
    named = [
        f"detections.{name}: {NO_PATH}: {path}" for name, paths in missing.items() for path in paths
    ]
    if named:
        raise UsageError("; ".join(named), hint="check the path" + "s" * (len(named) > 1))


def load_paths(paths: Iterable[Path], settings: DetectionSettings) -> Pack:
    """The rules at `paths` alone, with the settings' exceptions, placeholders and overrides.

    Returns the same pack again while no file of it and no setting under `detections` has changed.
    Raises `UsageError` for a path that does not exist.
    """
    listed = list(paths)
    files = [*listed, DEFAULTS, *settings.exceptions]
    return kept(settings, files, lambda: _load(listed, settings))


def _load(paths: Sequence[Path], settings: DetectionSettings) -> Pack:
    for path in paths:
        if not path.expanduser().exists():
            raise UsageError(f"no rules at {path}", hint="check the path")
    require_paths({"exceptions": missing_paths(settings)["exceptions"]})
    faults = LoadFaults()
    given = settings.placeholders
    of_rules = parse_files(paths, given, faults)
    of_exceptions = parse_files(settings.exceptions, given, faults, may_be_empty=True)
    for rule in of_exceptions.rules:
        faults.add_of(rule, "a rule is in a folder of exceptions", "move it to a rules folder")
    shipped = parse_files([DEFAULTS] if DEFAULTS.is_dir() else [], given, faults)

    placeholders = UsedPlaceholders(given)
    rules = first_of_each_id(of_rules.rules, faults)
    folders = PackFolders([*paths, *settings.exceptions])
    applier = ExceptionApplier(rules, folders, placeholders, faults)
    exceptions = applier.apply_all(
        [*of_rules.exceptions, *of_exceptions.exceptions, *shipped.exceptions],
        settings.disabled_exceptions,
    )
    overrides = Overrides(settings.overrides)
    compiler = PackCompiler(overrides, placeholders, applier.unfiltered, faults)
    pack = compiler.pack(resolve(applier.rules, folders, faults))
    placeholders.name_unused(faults)
    return replace(pack, faults=faults.by_line(), exceptions=exceptions)
