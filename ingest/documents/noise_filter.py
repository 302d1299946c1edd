"""The `filter:` setting: events that are dropped before indexing, and counted as filtered.

Each block is Sigma. The short form is one selection; the long form has a name and a whole
detection:

    filter:
      - {eventSource: kms.amazonaws.com, eventName: [Decrypt, GenerateDataKey]}
      - name: config-recorder
        detection:
          reader: {eventName|startswith: [Describe, List, Get]}
          recorder:
            userIdentity.sessionContext.sessionIssuer.arn|startswith:
              - arn:aws:iam::111122223333:role/aws-service-role/config.amazonaws.com/
          failed: {errorCode|exists: true}
          condition: reader and recorder and not failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detections.matcher import SigmaMatcher
from detections.packs.chosen import admitting
from detections.packs.detection_check import Path, detection_faults
from trailhound.errors import RuleError, SettingsError


class NoiseFilter:
    """The compiled setting; an event that any block matches is dropped.

    Raises `SettingsError` that names every faulty block at once.

    >>> noise = NoiseFilter([{"eventSource": "kms.amazonaws.com", "eventName": ["Decrypt"]}])
    >>> noise.drops({"eventSource": "kms.amazonaws.com", "eventName": "Decrypt"})
    'filter.0'
    >>> noise.drops({"eventSource": "kms.amazonaws.com", "eventName": "DisableKey"})
    """

    def __init__(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        matchers, faults = _compiled(blocks)
        if faults:
            lines = [f"  filter.{position}: {reason}" for position, reason in faults]
            raise SettingsError(
                "\n".join(["the filter setting cannot be used:", *lines]),
                hint="each block is a Sigma selection, or a name with a detection; "
                "see docs/settings.md",
            )
        self._tests = tuple((name, matcher.matches) for name, matcher in matchers)
        self._any = SigmaMatcher.any_of([matcher for _, matcher in matchers])

    def __bool__(self) -> bool:
        """Whether there is anything to drop by."""
        return bool(self._tests)

    @property
    def fields(self) -> frozenset[str]:
        """The paths that the blocks read; a keyword search adds none, and reads all."""
        return self._any.fields

    def drops(self, record: Mapping[str, Any]) -> str | None:
        """The name of the first block that matches the record (`filter.N` if it has none)."""
        for name, matches in self._tests:
            if matches(record):
                return name
        return None


def filter_faults(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[Path, str]]:
    """(path, reason) for every fault of the blocks, likely mistakes included.

    >>> filter_faults([{"eventName": "Decrypt"}, {}, {"eventNam": "Decrypt"}])
    ... # doctest: +ELLIPSIS
    [((1,), ...), ((2, 'eventNam'), ...)]
    """
    found: list[tuple[Path, str]] = []
    for position, block in enumerate(blocks):
        try:
            _, detection = _parts(f"filter.{position}", block)
        except RuleError as error:
            found.append(((position,), _with_hint(str(error), error.hint)))
            continue
        short = "detection" not in block
        before: Path = (position,) if short else (position, "detection")
        faults = detection_faults({"condition": "all of them", **detection})
        for path, reason, hint in faults:
            found.append(((*before, *(path[1:] if short else path)), _with_hint(reason, hint)))
        if not faults:  # faults of the block as a whole
            found += [((position,), reason) for _, reason in _compiled([block])[1]]
    return found


def filter_doubts(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """(position, sentence) for each block that drops events by what a caller chooses.

    >>> [place for place, _ in filter_doubts([{"eventName": "Decrypt"}, {"userAgent": "sdk"}])]
    [1]
    """
    found: list[tuple[int, str]] = []
    for position, block in enumerate(blocks):
        try:
            matcher = SigmaMatcher.from_detection(_parts("", block)[1])
        except RuleError:
            continue  # `filter_faults` names it
        if fields := sorted(admitting(matcher.root)):
            what = f"whoever calls can choose {' and '.join(fields)} so that the events are dropped"
            found.append((position, f"{what} (test a role by its whole ARN; see docs/settings.md)"))
    return found


def _with_hint(reason: str, hint: str) -> str:
    return reason + (f" ({hint})" if hint else "")


def _compiled(
    blocks: Sequence[Mapping[str, Any]],
) -> tuple[list[tuple[str, SigmaMatcher]], list[tuple[int, str]]]:
    matchers: list[tuple[str, SigmaMatcher]] = []
    faults: list[tuple[int, str]] = []
    for position, block in enumerate(blocks):
        try:
            name, detection = _parts(f"filter.{position}", block)
            matchers.append((name, SigmaMatcher.from_detection(detection)))
        except RuleError as error:
            faults.append((position, _with_hint(str(error), error.hint)))
    return matchers, faults


def _parts(setting: str, block: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The block's name and its detection, from either form."""
    if not isinstance(block, Mapping) or not block:
        raise RuleError("it holds no fields", hint="write for example `{eventName: Decrypt}`")
    if "detection" not in block:
        if "name" in block or "condition" in block:
            raise RuleError(
                "`name` and `condition` belong to a block with `detection`",
                hint="write `{name: …, detection: {selection: {…}, condition: selection}}`",
            )
        return setting, {"selection": block}
    unknown = sorted(str(key) for key in block if key not in ("name", "detection"))
    if unknown:
        raise RuleError(
            f"unknown beside `detection`: {', '.join(unknown)}", hint="only `name` is allowed there"
        )
    detection = block["detection"]
    if not isinstance(detection, Mapping):
        raise RuleError("`detection` is not a mapping", hint="give it named selections")
    bare = [
        str(name)
        for name, selection in detection.items()
        if name != "condition" and not _names_fields(selection)
    ]
    if bare and "condition" not in detection:
        # `detection: {eventName: Decrypt}` would be Sigma for "Decrypt anywhere in the event".
        raise RuleError(
            f"{', '.join(bare)} under `detection` name no field",
            hint="put the fields in a selection, or give a condition if keywords are meant",
        )
    return str(block.get("name") or setting), detection


def _names_fields(selection: Any) -> bool:
    """Whether it is a mapping of fields, or a list of such mappings."""
    if isinstance(selection, list):
        return bool(selection) and all(isinstance(each, Mapping) for each in selection)
    return isinstance(selection, Mapping)
