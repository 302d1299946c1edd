"""Loads a pack: rules, exceptions and settings from files to compiled rules.

A broken rule, exception or file is a fault with its place and reason; the others load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError, SigmaRuleNotFoundError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.backend.compiler import compile_rule
from detections.compiled import Compiled
from detections.correlations.correlation import Correlation
from detections.kinds.options import renamed_options
from detections.matcher import SigmaMatcher
from detections.packs.actions import Actions, Parsed
from detections.packs.checking import check, said
from detections.packs.chosen import silencing
from detections.packs.documents import SETTINGS, Document, RuleFault, Subject, documents, rule_files
from detections.packs.exceptions import DEFAULTS, RuleException, exception_id, is_named
from detections.packs.fault_lines import at_their_lines
from detections.packs.kept_packs import kept
from detections.packs.near import did_you_mean
from detections.packs.overrides import override
from detections.packs.pack import Pack
from detections.packs.reading import own_options, read, rule_id
from detections.rule import FilePosition, Rule
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings

SHIPPED = Path(__file__).parent.parent / "rules"
"""The shipped pack."""
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
    return kept(settings, files, lambda: _Loading(settings).run(listed))


class _Loading:
    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._placeholders = _Placeholders(settings.placeholders)
        self._overrides = {key.lower(): each for key, each in settings.overrides.items()}
        self._faults: list[RuleFault] = []
        self._checked: list[tuple[Document, list[RuleFault]]] = []
        self._places: dict[int, FilePosition] = {}
        self._sigma: list[SigmaRule | SigmaCorrelationRule] = []
        self._filters: list[tuple[SigmaFilter, FilePosition]] = []
        self._exceptions: list[RuleException] = []
        self._unfiltered: dict[str, SigmaRule] = {}
        """The narrowed rules by id, as they were before any exception."""

    def run(self, paths: list[Path]) -> Pack:
        for path in paths:
            if not path.expanduser().exists():
                raise UsageError(f"no rules at {path}", hint="check the path")
        require_paths({"exceptions": missing_paths(self._settings)["exceptions"]})
        self._read_all(path.expanduser() for path in paths)
        rules_only = len(self._sigma)
        folders = (path.expanduser() for path in self._settings.exceptions)
        self._read_all(folders, may_be_empty=True)
        for each in self._sigma[rules_only:]:
            self._fault(each, "a rule is in a folder of exceptions", "move it to a rules folder")
        del self._sigma[rules_only:]
        self._read_all([DEFAULTS] if DEFAULTS.is_dir() else [])
        self._drop_repeated()
        self._apply_filters()
        self._resolve()
        pack = self._finish()
        self._name_unused_placeholders()
        return replace(
            pack,
            faults=_once(at_their_lines(self._faults, self._checked)),
            exceptions=tuple(self._exceptions),
        )

    def _fault(
        self,
        sigma: Parsed,
        reason: str,
        hint: str = "",
        *,
        stops: bool = True,
        what: Subject | None = None,
    ) -> None:
        name = "" if isinstance(sigma, SigmaFilter) else rule_id(sigma)
        what = what or ("exception" if isinstance(sigma, SigmaFilter) else "rule")
        self._faults.append(RuleFault(self._places[id(sigma)], reason, hint, name, stops, what))

    def _name_unused_placeholders(self) -> None:
        for name in sorted(self._settings.placeholders.keys() - self._placeholders.used):
            reason = f"detections.placeholders: no active rule uses %{name}%"
            hint = did_you_mean(name, sorted(self._placeholders.missing), "remove it")
            at = ("detections", "placeholders", name)
            self._faults.append(
                RuleFault(SETTINGS, reason, hint, stops=False, what="placeholder", setting=at)
            )

    # Reading

    def _read_all(self, paths: Iterable[Path], *, may_be_empty: bool = False) -> None:
        """`may_be_empty`: a folder without rule files is no fault, as for exceptions."""
        seen: set[Path] = set()
        for path in paths:
            for file in rule_files(path):
                if isinstance(file, RuleFault):
                    if file.stops or not may_be_empty:
                        self._faults.append(file)
                elif file.resolve() not in seen:
                    seen.add(file.resolve())
                    self._read_file(file)

    def _read_file(self, file: Path) -> None:
        actions = Actions()
        empty = True
        for document in documents(file):
            empty = False
            if isinstance(document, RuleFault):
                self._faults.append(document)
                continue
            if not _is_shipped(file):  # the pack's own tests check those
                self._checked.append((document, check(document, self._settings.placeholders)))
            try:
                parsed = actions.parse(document)
            except Exception as error:  # noqa: BLE001  pySigma raises anything on hostile YAML
                self._faults.append(RuleFault(document.place, said(error), "fix the rule"))
                continue
            if parsed is not None:
                self._take(parsed, document.place)
        if empty:
            reason = "the file contains no rule"
            self._faults.append(
                RuleFault(FilePosition(file), reason, "remove it", stops=False, what="file")
            )

    def _take(self, parsed: Parsed, place: FilePosition) -> None:
        self._places[id(parsed)] = place
        if isinstance(parsed, SigmaFilter):
            self._filters.append((parsed, place))
        elif isinstance(parsed, SigmaRule) and (foreign := _foreign(parsed)):
            self._fault(parsed, f"its log source is {foreign}, not CloudTrail", "remove it")
        else:
            self._sigma.append(parsed)

    def _drop_repeated(self) -> None:
        first: dict[str, SigmaRule | SigmaCorrelationRule] = {}
        for each in self._sigma:
            before = first.setdefault(rule_id(each), each)
            if before is not each:
                where = self._places[id(before)]
                self._fault(
                    each,
                    f"the id {rule_id(each)} is already used by {where}: this rule is left out",
                    "give it another id",
                    stops=False,
                    what="warning",
                )
        self._sigma = list(first.values())

    # References between rules

    def _apply_filters(self) -> None:
        off = {name.lower() for name in self._settings.disabled_exceptions}
        known: set[str] = set()
        for exception, place in self._filters:
            names = {exception_id(exception), exception.title}
            known |= names - {""}
            narrowed = () if off.intersection(map(str.lower, names)) else self._applied(exception)
            if narrowed is not None:
                self._exceptions.append(
                    RuleException(
                        exception_id(exception),
                        exception.title,
                        (exception.description or "").strip(),
                        place,
                        default=place.path.is_relative_to(DEFAULTS),
                        active=bool(narrowed),
                        rules=narrowed,
                    )
                )
        for name in sorted(self._settings.disabled_exceptions):
            if name.lower() not in map(str.lower, known):
                reason = (
                    f"detections.disabled_exceptions: no exception has the id or title {name!r}"
                )
                hint = did_you_mean(name, sorted(known), "see `trailhound rules list`")
                at = ("detections", "disabled_exceptions")
                self._faults.append(
                    RuleFault(SETTINGS, reason, hint, stops=False, what="exception", setting=at)
                )

    def _applied(self, exception: SigmaFilter) -> tuple[str, ...] | None:
        """Narrows the rules that an exception names. Their titles; None for a broken exception."""
        try:  # alone first: a broken exception must not break its rules
            SigmaMatcher.from_detections(exception.filter, self._placeholders)
        except Exception as error:  # noqa: BLE001  as above
            self._fault(exception, said(error), getattr(error, "hint", "fix the exception"))
            return None
        narrowed: list[str] = []
        for index, rule in enumerate(self._sigma):
            if not isinstance(rule, SigmaRule) or not is_named(exception, rule):
                continue
            before = list(rule.detection.condition)
            try:
                made = exception.apply_on_rule(deepcopy(rule))
            except Exception as error:  # noqa: BLE001  as above
                self._fault(exception, said(error), "fix the exception")
                return None
            self._sigma[index] = made
            self._places[id(made)] = self._places[id(rule)]
            if isinstance(made, SigmaRule) and made.detection.condition != before:
                self._unfiltered.setdefault(rule_id(rule), rule)
                narrowed.append(rule.title)
        if not narrowed and not self._places[id(exception)].path.is_relative_to(DEFAULTS):
            self._fault(
                exception,
                f"the exception {exception.title!r} matches no rule",
                "check its `rules` and its `logsource`",
                stops=False,
            )
        self._name_unknown(exception)
        return tuple(narrowed)

    def _name_unknown(self, exception: SigmaFilter) -> None:
        """Names each rule that an exception names and that does not exist, if another of them
        does."""
        rules = exception.filter.rules
        if isinstance(rules, str) or self._places[id(exception)].path.is_relative_to(DEFAULTS):
            return
        known = {str(name).lower() for each in self._sigma for name in (each.id, each.name) if name}
        unknown = [each.reference for each in rules if each.reference.lower() not in known]
        if len(unknown) == len(rules):
            return  # it matches no rule at all: that fault is recorded already
        for name in unknown:
            self._fault(
                exception,
                f"the exception {exception.title!r} names {name!r}, and no rule has that id or "
                "`name`",
                did_you_mean(name.lower(), sorted(known), "see `trailhound rules list`"),
                stops=False,
            )

    def _resolve(self) -> None:
        """Resolves the references of correlations; one that cannot be resolved is a fault."""
        while True:
            collection = _ByTitle(list(self._sigma))
            broken = []
            for each in self._sigma:
                if isinstance(each, SigmaCorrelationRule):
                    try:
                        collection.used.clear()
                        each.resolve_rule_references(collection)
                        self._note_titles(each, collection.used)
                    except SigmaError as error:
                        broken.append(each)
                        self._fault(each, said(error), "name rules by id or `name`")
            if not broken:
                return
            self._sigma = [each for each in self._sigma if each not in broken]

    def _note_titles(self, rule: SigmaCorrelationRule, titles: Iterable[str]) -> None:
        for title in titles:
            reason = f"it names the rule {title!r} by its title, which is no reference in Sigma"
            place = self._places[id(rule)]
            known = {(each.place, each.reason) for each in self._faults}
            if (place, reason) not in known:
                hint = "name it by its id or `name`"
                self._fault(rule, reason, hint, stops=False, what="warning")

    def _finish(self) -> Pack:
        rules: list[Rule] = []
        compiled: dict[str, Compiled] = {}
        for each in self._sigma:
            try:
                rule = read(each, self._places[id(each)])
                self._note_renamed(each, rule, own_options(each))
                rule = self._overridden(rule, each)
                if isinstance(each, SigmaCorrelationRule):
                    Correlation.of(each)  # raises for what is not supported
                if rule.events is not None:
                    compiled[rule.id] = self._compiled(rule.events)
                    self._warn_unsearched(each, compiled[rule.id])
                    self._note_chosen(each, compiled[rule.id])
                rules.append(rule)
            except Exception as error:  # noqa: BLE001  one rule's fault must not stop the others
                self._fault(each, said(error), getattr(error, "hint", "fix the rule"))
        silent = self._only_for_others(rules)
        rules = [replace(rule, alerts=rule.id not in silent) for rule in rules]
        off = {key for key, each in self._overrides.items() if not each.enabled}
        enabled = tuple(rule for rule in rules if rule.id not in off)
        disabled = tuple(rule for rule in rules if rule.id in off)
        self._name_unused_overrides(rules)
        return Pack(enabled, compiled, (), disabled)

    def _compiled(self, sigma: SigmaRule) -> Compiled:
        """A rule's query, with that of the rule before any exception."""
        made = compile_rule(sigma, self._placeholders)
        before = self._unfiltered.get(rule_id(sigma))
        if before is None:
            return made
        return replace(made, before_exceptions=compile_rule(before, self._placeholders))

    def _warn_unsearched(self, sigma: SigmaRule | SigmaCorrelationRule, made: Compiled) -> None:
        for path in made.unsearched:
            self._fault(
                sigma,
                f"the index does not search the field {path!r}: hits are decided one by one",
                "see `trailhound rules fields`",
                stops=False,
                what="note",
            )

    def _note_chosen(self, sigma: SigmaRule | SigmaCorrelationRule, made: Compiled) -> None:
        matcher = (made.before_exceptions or made).matcher
        if matcher is None or _is_shipped(self._places[id(sigma)].path):
            return
        for path in sorted(silencing(matcher.root)):
            self._fault(
                sigma,
                f"a caller can set {path!r} so that the rule does not match any of its calls",
                "see `history.known_automation` in docs/rules.md",
                stops=False,
                what="note",
            )

    def _note_renamed(
        self, sigma: SigmaRule | SigmaCorrelationRule, rule: Rule, keys: Iterable[str], at: str = ""
    ) -> None:
        """A note for each key that is still read under its old name."""
        renamed = renamed_options(rule.kind)
        for key in sorted(set(keys) & renamed.keys()):
            self._fault(
                sigma,
                f"{at}{rule.kind}: {key} is the old name of {renamed[key]}",
                f"rename it to {renamed[key]}: the next release no longer reads {key}",
                stops=False,
                what="note",
            )

    def _only_for_others(self, rules: list[Rule]) -> set[str]:
        """Ids of rules that only correlations use. Removes correlations of broken rules from
        `rules`."""
        silent: set[str] = set()
        alive = {rule.id for rule in rules}
        while True:
            fallen = [
                rule
                for rule in rules
                if isinstance(rule.definition, SigmaCorrelationRule)
                and any(rule_id(ref.rule) not in alive for ref in rule.definition.referenced_rules)
            ]
            if not fallen:
                break
            for rule in fallen:
                self._fault(rule.definition, "it refers to a rule that is broken", "fix that rule")
                rules.remove(rule)
                alive.discard(rule.id)
        for rule in rules:
            if isinstance(rule.definition, SigmaCorrelationRule) and not rule.definition.generate:
                silent |= {rule_id(ref.rule) for ref in rule.definition.referenced_rules}
        return silent

    def _overridden(self, rule: Rule, sigma: SigmaRule | SigmaCorrelationRule) -> Rule:
        given = self._overrides.get(rule.id)
        if given is None:
            return rule
        made, unused = override(rule, sigma, given)
        at = f"detections.overrides.{rule.id}: "
        self._note_renamed(sigma, rule, given.model_fields_set, at)
        for each in unused:
            self._fault(sigma, at + each.reason, each.hint, stops=False, what="override")
        return made

    def _name_unused_overrides(self, rules: Iterable[Rule]) -> None:
        known = {rule.id: rule.title for rule in rules}
        broken = {each.rule_id for each in self._faults if each.stops}
        for key in sorted(self._overrides.keys() - known.keys()):
            reason = f"detections.overrides: no rule has the id {key!r}"
            if key in broken:
                reason = f"detections.overrides: the rule {key} does not run"
            by_title = [each for each, title in known.items() if title.lower() == key]
            hint = f"its id is {by_title[0]}" if by_title else "see `trailhound rules list`"
            at = ("detections", "overrides", key)
            self._faults.append(
                RuleFault(SETTINGS, reason, hint, stops=False, what="override", setting=at)
            )


