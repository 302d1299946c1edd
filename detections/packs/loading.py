"""Loads a pack: rules, exceptions and settings from files to compiled rules.

A broken rule, exception or file is a fault with its place and reason; the others load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

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
from detections.packs.rule_paths import missing
from detections.packs.variants import with_variants_apart
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings


def load(settings: DetectionSettings, more: Sequence[Path] = ()) -> Pack:
    """The shipped pack, those of the settings, and `more`, with exceptions and overrides.

    A path of `detections.rules` or `detections.exceptions` that cannot be read is a fault, and so
    is everything invalid in a file; all else loads. Raises `UsageError` for a missing path of
    `more`.
    """
    shipped = [SHIPPED] if settings.shipped and SHIPPED.is_dir() else []
    present, absent = _present(settings, "rules")
    pack = load_paths([*shipped, *present, *more], settings)
    return replace(pack, faults=(*absent, *pack.faults)) if absent else pack


def load_paths(paths: Iterable[Path], settings: DetectionSettings) -> Pack:
    """The rules at `paths` alone, with the settings' exceptions, placeholders and overrides.

    Returns the same pack again while no file of it and no setting under `detections` has changed.
    Raises `UsageError` for a path that does not exist; one of `detections.exceptions` is a fault.
    """
    listed = list(paths)
    exceptions, absent = _present(settings, "exceptions")
    files = [*listed, DEFAULTS, *exceptions]
    pack = kept(settings, files, lambda: _load(listed, exceptions, settings))
    return replace(pack, faults=(*absent, *pack.faults)) if absent else pack


def _present(settings: DetectionSettings, name: str) -> tuple[list[Path], list[RuleFault]]:
    """The paths of a setting that can be read, and the faults of the others."""
    absent = {each.given: each.fault for each in missing(settings, name)}
    return [each for each in getattr(settings, name) if each not in absent], [*absent.values()]


def _load(
    paths: Sequence[Path], own_exceptions: Sequence[Path], settings: DetectionSettings
) -> Pack:
    for path in paths:
        if not path.expanduser().exists():
            raise UsageError(f"no rules at {path}", hint="check the path")
    faults = LoadFaults()
    given = settings.placeholders
    of_rules = parse_files(paths, given, faults)
    of_exceptions = parse_files(own_exceptions, given, faults, may_be_empty=True)
    for rule in of_exceptions.rules:
        faults.add_of(rule, "a rule is in a folder of exceptions", "move it to a rules folder")
    shipped = parse_files([DEFAULTS] if DEFAULTS.is_dir() else [], given, faults)

    placeholders = UsedPlaceholders(given)
    rules = first_of_each_id(of_rules.rules, faults)
    folders = PackFolders([*paths, *own_exceptions])
    applier = ExceptionApplier(rules, folders, placeholders, faults)
    exceptions = applier.apply_all(
        [*of_rules.exceptions, *of_exceptions.exceptions, *shipped.exceptions],
        settings.disabled_exceptions,
    )
    overrides = Overrides(settings.overrides)
    compiler = PackCompiler(overrides, placeholders, applier.unfiltered, faults)
    pack = compiler.pack(resolve(applier.rules, folders, faults))
    pack = with_variants_apart(pack, folders, faults)
    placeholders.name_unused(faults)
    placeholders.name_narrowed(faults)
    return replace(pack, faults=faults.by_line(), exceptions=exceptions)