def _once(faults: Iterable[RuleFault]) -> tuple[RuleFault, ...]:
    """Each fault once: the settings and the command line may name one folder in two ways."""
    found = {(each.place.path.resolve(), each.place.line, each.reason): each for each in faults}
    return tuple(found.values())


class _ByTitle(SigmaCollection):
    """Rules by id and `name`, and by a title that only one of them has."""

    def __init__(self, rules: list[Any]) -> None:
        super().__init__(rules, resolve_references=False)
        self.used: list[str] = []
        """The titles that were looked up."""

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except SigmaRuleNotFoundError:
            found = [each for each in self.rules if each.title == key]
            if len(found) != 1:
                raise
            self.used.append(str(key))
            return found[0]


class _Placeholders(dict[str, Sequence[str]]):
    """Placeholders that record which of them are used."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        super().__init__(given)
        self.used: set[str] = set()
        self.missing: set[str] = set()

    def __contains__(self, name: object) -> bool:
        found = super().__contains__(name)
        (self.used if found else self.missing).add(str(name))
        return found


def _is_shipped(file: Path) -> bool:
    return file.is_relative_to(SHIPPED) or file.is_relative_to(DEFAULTS)


def _foreign(rule: SigmaRule) -> str:
    """The log source of a rule that is not for CloudTrail; empty for one that is."""
    source = rule.logsource
    if source.product not in (None, "aws"):
        return f"product {source.product!r}"
    return f"service {source.service!r}" if source.service not in (None, "cloudtrail") else ""
